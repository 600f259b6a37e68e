"""From a checked config to the things it describes: process, schedule, network, solver options."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from gdm_jax import networks as models
from gdm_jax.config.schema import Config, Sampling
from gdm_jax.process import basis, groups
from gdm_jax.process import family as families
from gdm_jax.process import schedule as schedules
from gdm_jax.process.family import Family
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule


def process(config: Config) -> Process:
    """The process that config.data.shape and config.process describe.

    Raises:
      ValueError: if they do not fit together.
    """
    shape, settings = config.data.shape, config.process
    grid = shape[:2] if len(shape) == 3 else shape
    if settings.basis == "identity":
        space = basis.identity()
    elif settings.basis == "dct":
        space = basis.dct(grid)
    else:
        space = basis.gaussian_blur(grid, settings.sigma)
    named = getattr(groups, settings.groups)
    if settings.groups == "frequency_bands":
        partition = named(space.rank, settings.bands)
    elif settings.groups == "from_index":
        try:
            index = np.asarray(settings.index)
        except ValueError:
            raise ValueError("process.index: its rows differ in length; nest it as the datum is") from None
        partition = named(index)
    elif settings.groups == "blockwise":
        partition = named(grid, settings.blocks)
    elif settings.groups in ("single", "per_element"):
        partition = named(grid)
    else:
        partition = named(grid, settings.k)
    return Process(partition, space, interpolant=settings.interpolant, strict=settings.strict)


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


def schedule(config: Config, k: int) -> Schedule:
    """The schedule that config.sampling picks from the family of config.schedule.

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
    picked = family(config, k).schedule(order, intervals=overlaps.index(overlap) if k > 1 else 0)
    if not sampling.boundaries:
        return picked
    # Adjacent intervals of one order follow one path, whatever their boundaries.
    return _adjacent("sampling.boundaries", sampling.boundaries, k).reorder(np.argsort(-picked.t_start))


def _several(value: tuple) -> list[tuple]:
    """One tuple of numbers, or several nested in one, as a list of tuples."""
    return list(value) if value and isinstance(value[0], tuple) else [value] if value else []


def _adjacent(field: str, boundaries, k: int) -> Schedule:
    if len(boundaries) != k - 1 or not all(isinstance(b, (int, float)) for b in boundaries):
        raise ValueError(f"{field}: {k} groups need {k - 1} boundaries, got {boundaries}")
    return schedules.from_boundaries(boundaries)


def _check_order(field: str, order, k: int) -> None:
    if not isinstance(order, tuple) or any(type(j) is not int for j in order) or sorted(order) != list(range(k)):
        raise ValueError(f"{field}: expected a permutation of {k} groups, 0..{k - 1}, got {order}")


def solver_options(sampling: Sampling) -> dict:
    """Keyword arguments of `gdm_jax.ode.solve`."""
    steps = sampling.steps[0] if len(sampling.steps) == 1 else sampling.steps or None
    return {"solver": sampling.solver, "steps": steps, "rtol": sampling.rtol, "atol": sampling.atol}


def network(config: Config, process: Process):
    """The Flax module of config.model, with `init` and `apply`."""
    net = _module(config, process)
    return models.InBasis(net, process.basis) if config.model.space == "frequency" else net


def _module(config: Config, process: Process):
    model = config.model
    if model.name == "mlp":
        return models.MLP(width=model.channels, layers=model.blocks, classes=model.classes)
    return models.UNet(
        channels=model.channels,
        multipliers=model.multipliers,
        blocks=model.blocks,
        attention=model.attention,
        dropout=model.dropout,
        alpha_channels=process.groups if model.alpha_channels else None,
        classes=model.classes,
        augment=config.training.augment > 0,
        patch=model.patch,
        dtype=jnp.dtype(model.dtype),
        remat=model.remat,
    )
