"""A function of a batch, over this host's devices: compiled once for all batches of one shape."""

from __future__ import annotations

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from gdm_jax.devices import program
from gdm_jax.devices.parallel import split

__all__ = ["over_examples"]


def in_parts(
    function: Callable, shared: tuple, arrays: dict, *, batch: int, what: str = "", progress: bool = False
) -> tuple:
    """function(shared, part) on parts of one length, so that it compiles once; the outputs joined.

    Args:
      function, shared: As in `over_examples`.
      arrays: Arrays `[n, ...]` by name, "x" among them; a part holds the same names.
      batch: Number of examples a part, made divisible by the number of devices.
      what: Name of the work, for a progress bar.
      progress: Whether to show the bar.

    Returns:
      The outputs of the function as NumPy arrays `[n, ...]`, the last of them `[frames, n, ...]` or None.

    Raises:
      ValueError: if batch is below 1.
    """
    if batch < 1:
        raise ValueError(f"batch: must be at least 1, got {batch}")
    total, devices = len(arrays["x"]), jax.local_device_count()
    batch = -(-min(batch, total) // devices) * devices
    outputs, run = [], over_examples(function, shared)
    with tqdm(total=total, unit=" images", desc=what, disable=not progress) as bar:
        for start in range(0, total, batch):
            chosen = np.minimum(np.arange(start, start + batch), total - 1)  # the last example fills up
            count = min(batch, total - start)
            *ends, along = run({name: array[chosen] for name, array in arrays.items()})
            along = None if along is None else np.asarray(along)[:, :count]
            outputs.append((*(np.asarray(end)[:count] for end in ends), along))
            bar.update(count)
    *ends, along = zip(*outputs)
    return *map(np.concatenate, ends), None if along[0] is None else np.concatenate(along, axis=1)


def over_examples(function: Callable, shared: tuple) -> Callable:
    """batch -> function(shared, batch), compiled, the batch split over this host's devices.

    Args:
      function: maps (shared, a pytree of `[n, ...]`) to a tuple of arrays `[n, ...]`, the last of them
        `[frames, n, ...]` or None; n must be divisible by the number of devices.
      shared: begins with the network. All else that the program depends on is in it as well: arrays are data of the
        program, the rest is part of its key. For a network that is not `program.settled` it is compiled anew.
    """
    arrays, rest = eqx.partition(shared, program.is_array)
    leaves, structure = jax.tree.flatten(rest)
    build = _over_examples if program.settled(shared[0]) else _over_examples.__wrapped__
    mapped = build(function, structure, tuple(leaves), jax.local_device_count())

    def run(batch):
        if jax.local_device_count() == 1:
            return mapped(arrays, batch)
        *ends, along = mapped(arrays, jax.tree.map(split, batch))
        if along is not None:
            along = jnp.moveaxis(along, 0, 1)
            along = along.reshape(len(along), -1, *along.shape[3:])
        return *(end.reshape(-1, *end.shape[2:]) for end in ends), along

    return run


@functools.lru_cache(maxsize=256)
def _over_examples(function: Callable, structure, leaves: tuple, devices: int) -> Callable:
    rest = jax.tree.unflatten(structure, leaves)

    def run(arrays, batch):
        return function(eqx.combine(arrays, rest), batch)

    if devices == 1:
        return jax.jit(run)
    return jax.pmap(run, in_axes=(None, 0), devices=jax.local_devices())  # hosts work on their own
