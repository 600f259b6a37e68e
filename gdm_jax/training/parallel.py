"""Spreading work over devices: `jax.jit` on one, `jax.pmap` on many. The only module that knows of pmap.

The state is never stacked: it goes in whole (in_axes=None) and comes out whole (out_axes=None), only the batch is
split. On several hosts each passes its own share of the batch, and the collective spans all devices.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

AXIS = "devices"


def check_batch(batch: int, accumulate: int = 1) -> None:
    """Raises ValueError unless a global batch divides over all devices of all hosts, in whole micro-batches."""
    devices = jax.device_count()
    if batch % (devices * accumulate):
        nearest = max(1, round(batch / (devices * accumulate))) * devices * accumulate
        raise ValueError(
            f"training.batch: {batch} does not divide over {devices} device(s) in {accumulate} micro-batch(es); "
            f"{nearest} does"
        )


def over_devices(step: Callable) -> Callable:
    """(state, host's batch) -> (state, metrics) on all devices, from the per-device step; donates the state."""
    if jax.device_count() == 1:
        return jax.jit(step, donate_argnums=0)
    mapped = jax.pmap(
        lambda state, batch: step(state, batch, axis_name=AXIS),
        axis_name=AXIS,
        in_axes=(None, 0),
        out_axes=None,
        donate_argnums=0,
    )
    return lambda state, batch: mapped(state, jax.tree.map(_split, batch))


def map_batch(function: Callable, *arrays):
    """function(*arrays) with the leading axis of each array split over this host's devices.

    The batch is padded with repeats of its last example to a multiple of the devices, and the padding dropped.
    """
    devices = jax.local_device_count()
    count = len(arrays[0])
    if devices == 1 or count < devices:
        return function(*arrays)
    index = np.minimum(np.arange(-(-count // devices) * devices), count - 1)
    split = [_split(np.asarray(array)[index]) for array in arrays]
    result = jax.pmap(function)(*split)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:count], result)


def _split(leaf):
    return leaf.reshape(jax.local_device_count(), -1, *leaf.shape[1:])
