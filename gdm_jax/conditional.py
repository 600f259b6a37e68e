"""Conditional generation: some groups given, the rest from noise.

Groups held at alpha = 1, as data, while the others run from alpha = 0 to 1 are a state that the model passes through
whenever those groups are generated first. Going on from there is exact sampling of

    p(x_rest | x_kept)      under the model

with nothing to tune: outpainting and inpainting for groups of pixels, super-resolution for bands of frequencies, and
variations that share a prefix. It holds for the sets of finished groups that the network saw in training, the prefixes
of its orders: those of one schedule by `Schedule.prefixes`, of many by `gdm_jax.process.family.Family.given`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from gdm_jax import ode
from gdm_jax.latent import swap
from gdm_jax.network import Network
from gdm_jax.process.arrays import Integers
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule, check_prefix

__all__ = ["generate_given", "generate_prefix", "groups_of_mask", "variations"]

Solved = Float[Array, " batch *shape"] | tuple[Float[Array, " batch *shape"], ode.Solution]


def generate_given(
    u: Network,
    process: Process,
    schedule: Schedule,
    x: Float[ArrayLike, " one_or_batch *shape"],
    z: Float[ArrayLike, " batch *shape"],
    *,
    keep: Integers,
    **options: Any,
) -> Solved:
    """Groups `keep` of x as they are, the others generated from z given them.

    Args:
      u, process: As in `gdm_jax.ode.generate`.
      schedule: A schedule that finishes exactly `keep` before it begins the rest.
      x: Data `[batch, *shape]`, or `[1, *shape]` for many continuations of one. Its other groups do not matter.
      z: Standard normal noise. Its groups `keep` do not matter.
      keep: Groups that are given.
      **options: Options of `gdm_jax.ode.solve`. `steps` counts the whole schedule, of which only the rest is taken.

    Returns:
      The same as `generate`, with the kept groups unchanged: bit for bit for groups of pixels, to the rounding of the
      basis otherwise.

    Raises:
      ValueError: if keep is empty, holds every group, or is no prefix of the schedule's order; otherwise as `solve`.
    """
    keep = check_prefix(schedule, keep)
    return ode.generate(u, process, schedule, swap(process, z, x, keep), done=keep, **options)


def generate_prefix(
    u: Network,
    process: Process,
    schedule: Schedule,
    z: Float[ArrayLike, " batch *shape"],
    *,
    groups: Integers,
    **options: Any,
) -> Solved:
    """Only the groups that the schedule generates first: the state in which the others are still z.

    Arguments are those of `generate_given`. `generate_given` goes on from here, as often as one likes, without
    computing the prefix again.
    """
    groups = check_prefix(schedule, groups)
    waiting = [j for j in range(process.k) if j not in groups]
    return ode.generate(u, process, schedule, z, waiting=waiting, **options)


def variations(
    u: Network,
    process: Process,
    schedule: Schedule,
    z: Float[ArrayLike, " 1 *shape"],
    others: Float[ArrayLike, " n *shape"],
    *,
    keep: Integers,
    **options: Any,
) -> Solved:
    """Data that share the groups `keep` and differ in the rest; the shared part is computed once.

    Args:
      u, process, schedule, keep, **options: As in `generate_given`.
      z: Noise of the shared groups.
      others: Noise of the rest, one for each variation.

    Returns:
      `[n, *shape]`. In strict mode it is the same as generating each whole from the noise combined. Otherwise the
      shared part has also seen the rest of z.
    """
    prefix: Any = generate_prefix(u, process, schedule, z, groups=keep, **{**options, "frames": 0})
    return generate_given(u, process, schedule, prefix, others, keep=keep, **options)


def groups_of_mask(process: Process, mask: Bool[np.ndarray, "*grid"] | Sequence) -> list[int]:
    """The groups that a mask of known elements is the union of.

    Args:
      mask: True where the element is known, `[*groups.shape]`.

    Raises:
      ValueError: if it is of another shape, knows nothing or everything, or cuts through a group.
    """
    mask, index = np.asarray(mask, bool), np.asarray(process.groups.index)
    if mask.shape != index.shape:
        raise ValueError(f"mask: must be of shape {index.shape}, that of the groups, got {mask.shape}")
    known = np.bincount(index.ravel(), weights=mask.ravel(), minlength=process.k)
    cut = np.flatnonzero((known > 0) & (known < process.groups.sizes))
    if len(cut):
        j = cut[0]
        raise ValueError(
            f"mask: cuts through group {j}, of which it knows {int(known[j])} of {process.groups.sizes[j]} elements; "
            "it must be a union of whole groups"
        )
    return np.flatnonzero(known).tolist()
