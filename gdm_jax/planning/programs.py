"""The programs of a config as a slice would run them, and what the compiler says of each for one chip."""

from __future__ import annotations

import dataclasses
import re
import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gdm_jax import keys
from gdm_jax.config import Config
from gdm_jax.config.build import Experiment
from gdm_jax.devices import parallel
from gdm_jax.devices.platform import written_for
from gdm_jax.planning import hlo
from gdm_jax.training import state
from gdm_jax.training.step import make_step

__all__ = ["Program", "Size", "compiled", "sampling_step", "training_step"]


# Level O1 of XLA's effort, where O2 is the default: https://openxla.org/xla/effort_levels.
_QUICK: dict[str, Any] = {"optimization_level": 19, "memory_fitting_level": 19}


class Size(NamedTuple):
    """Bytes of a chip's memory by kind.

    Attributes:
      arguments: What the program is given, such as the state and the batch.
      results: What it returns beside what takes the place of an argument.
      temporaries: What it needs on the way.
      code: The program itself.
    """

    arguments: int
    results: int
    temporaries: int
    code: int

    @property
    def total(self) -> int:
        return sum(self)


class Program(NamedTuple):
    """What the compiler says of a program, for one chip and one run of it.

    Attributes:
      batch: Examples a chip.
      size: Memory that it takes.
      operations: Arithmetic operations.
      traffic: Bytes read from and written to the chip's memory, by what they are for; see `hlo.traffic`.
      accessed: Bytes that operations read and write, in that memory or on the chip.
      collectives: Name and bytes of each exchange between chips.
      recomputed: Number of operations that the compiler computes again by itself for want of memory.
      seconds: Time that it took to compile.
      text: The compiled program.
    """

    batch: int
    size: Size
    operations: float
    traffic: dict[str, int]
    accessed: float
    collectives: list[tuple[str, int]]
    recomputed: int
    seconds: float
    text: str


def training_step(config: Config, found: Experiment, devices: Sequence[Any], batch: int) -> jax.stages.Lowered:
    """The training step on a slice, to be compiled: `parallel.over_mesh` of the step that `gdm train` maps.

    Args:
      config: Config of the experiment.
      found: What the config describes.
      devices: Devices of the slice.
      batch: Examples a chip.
    """
    size = batch * len(devices)
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, batch=size))
    shape, net, k = config.data.shape, found.network, found.process.k
    whole = jax.eval_shape(lambda: state.create(net, shape, k, training=config.training, seed=config.seed))
    numbers = jax.ShapeDtypeStruct((size,), jnp.int32)
    images = jax.ShapeDtypeStruct((size, *shape), jnp.uint8 if len(shape) == 3 else jnp.float32)
    step = parallel.over_mesh(make_step(config, net, found.process, found.family), _mesh(devices))
    with written_for("tpu"):
        return step.lower(whole, {"x": images, "label": numbers, "position": numbers})


def sampling_step(config: Config, found: Experiment, devices: Sequence[Any], batch: int) -> jax.stages.Lowered:
    """One step of Euler's on a slice, to be compiled: a network call and x_t + h u(x_t, alpha).

    Args:
      config, found, devices, batch: As in `training_step`.
    """
    mesh, net = _mesh(devices), found.network
    split, whole = NamedSharding(mesh, PartitionSpec(parallel.AXIS)), NamedSharding(mesh, PartitionSpec())
    x = jax.ShapeDtypeStruct((batch * len(devices), *config.data.shape), jnp.float32)
    alpha = jax.ShapeDtypeStruct((batch * len(devices), found.process.k), jnp.float32)
    params = jax.eval_shape(net.init, keys.root(config.seed, "parameters"), x, alpha)

    def step(params, x_t, alpha, h):
        return x_t + h * net.apply(params, x_t, alpha)

    jitted = jax.jit(step, in_shardings=(whole, split, split, whole), out_shardings=split, donate_argnums=1)
    with written_for("tpu"):
        return jitted.lower(params, x, alpha, jax.ShapeDtypeStruct((), jnp.float32))


def compiled(lowered: jax.stages.Lowered, batch: int, accumulate: int = 1, *, quick: bool = False) -> Program:
    """Compile a program for its slice, and ask what it costs.

    Args:
      lowered: The program.
      batch: Examples a chip.
      accumulate: Parts that it takes the batch in, one after another.
      quick: Whether the compiler makes less effort. It then keeps less on the chip, and the traffic is larger.

    Raises:
      MemoryError: If it does not fit into a chip's memory; its text says by how much.
    """
    began = time.perf_counter()
    try:
        with warnings.catch_warnings():  # a cache keeps programs of a slice, but cannot read them
            warnings.filterwarnings("ignore", "Error reading persistent compilation cache entry")
            program = lowered.compile(compiler_options=_QUICK if quick else None)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise MemoryError(_overflow(str(error))) from error
    seconds, memory, text = time.perf_counter() - began, program.memory_analysis(), program.as_text()
    assert memory is not None and text is not None
    size = Size(
        memory.argument_size_in_bytes,
        memory.output_size_in_bytes - memory.alias_size_in_bytes,
        memory.temp_size_in_bytes,
        memory.generated_code_size_in_bytes,
    )
    cost = program.cost_analysis() or {}
    moved, exchanged = hlo.traffic(text), hlo.collectives(text)
    parts = accumulate if accumulate in hlo.loops(text) else 1  # a loop's body is counted once
    operations, accessed, again = parts * cost["flops"], cost["bytes accessed"], hlo.recomputed(text)
    return Program(batch, size, operations, moved, accessed, exchanged, again, seconds, text)


def _mesh(devices: Sequence[Any]) -> Mesh:
    return Mesh(np.asarray(devices), (parallel.AXIS,))


def _overflow(error: str) -> str:
    """What the compiler says of memory, without the rest: how much is used, there, and lacking."""
    number = r"([\d.]+)([KMGT])"
    found = re.search(rf"(?:Used|temporaries) \(?{number}\)? (?:of|exceeds available HBM) \(?{number}", error)
    if not found:
        return error.splitlines()[0]
    numbers = re.findall(number, found[0])
    used, there = (float(size) * 1024.0 ** ("KMGT".index(unit) - 2) for size, unit in numbers)
    return f"needs {used:.2f} GiB of a chip's memory, which has {there:.2f} GiB: {used - there:.2f} GiB too much"
