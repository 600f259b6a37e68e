"""Operations on latents, group by group  (Sec. 4.2-4.5). Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from gdm_jax.process import Process


def swap(process: Process, z, donor, groups: Sequence[int]) -> jax.Array:
    """z with the named groups taken from `donor`, both `[batch, *shape]`: U (M donor_bar + (1 - M) z_bar).

    Raises:
      ValueError: if a group number is out of range, or the shapes differ.

    Swapping every group gives the donor, swapping twice gives z back.
    """
    z, donor = jnp.asarray(z), jnp.asarray(donor)
    if z.shape != donor.shape:
        raise ValueError(f"latent: z and donor must be of one shape, got {z.shape} and {donor.shape}")
    outside = [j for j in groups if not 0 <= j < process.k]
    if outside:
        raise ValueError(f"latent: group {outside[0]} is out of range; there are groups 0..{process.k - 1}")
    taken = jnp.zeros(process.k).at[jnp.asarray(groups, jnp.int32)].set(1.0)
    return z + process.diagonal(taken, donor - z)
