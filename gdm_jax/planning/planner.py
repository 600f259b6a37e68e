"""A plan: the programs of a config on a slice, the time that the chips' stated rates allow, and the largest batch."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeGuard

from gdm_jax.config import Config
from gdm_jax.config.build import Experiment
from gdm_jax.config.validate import check
from gdm_jax.planning.chips import Chip, devices
from gdm_jax.planning.programs import Program, compiled, sampling_step, training_step
from gdm_jax.reports import Report, table

__all__ = ["Bound", "Line", "Plan", "bound", "largest", "plan", "report"]

GIB, TRIES = 2**30, 8
PLAIN = ("batch", "operations", "traffic", "accessed", "collectives", "recomputed", "seconds")
MOST = 8  # lines that say where the traffic goes


class Bound(NamedTuple):
    """Seconds that a program takes at least, by the chip's stated rates; the largest of them binds.

    Attributes:
      arithmetic: Operations over the rate of arithmetic.
      memory: Bytes of traffic with the chip's memory over its rate.
      network: Bytes that the chip sends, over the rate of its links: 2 (n - 1) / n of what n chips sum.
    """

    arithmetic: float
    memory: float
    network: float

    @property
    def binds(self) -> str:
        return max(self._fields, key=lambda name: getattr(self, name))


class Line(NamedTuple):
    """One program of a plan.

    Attributes:
      name: What it does, and in which variant of the config.
      program: What the compiler says, or None where it does not fit.
      why: By how much it does not fit.
    """

    name: str
    program: Program | None
    why: str = ""


class Plan(NamedTuple):
    """What `plan` finds.

    Attributes:
      topology: Name of the slice.
      chips: Number of chips.
      chip: Their kind.
      lines: Programs, those that do not fit among them.
      images: Images of the whole training.
      quick: Whether the compiler made less effort.
      largest: The largest batch a chip by the variant of the config, where it was looked for.
    """

    topology: str
    chips: int
    chip: Chip
    lines: list[Line]
    images: int
    quick: bool
    largest: dict[str, int]


def plan(
    config: Config,
    topology: str,
    *,
    batch: int | None = None,
    variants: bool = False,
    most: bool = False,
    quick: bool = False,
    note: Callable[[str], None] = print,
) -> Plan:
    """Compile the training step and a step of sampling for a slice.

    Args:
      config: Config of the experiment.
      topology: Chip and shape of the slice, as in `devices`.
      batch: Examples a chip. training.batch over all chips by default.
      variants: Whether the training step is also compiled in the other type, and with and without remat.
      most: Whether the largest batch of each variant is looked for, by compiling.
      quick: Whether the compiler makes less effort; see `compiled`.
      note: Is told what is compiled; a large network takes minutes.

    Raises:
      ValueError: If the topology is unknown, batch is below 1, or training.batch does not divide over the chips.
    """
    if batch is not None and batch < 1:
        raise ValueError(f"batch: must be at least 1, got {batch}")
    chip, slice_ = devices(topology)
    if batch is None:
        batch, rest = divmod(config.training.batch, len(slice_))
        if rest:
            raise ValueError(f"training.batch: {config.training.batch} does not divide over {len(slice_)} chips")
    own, lines, held = (config, check(config)), [], {}

    def line(kind: str, config: Config, described: Experiment, batch: int) -> Program | None:
        lower = training_step if kind == "training" else sampling_step
        name = f"{kind}, {_variant(config)}"
        note(f"compiling {name}, {batch} a chip ...")
        try:
            lowered = lower(config, described, slice_, batch)
            program = compiled(lowered, batch, config.training.accumulate, quick=quick)
            found = Line(name, program)
            note(f"  {program.seconds:,.0f} s, {program.size.total / GIB:.2f} GiB a chip{_again(program)}")
        except MemoryError as error:
            found = Line(f"{name}, {batch} a chip", None, str(error))
            note(f"  {found.why}")
        lines.append(found)
        return found.program

    for variant in [own, *(_others(config) if variants else [])]:
        ask = functools.partial(line, "training", *variant)
        first = ask(batch)
        if most:
            held[_variant(variant[0])] = largest(ask, chip.memory, first, batch)
    line("sampling", *own, batch)
    return Plan(topology, len(slice_), chip, lines, config.training.steps * config.training.batch, quick, held)


def largest(ask: Callable[[int], Program | None], memory: int, first: Program | None, batch: int) -> int:
    """The largest batch that fits, to about a sixteenth; known to fit, and the next one known not to.

    A batch for which the compiler must compute activations again does not fit: it takes more time an image. Memory
    grows about linearly with the batch, so two programs tell where to look.

    Args:
      ask: Function of a batch that compiles it, and gives None where it does not fit.
      memory: Bytes of a chip's memory.
      first: The program of `batch`, if it fits.
      batch: Examples a chip to begin with.

    Returns:
      The batch, or 0 where not even one example fits.
    """
    fits, fails = ({batch: first}, batch * 2**20) if _holds(first) else ({}, batch)
    while not fits and fails > 1:
        at = fails // 2
        found = ask(at)
        fits, fails = ({at: found}, fails) if _holds(found) else ({}, at)
    for _ in range(TRIES if fits else 0):
        low = max(fits)
        step = max(1, 2 ** (low.bit_length() - 5))
        if fails <= low + step:
            break
        at = min(2 * low, (low + fails) // 2)
        if len(fits) > 1:
            a, b = sorted(fits)[-2:]
            slope = (fits[b].size.total - fits[a].size.total) / (b - a)
            at = low + int((memory - fits[b].size.total) / slope) if slope > 0 else 2 * low
            at = max(at if at < fails else fails - fails // 16, low + step)
        at = min(at // step * step, fails - step) if fails - step > low else low + 1
        found = ask(at)
        fits, fails = (fits | {at: found}, fails) if _holds(found) else (fits, at)
    return max(fits, default=0)


def bound(program: Program, chip: Chip, chips: int) -> Bound:
    """The time that the stated rates allow a program on a slice."""
    passes = {"all-reduce": 2.0}
    sent = sum(passes.get(name, 1.0) * size * (chips - 1) / chips for name, size in program.collectives)
    moved = sum(program.traffic.values())
    return Bound(program.operations / chip.arithmetic, moved / chip.traffic, sent / chip.network)


def report(found: Plan) -> Report:
    """A table and the same numbers."""
    rows, numbers = [], []
    for line in found.lines:
        if line.program is None:
            rows.append((line.name, "", line.why, *[""] * 8))
            numbers.append({"name": line.name, "why": line.why})
            continue
        program, limit = line.program, bound(line.program, found.chip, found.chips)
        rate = program.batch * found.chips / max(limit)
        hours = found.images / rate / 3600
        rows.append(
            (
                line.name + _again(program),
                program.batch,
                f"{program.size.arguments / GIB:.2f} + {program.size.temporaries / GIB:.2f}",
                _short(program.operations / 1e9),
                _short(sum(program.traffic.values()) / 1e9),
                *(_short(1e3 * seconds) for seconds in limit),
                limit.binds,
                _short(rate),
                _short(hours) if line.name.startswith("training") else "",
            )
        )
        numbers.append(
            {"name": line.name, "images_a_second": rate, "bound": limit._asdict(), "size": program.size._asdict()}
            | {name: getattr(program, name) for name in PLAIN}
        )
    chips = f"{found.chips} device{'s' * (found.chips > 1)}"
    text = (
        f"# {found.topology}, {chips}\n\nThe TPU's compiler says what a step of training and one of sampling, which is "
        "a network call and Euler's update, do on one device. Traffic is that with the device's memory; what the "
        "compiler keeps on the chip costs none. The times are those that the stated rates of arithmetic, of memory and "
        f"of the network between chips allow; the largest binds. Images a second are of {chips} at that bound, and "
        "hours are those of the whole training. No program was run: a real one takes longer.\n\n"
    )
    if found.quick:
        text += "Compiled with less effort: the true traffic is smaller, and the memory may be a tenth larger.\n\n"
    for name, batch in found.largest.items():
        text += f"The largest batch of training, {name}, is {batch:,} a chip, with nothing computed again.\n\n"
    heads = ("program", "batch a chip", "GiB, arguments + temporaries", "GF", "GB of traffic")
    heads += ("arithmetic, ms", "memory, ms", "network, ms", "binds", "images a second", "hours")
    plain = {name: getattr(found, name) for name in ("topology", "chips", "images", "quick", "largest")}
    plain["chip"] = found.chip._asdict()
    text += table(heads, rows) + "".join(_where(line) for line in found.lines[:1] if line.program)
    return Report(text, plain | {"programs": numbers}, {})


def _holds(program: Program | None) -> TypeGuard[Program]:
    """Whether a program fits as it is."""
    return program is not None and not program.recomputed


def _again(program: Program) -> str:
    """What the compiler did to make a program fit."""
    count = program.recomputed
    return f", {count} operation{'s' * (count > 1)} computed again for want of memory" if count else ""


def _where(line: Line) -> str:
    """Where the traffic of a program goes, the most first."""
    kinds = list(line.program.traffic.items()) if line.program else []
    rest = sum(size for _, size in kinds[MOST:])
    rows = [(kind, _short(size / 1e9)) for kind, size in [*kinds[:MOST], ("all else", rest)]]
    return f"\nWhere the traffic of {line.name} goes:\n\n" + table(("pass and layer", "GB"), rows)


def _others(config: Config) -> Iterator[tuple[Config, Experiment]]:
    """The config in the other type, and without and with remat, as far as its network takes them."""
    for dtype, remat in itertools.product(("bfloat16", "float32"), (False, True)):
        other = dataclasses.replace(config, model=dataclasses.replace(config.model, dtype=dtype, remat=remat))
        with contextlib.suppress(ValueError):  # the network has no such type, or nothing to compute again
            if other != config:
                yield other, check(other)


def _short(number: float) -> str:
    """Three digits, and no fewer than the number has before its point."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _variant(config: Config) -> str:
    """Its type, and whether activations are computed again."""
    return config.model.dtype + " with remat" * config.model.remat
