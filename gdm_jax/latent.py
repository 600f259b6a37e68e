"""Operations on latents, in the basis of the groups  (Sec. 4.2-4.5). Pure functions of arrays.

    swap          groups from another latent                     Fig. 7
    interpolate   between two latents in some groups             Fig. 3
    traverse      one element over given values                  Figs. 6, 8
    resample      new noise in all but some groups               Fig. 9
    keep          all but some groups set to zero                Fig. 4b

Each takes latents z in pixel space, acts on z_bar = U^T z, and gives pixel space back. Where a function takes `chosen`,
that is a list of group numbers, or a bool mask of the elements `[*groups.shape]`, such as `lowest` makes.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Key

from gdm_jax import keys
from gdm_jax.process.arrays import AnyArray, Integers, Numbers
from gdm_jax.process.groups import align, check_groups
from gdm_jax.process.process import Process

__all__ = ["interpolate", "keep", "lowest", "noise", "place", "resample", "swap", "traverse"]

Latents = Float[ArrayLike, "batch *shape"]
Chosen = Integers | Bool[AnyArray, "*groups"]


def noise(seeds: Integers, shape: Integers, purpose: str = "sample") -> Float[Array, "n ..."]:
    """Standard normal noise `[n, *shape]`, each example drawn from its own integer seed.

    An image sampled from a seed does not depend on its batch, nor on the precision: the numbers are those of float32.
    The same seed gives other noise for another purpose.

    Args:
      seeds: Whole numbers from 0 to 2^32 - 1.
      shape: Shape of one example.
      purpose: One of `gdm_jax.keys.PURPOSES`.

    Raises:
      ValueError: If a seed is out of range.
    """
    seeds = keys.check_seeds(seeds)
    drawn = jax.vmap(lambda seed: jax.random.normal(keys.root(seed, purpose), tuple(shape), jnp.float32))(seeds)
    return drawn.astype(jnp.result_type(float))


def swap(
    process: Process, z: Latents, donor: Float[ArrayLike, "donors *shape"], chosen: Chosen
) -> Float[Array, "_ *shape"]:
    """z with the chosen elements of `donor`: U (M donor_bar + (1 - M) z_bar). One latent, or one donor, serves all.

    Swapping every group gives the donor. Swapping twice gives z back.

    Raises:
      ValueError: If a group is out of range, a mask has another shape, or the latents do not fit together.
    """
    z, donor = _pair(process, z, donor)
    return _swap(process, z, donor, _mask(process, chosen, z))


def interpolate(
    process: Process,
    z: Latents,
    donor: Float[ArrayLike, "donors *shape"],
    chosen: Chosen,
    weights: Float[AnyArray, " n"] | Numbers,
    *,
    spherical: bool = True,
) -> Float[Array, "n _ *shape"]:
    """From z to donor in the chosen elements alone, the others as in z.

    Args:
      process: Process whose basis and groups count.
      z: Latents, where the weight is 0.
      donor: Latents, where the weight is 1.
      chosen: Groups or a mask.
      weights: Places between the two.
      spherical: Whether the way is the great circle of the chosen elements, which keeps to the norms that a normal
        latent has. Otherwise it is the straight line.

    Raises:
      ValueError: As `swap`.
    """
    z, donor = _pair(process, z, donor)
    weights = jnp.asarray(weights, z.dtype)
    return _interpolate(process, z, donor, _mask(process, chosen, z), weights, spherical=spherical)


def traverse(
    process: Process,
    z: Latents,
    element: int | np.integer | Integers,
    values: Float[AnyArray, " n"] | Numbers,
    *,
    channel: int | None = None,
    relative: bool = False,
) -> Float[Array, "n batch *shape"]:
    """z with one element set to each of the values, or moved by each of them.

    Args:
      process: Process whose basis counts.
      z: Latents.
      element: Position in the grid, or a number: the frequency index from the lowest up where the basis has one
        (Sec. 4.4), else the place when counted row by row.
      values: New values, by custom from -3 to 3 standard deviations.
      channel: Channel that is changed. None changes all of them at once.
      relative: Whether the values are added to what is there.

    Raises:
      ValueError: If there is no such element or channel.
    """
    z = _latents(process, z)
    position = place(process, element)
    channels = z.shape[1 + len(position) :]
    if channel is not None and not (channels and 0 <= channel < channels[0]):
        raise ValueError(f"channel: {channel} is out of range; there are {channels[0] if channels else 0}")
    position += () if channel is None else (channel,)
    return _traverse(process, z, position, jnp.asarray(values, z.dtype), relative=relative)


def resample(
    process: Process, z: Latents, chosen: Chosen, key: Key[Array, ""], *, count: int = 1
) -> Float[Array, "{count} batch *shape"]:
    """z in the chosen elements, fresh standard normal noise in the others.

    The noise of draw c of example n depends on (key, c, n) alone. Nothing else draws the same from any key or seed.

    Raises:
      ValueError: As `swap`.
    """
    z = _latents(process, z)

    def draw(c: AnyArray, n: AnyArray) -> Array:
        return jax.random.normal(keys.derive(key, "resample", c, n), z.shape[1:], jnp.float32)

    noise = jax.vmap(jax.vmap(draw, (None, 0)), (0, None))(np.arange(count), np.arange(len(z))).astype(z.dtype)
    return jax.vmap(lambda fresh: swap(process, fresh, z, chosen))(noise)


def keep(process: Process, z: Latents, chosen: Chosen) -> Float[Array, "batch *shape"]:
    """z in the chosen elements, and zero, the mean of the noise, in the others.

    Raises:
      ValueError: As `swap`.
    """
    return swap(process, jnp.zeros_like(_latents(process, z)), z, chosen)


def lowest(process: Process, count: int | np.integer) -> Bool[np.ndarray, "*groups"]:
    """Mask of the `count` elements of the lowest frequencies, or without frequencies of those generated first.

    Raises:
      ValueError: If there are not so many.
    """
    index = np.asarray(process.groups.index)
    if not 0 <= count <= index.size:
        raise ValueError(f"latent: count must be from 0 to {index.size}, got {count}")
    key = index if process.basis.rank is None else np.asarray(process.basis.rank)
    key = np.broadcast_to(key.reshape(key.shape + (1,) * (index.ndim - key.ndim)), index.shape)
    chosen = np.argsort(key.ravel(), kind="stable")[:count]
    return np.isin(np.arange(index.size), chosen).reshape(index.shape)


@jax.jit
def _swap(process: Process, z: Array, donor: Array, mask: Array) -> Array:
    forward, inverse = process.basis.forward, process.basis.inverse
    return inverse(jnp.where(mask, forward(donor), forward(z)))


@functools.partial(jax.jit, static_argnames="spherical")
def _interpolate(process: Process, z: Array, donor: Array, mask: Array, weights: Array, *, spherical: bool) -> Array:
    a, b = process.basis.forward(z), process.basis.forward(donor)
    axes = tuple(range(1, a.ndim))

    def at(w: Array) -> Array:
        if not spherical:
            return (1 - w) * a + w * b

        def norm(v: Array) -> Array:
            return jnp.sqrt(jnp.where(mask, v * v, 0).sum(axes, keepdims=True))

        inner = jnp.where(mask, a * b, 0).sum(axes, keepdims=True)
        angle = jnp.arccos(jnp.clip(inner / jnp.maximum(norm(a) * norm(b), 1e-12), -1, 1))
        apart = jnp.sin(angle) > 1e-4  # else a line does
        sine = jnp.where(apart, jnp.sin(angle), 1)
        first = jnp.where(apart, jnp.sin((1 - w) * angle) / sine, 1 - w)
        second = jnp.where(apart, jnp.sin(w * angle) / sine, w)
        return first * a + second * b

    return jax.vmap(lambda w: process.basis.inverse(jnp.where(mask, at(w), a)))(weights)


@functools.partial(jax.jit, static_argnames="relative")
def _traverse(process: Process, z: Array, position: tuple[Any, ...], values: Array, *, relative: bool) -> Array:
    at = process.basis.forward(z).at[(slice(None), *position)]
    return jax.vmap(lambda value: process.basis.inverse(at.add(value) if relative else at.set(value)))(values)


def _mask(process: Process, chosen: Chosen, z: Array) -> Array:
    """The chosen elements as a bool array that broadcasts against z."""
    if len(chosen) and np.asarray(chosen).dtype == np.bool_:
        mask = np.asarray(chosen)
        if mask.shape != process.groups.shape:
            raise ValueError(f"mask: must be of shape {process.groups.shape}, that of the groups, got {mask.shape}")
        return jnp.asarray(align(mask, z.ndim - 1))
    groups = np.isin(np.arange(process.k), check_groups(np.asarray(chosen).tolist(), process.k))
    return process.spread(groups, z)


def _pair(process: Process, z: ArrayLike, donor: ArrayLike) -> tuple[Array, Array]:
    z, donor = _latents(process, z), _latents(process, donor)
    if z.shape[1:] != donor.shape[1:] or (len(z) != len(donor) and 1 not in (len(z), len(donor))):
        raise ValueError(f"latent: z and donor must be of one shape, got {z.shape} and {donor.shape}")
    batch = (max(len(z), len(donor)), *z.shape[1:])
    return jnp.broadcast_to(z, batch), jnp.broadcast_to(donor, batch)


def _latents(process: Process, z: ArrayLike) -> Array:
    given: Any = z if hasattr(z, "shape") else np.asarray(z)
    process.check(given)
    return jnp.asarray(given, jnp.result_type(float))


def place(process: Process, element: int | np.integer | Integers) -> tuple[int, ...]:
    """The position of an element in the grid of the groups.

    Raises:
      ValueError: If there is no such element.
    """
    shape, rank = process.groups.shape, process.basis.rank
    if not isinstance(element, (int, np.integer)):
        position = tuple(int(i) for i in element)
        if len(position) != len(shape) or any(not 0 <= i < n for i, n in zip(position, shape)):
            raise ValueError(f"element: {position} is no position in a grid of shape {shape}")
        return position
    size = int(np.prod(shape if rank is None else np.shape(rank)))
    if not 0 <= element < size:
        raise ValueError(f"element: {element} is out of range; there are elements 0..{size - 1}")
    if rank is None:
        return tuple(int(i) for i in np.unravel_index(element, shape))
    return tuple(int(i) for i in np.argwhere(np.asarray(rank) == element)[0])
