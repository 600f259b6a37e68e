"""Whether a config keeps its rules: those of each field, which `schema` states, and those across fields."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any

from gdm_jax import ode
from gdm_jax._registry import suggest, takes
from gdm_jax.config import build
from gdm_jax.config.build import Experiment
from gdm_jax.config.schema import Config, Own, Rule, Table, fields
from gdm_jax.process import groups
from gdm_jax.process.basis import BASES
from gdm_jax.process.family import Family
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule

__all__ = ["check", "check_sampling", "check_solver"]

# Beyond these a config asks for more than fits any machine.
LONGEST_AXIS, MOST_GROUPS = 1024, 4096
MOST_PLACES = 2**20  # groups times the schedules that a network is trained on


def check(config: Config, own: Own | None = None, *, trains: bool = True) -> Experiment:
    """What a config describes, once it is known that it keeps every rule.

    Args:
      config: Config with fields of the right types.
      own: Entries that count beside those of the tables: "groupings", "bases" and "networks".
      trains: Whether the config is to be trained. One of a finished run may name a loss that is not here.

    Raises:
      ValueError: for the first field that breaks a rule, with its name, its value, the rule and the fix.
    """
    own = own or {}
    for name, value, rule in _rules(config, trains):
        _check_field(name, value, rule, own, trains)
    _check_together(config)
    process = build.process(config, own)
    _check_process(config, process)
    family = build.family(config, process.k)
    return Experiment(process, family, check_sampling(config, family), build.network(config, process, own))


def check_sampling(config: Config, family: Family) -> Schedule:
    """The schedule that config.sampling picks, once it is known that it can be solved.

    Raises:
      ValueError: if the family does not hold such a path, or solver and steps do not fit it.
    """
    for name, value, rule in _rules(config, trains=False):
        if name.startswith("sampling."):
            _check_field(name, value, rule, {}, trains=False)
    schedule = build.schedule(config, family.k, family)
    for name, one in (("inverse_steps", "a total"), ("temperature", "one number")):
        value = getattr(config.sampling, name)
        fits = len(value) in (0, 1, family.k)
        _rule(f"sampling.{name}", value, fits, f"{one} or one for each of {family.k} groups")
    weak, fits = config.sampling.weak_step, config.sampling.autoguidance == 1 or config.sampling.weak_step > 0
    _rule("sampling.weak_step", weak, fits, "the step of an earlier checkpoint where autoguidance is not 1")
    options = build.solver_options(config.sampling)
    check_solver(config, options["solver"])
    path = ode.path.of(schedule, steps=options.pop("steps"))
    ode.settings(path, forward=False, **options)
    return schedule


def check_solver(config: Config, solver: Any) -> None:
    """Raises ValueError unless the network of a config can be asked what a solver asks it."""
    if solver == "mean_flow" and not config.model.jumps:
        raise ValueError("solver: mean_flow needs a network that was trained with model.jumps; take abm3")


def _rules(config: Config, trains: bool) -> Iterator[tuple[str, Any, Rule]]:
    """Name, value and rule of every field that counts."""
    for name, value, field in fields(config):
        rule = field.metadata["rule"]
        if trains or not name.startswith("training.") or rule.table is None:
            yield name, value, rule


def _check_field(name: str, value: Any, rule: Rule, own: Own, trains: bool) -> None:
    if rule.table is not None:
        _check_entry(name, value, rule.table, own, trains)
    if rule.among:
        _choice(name, value, rule.among)
    if rule.lengths:
        _rule(name, value, len(value) in rule.lengths, rule.length())
    words = rule.range()
    if words:
        several = isinstance(value, tuple)
        numbers = value if several else (value,)
        _rule(name, value, all(_holds(number, rule) for number in numbers), words + " each" * several)


def _holds(number: int | float, rule: Rule) -> bool:
    return (
        (rule.least is None or number >= rule.least)
        and (rule.above is None or number > rule.above)
        and (rule.most is None or number <= rule.most)
        and (rule.below is None or number < rule.below)
        and (rule.multiple is None or number % rule.multiple == 0)
    )


def _check_entry(name: str, value: str, table: Table, own: Own, trains: bool) -> None:
    known = table.names(own.get(table.argument, {}))
    if trains or value in known:
        return _choice(name, value, known)
    ways = f"pass {table.argument}={{{value!r}: ...}} to load, or " if table.argument else ""
    raise ValueError(
        f"{name}: there is no {value!r} here, only {', '.join(known)}{suggest(value, known)}; "
        f"{ways}import first what enters it in {table.place}, or run the command through your file: python FILE.py ..."
    )


def _check_together(config: Config) -> None:
    """Rules across fields, before anything is built."""
    data, process, training = config.data, config.process, config.training
    values = math.prod(data.shape)
    _rule("data.shape", data.shape, values <= groups.LARGEST, f"of at most {groups.LARGEST:,} values")
    plain = process.basis in BASES and not takes(BASES[process.basis])
    small = plain or max(data.shape[:2]) <= LONGEST_AXIS
    _rule("data.shape", data.shape, small, f"of axes of at most {LONGEST_AXIS:,} for process.basis {process.basis!r}")
    image = len(data.shape) == 3
    _rule("data.flip", data.flip, image or not data.flip, "False for vectors")
    _rule("data.dequantise", data.dequantise, image or not data.dequantise, "False for vectors")
    told = "False where training.augment is above 0: an augmentation mirrors by itself, and tells the network"
    _rule("data.flip", data.flip, not (training.augment and data.flip), told)
    jumps = config.model.jumps
    _rule("model.jumps", jumps, jumps or training.loss != "mean_flow", "True for training.loss 'mean_flow'")
    trained = not jumps or training.start_from != ""
    _rule("training.start_from", training.start_from, trained, "the workdir of a trained run where model.jumps is True")
    for entry in data.mixture:
        three = isinstance(entry, tuple) and [type(part) for part in entry] in ([str, str, float], [str, str, int])
        fits = three and 0 < entry[2] < math.inf
        _rule("data.mixture", data.mixture, fits, "(name, path, weight) each, weights positive")
    if training.batch % training.accumulate:
        raise ValueError(f"training.accumulate: {training.accumulate} does not divide training.batch {training.batch}")


def _check_process(config: Config, process: Process) -> None:
    """Rules across the groups and other fields."""
    shape, intervals = config.data.shape, config.schedule
    _rule("process.groups", f"{process.k:,} groups", process.k <= MOST_GROUPS, f"of at most {MOST_GROUPS:,} groups")
    fits = process.groups.shape in (shape, shape[:2])
    _rule("process.index", f"shape {process.groups.shape}", fits, f"of data.shape {shape}, channels optional")
    for name in ("shares", "shift"):
        given = getattr(config.training, name)
        _rule(f"training.{name}", given, len(given) in (0, process.k), f"one number for each of {process.k} groups")
    paths = max(1, len(intervals.boundaries), len(intervals.overlap))
    places = process.k * paths * max(intervals.random_orders, len(intervals.order), 1)
    rule = f"of at most {MOST_PLACES:,} groups times orders times intervals"
    _rule("schedule.random_orders", f"{places:,}", places <= MOST_PLACES, rule)


def _rule(name: str, value: Any, holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(f"{name}: must be {rule}, got {value}")


def _choice(name: str, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{name}: must be one of {', '.join(allowed)}, got {value!r}{suggest(value, allowed)}")
