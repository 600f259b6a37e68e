"""From a checked config to the things it describes: process, schedule, network, solver options."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from gdm_jax._registry import call, choose, first_line, takes
from gdm_jax.config.schema import Config, Model, Own, Sampling
from gdm_jax.networks import NETWORKS, InBasis, Jumping, Preconditioned
from gdm_jax.ode import SOLVERS
from gdm_jax.process import family as families
from gdm_jax.process import schedule as schedules
from gdm_jax.process.basis import BASES, Basis
from gdm_jax.process.family import Family
from gdm_jax.process.groups import GROUPINGS, Groups
from gdm_jax.process.interpolant import INTERPOLANTS
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule

__all__ = ["Experiment", "encoding", "family", "inverse_steps", "network", "process", "schedule", "solver_options"]


class Experiment(NamedTuple):
    """What a config describes, each made once.

    Attributes:
      process: How data become noise.
      family: Schedules that the network is trained on.
      schedule: Schedule that samples are drawn with.
      network: Network, with `init` and `apply`.
    """

    process: Process
    family: Family
    schedule: Schedule
    network: Any


def process(config: Config, own: Own | None = None) -> Process:
    """The process that config.data.shape and config.process describe.

    Args:
      config: Config of the experiment.
      own: Entries that count beside those of the tables, under "groupings" and "bases".

    Raises:
      ValueError: if they do not fit together.
    """
    settings = config.process
    grid = config.data.shape[:2]
    known = {"shape": grid, "size": grid, "data_shape": config.data.shape, "sigma": settings.sigma}
    space = _entry("process.basis", settings.basis, BASES, own, "bases", known)
    if not isinstance(space, Basis):
        raise ValueError(f"process.basis: {settings.basis!r} must return a Basis, got {type(space).__name__}")
    fields = {name: getattr(settings, name) for name in ("k", "blocks", "bands", "index")}
    known |= {**fields, "boundaries": settings.bands, "rank": space.rank}
    partition = _entry("process.groups", settings.groups, GROUPINGS, own, "groupings", known)
    if not isinstance(partition, Groups):
        raise ValueError(f"process.groups: {settings.groups!r} must return Groups, got {type(partition).__name__}")
    return Process(partition, space, interpolant=settings.interpolant, strict=settings.strict)


def _entry(field: str, name: str, table: Mapping[str, Callable], own: Own | None, argument: str, known: Mapping) -> Any:
    """What the entry that a field names makes of what is known."""
    made_by = choose({**table, **(own or {}).get(argument, {})}, name, field)
    try:
        return call(made_by, known)
    except TypeError as error:
        raise ValueError(f"{field}: {name!r}: {first_line(error)}; it may take {', '.join(known)}") from error


def family(config: Config, k: int) -> Family:
    """The schedules that config.schedule trains k groups on.

    Raises:
      ValueError: if boundaries, overlaps or orders do not fit k.
    """
    intervals = config.schedule
    sets = _several(intervals.boundaries)
    if sets and any(intervals.overlap):
        raise ValueError(f"schedule.overlap: must be 0 where schedule.boundaries are given, got {intervals.overlap}")
    chosen = [_adjacent("schedule.boundaries", boundaries, k) for boundaries in sets]
    chosen = chosen or [schedules.overlapping(k, overlap) for overlap in intervals.overlap or (0.0,)]
    ways = bool(intervals.order) + intervals.random_order + bool(intervals.random_orders)
    if ways > 1 or intervals.random_orders < 0:
        raise ValueError("schedule.order: set one of order, random_order and random_orders (a positive number)")
    orders = _several(intervals.order) or [tuple(range(k))]
    for order in orders:
        _check_order("schedule.order", order, k)
    if intervals.random_orders:
        orders = families.random_orders(k, intervals.random_orders, seed=config.seed)
    return families.of(chosen, None if intervals.random_order else orders)


def schedule(config: Config, k: int, trained_on: Family | None = None) -> Schedule:
    """The schedule that config.sampling picks from the family of config.schedule.

    Args:
      config: Config of the experiment.
      k: Number of groups.
      trained_on: Family of config.schedule, where it is at hand.

    Raises:
      ValueError: if its boundaries, overlap or order do not fit k, or the network was not trained on such a path.
    """
    trained, sampling = config.schedule, config.sampling
    order = sampling.order
    if order:
        _check_order("sampling.order", order, k)
    overlaps = (0.0,) if trained.boundaries else trained.overlap or (0.0,)
    overlap = sampling.overlap[0] if sampling.overlap else 0.0 if sampling.boundaries else overlaps[0]
    if len(sampling.overlap) > 1 or (sampling.boundaries and overlap):
        raise ValueError(f"sampling.overlap: one number, or boundaries without it, got {sampling.overlap}")
    if k > 1 and overlap not in overlaps:
        raise ValueError(f"sampling.overlap: must be one that the network was trained on, {overlaps}, got {overlap}")
    trained_on = family(config, k) if trained_on is None else trained_on
    picked = trained_on.schedule(order, intervals=overlaps.index(overlap) if k > 1 else 0)
    if not sampling.boundaries:
        return picked
    # Adjacent intervals of one order follow one path, whatever their boundaries.
    return _adjacent("sampling.boundaries", sampling.boundaries, k).reorder(np.argsort(-picked.t_start))


def _several(value: tuple) -> list:
    """One tuple of numbers, or several nested in one, as a list of what ought to be tuples."""
    return list(value) if value and isinstance(value[0], tuple) else [value] if value else []


def _adjacent(field: str, boundaries, k: int) -> Schedule:
    if len(boundaries) != k - 1 or not all(isinstance(b, (int, float)) for b in boundaries):
        raise ValueError(f"{field}: {k} groups need {k - 1} boundaries, got {boundaries}")
    try:
        return schedules.from_boundaries(boundaries)
    except ValueError as error:
        raise ValueError(str(error).replace("boundaries", field, 1)) from error


def _check_order(field: str, order, k: int) -> None:
    if not isinstance(order, tuple) or any(type(j) is not int for j in order) or sorted(order) != list(range(k)):
        raise ValueError(f"{field}: expected a permutation of {k} groups, 0..{k - 1}, got {order}")


def solver_options(sampling: Sampling, **given: Any) -> dict[str, Any]:
    """Keyword arguments of `gdm_jax.ode.solve`: those that are given, and the config's for solver, steps, rtol, atol.

    Raises:
      ValueError: if a tolerance is given, though the steps do not adapt.
    """
    steps = _steps(sampling.steps)
    own = {"solver": sampling.solver, "steps": steps, "rtol": sampling.rtol, "atol": sampling.atol}
    for name in ("rtol", "atol"):
        if name in given and (own | given)["steps"] is not None:
            raise ValueError(f"{name}: is for adaptive steps alone: steps=None, or --steps 0 in a command")
    return own | given


def encoding(sampling: Sampling, pieces: int, **given: Any) -> dict[str, Any]:
    """Those that are given, and solver and steps from data to noise where they are not, on a path of so many pieces.

    Samples bear few steps, but an error of encoding stays in the latent: they are precise. inverse_euler takes those of
    `inverse_steps`, which decode by Euler.
    """
    solver = given.get("solver", "tsit5")
    inverse = isinstance(solver, str) and solver == "inverse_euler"
    return {"solver": solver, "steps": inverse_steps(sampling, pieces) if inverse else max(32, pieces)} | given


def inverse_steps(sampling: Sampling, pieces: int) -> int | tuple[int, ...]:
    """Steps of the Euler grid that `gdm_jax.invert` undoes, on a path of so many pieces."""
    of_euler = sampling.steps if sampling.solver == "euler" else ()
    return _steps(sampling.inverse_steps) or _steps(of_euler) or max(128, pieces)


def _steps(steps: tuple[int, ...]) -> int | tuple[int, ...] | None:
    """A total, one number for each group, or None for none."""
    return steps[0] if len(steps) == 1 else steps or None


def network(config: Config, process: Process, own: Own | None = None) -> Any:
    """The network of config.model, with `init` and `apply`; see `gdm_jax.networks`.

    Equal networks of this library are one object, so that programs serve every model that is loaded with it.

    Args:
      config: Config of the experiment.
      process: Process that it describes.
      own: Entries that count beside those of the table, under "networks".

    Raises:
      ValueError: if the network does not take a field that the config sets, or does not fit the data.
    """
    model, augment = config.model, config.training.augment
    maker = choose({**NETWORKS, **(own or {}).get("networks", {})}, model.name, "model.name")
    taken = takes(maker)
    optional = {field.name: field.default for field in dataclasses.fields(Model) if field.metadata["rule"].optional}
    for name, default in optional.items():
        if name not in taken and getattr(model, name) != default:
            raise ValueError(f"model.{name}: must be {default!r} for the {model.name}, got {getattr(model, name)!r}")
    if augment and "augment" not in taken:
        raise ValueError(f"training.augment: must be 0 for the {model.name}, got {augment}")
    if model.space == "frequency" and not process.basis.matrices:
        raise ValueError("model.space: 'frequency' needs a basis of frequencies; set process.basis to dct")
    known = {field.name: getattr(model, field.name) for field in dataclasses.fields(model) if field.name != "name"}
    known |= {"dtype": jnp.dtype(model.dtype), "augment": augment > 0}
    known |= {"shape": config.data.shape, "k": process.k, "process": process}

    def made(jumps: bool) -> Any:
        net = _entry("model.name", model.name, NETWORKS, own, "networks", known | {"jumps": jumps})
        net = InBasis(net, process.basis) if model.space == "frequency" else net
        return Preconditioned(net, process) if model.precondition else net

    net = Jumping(made(False), made(True)) if model.jumps else made(False)
    return _first(net, (*INTERPOLANTS.values(), *SOLVERS.values())) if maker in _OURS else net


_OURS = frozenset(NETWORKS.values())  # without what users add later


@functools.lru_cache(maxsize=64)
def _first(net: Any, entries: tuple) -> Any:
    """The first network that equals this one. JAX knows a method by its object, and would compile for each anew.

    A program knows interpolants and solvers by name, so that other entries of these tables ask for another object.
    """
    return net
