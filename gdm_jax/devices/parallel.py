"""Spreading work over devices: `jax.jit` on one, `jax.pmap` on many. The only module that knows of pmap.

`over_mesh` is the same step under `jax.shard_map`, which unlike pmap can be compiled for devices that are not here.

The state is never stacked: it goes in whole (in_axes=None) and comes out whole (out_axes=None), only the batch is
split. On several hosts each passes its own share of the batch, and the collective spans all devices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Shaped

__all__ = ["AXIS", "check_batch", "of_all_hosts", "over_devices", "over_mesh", "place", "shared", "split"]

AXIS = "devices"
State = TypeVar("State")


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
    """(state, batch of this host) -> (state, metrics) on all devices, made of the step of one device.

    The state is donated: its arrays are used again for the new state.
    """
    if jax.device_count() == 1:
        return jax.jit(step, donate_argnums=0)
    mapped = jax.pmap(
        lambda state, batch: step(state, batch, axis_name=AXIS),
        axis_name=AXIS,
        in_axes=(None, 0),
        out_axes=None,
        donate_argnums=0,
    )
    return lambda state, batch: mapped(state, jax.tree.map(split, batch))


def over_mesh(step: Callable, mesh: jax.sharding.Mesh) -> Any:
    """What `over_devices` maps, over the devices of a mesh with the axis AXIS: (state, whole batch) -> the same.

    A jitted function, whose `lower` takes shapes in place of arrays.
    """
    whole, split = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(AXIS)
    mapped = jax.shard_map(
        lambda state, batch: step(state, batch, axis_name=AXIS),
        mesh=mesh,
        in_specs=(whole, split),
        out_specs=whole,
        check_vma=False,  # as under pmap, the step itself says what is summed
    )
    placed = [jax.sharding.NamedSharding(mesh, spec) for spec in (whole, split)]
    return jax.jit(mapped, donate_argnums=0, in_shardings=tuple(placed), out_shardings=placed[0])


def place(state: State) -> State:
    """The state on every device of this host, as the mapped step takes and donates it."""
    if jax.device_count() == 1:
        return state
    mesh = jax.sharding.Mesh(jax.local_devices(), (AXIS,))
    return jax.device_put(state, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()))


def shared(state: State) -> State:
    """The state as arrays of all devices of all hosts, which is how it is saved; every host holds the whole of it."""
    if jax.process_count() == 1:
        return state
    everywhere = of_all_hosts()

    def join(leaf):
        pieces = [piece.data for piece in leaf.addressable_shards]
        return jax.make_array_from_single_device_arrays(leaf.shape, everywhere, pieces)

    return jax.tree.map(join, state)


def of_all_hosts() -> jax.sharding.Sharding:
    """The sharding in which every device of every host holds the whole array."""
    return jax.sharding.NamedSharding(jax.sharding.Mesh(jax.devices(), (AXIS,)), jax.sharding.PartitionSpec())


def split(
    leaf: Shaped[jax.Array | np.ndarray, " batch *shape"],
) -> Shaped[jax.Array | np.ndarray, "devices part *shape"]:
    """A batch with one part for each device of this host in front."""
    return leaf.reshape(jax.local_device_count(), -1, *leaf.shape[1:])
