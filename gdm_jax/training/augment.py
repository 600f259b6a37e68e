"""Non-leaking geometric augmentation  (Karras et al. 2022, App. F.2, after Karras et al. 2020, App. B).

An image is transformed at random and the network is told by nine values what was done to it. Given zeros it draws what
the data are, not their transformed likenesses. In this order, with w standard normal and U uniform, each anew:

    transformation          applied with        drawn                       values
    mirror left to right    1/2                                             1
    mirror top to bottom    p/2                                             1
    scale by 2^(0.2 w)      p                   w                           w
    rotate by a             p                   a ~ U(-pi, pi)              cos a - 1, sin a
    stretch along r         p                   w, r ~ U(-pi, pi) or 0      w cos r, w sin r
    shift                   p                   w_x, w_y                    w_x, w_y

A stretch scales by 2^(0.2 w) along the direction r and by 2^(-0.2 w) across it; as in EDM's own program, r is 0 half of
the time. A shift is by 0.125 w_x widths and 0.125 w_y heights. The values of a transformation that was not applied are
zeros. (w, r) and (-w, r + pi), a stretch and its inverse, have the same values, as in the papers' pipeline.

The last four are one affine map of the plane, in pixels from the centre of the image, x to the right and y down:

    p -> M p + s,    M = stretch rotation scale,    so the new image at p is the old one at M^-1 (p - s).

Beyond its edges an image is continued by its mirror images. It is read at twice its resolution, by Lanczos filters of
three lobes and linear interpolation between their values, and reduced again, so that what shrinks, by less than two,
hardly aliases. The filters overshoot at sharp edges, white strokes on black by up to a fifth of the range, and nothing
is clipped: pixels may leave [-1, 1]. An image that is only mirrored, or left as it was, comes back exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Bool, Float, PRNGKeyArray

__all__ = ["AUGMENTATIONS", "MARGIN", "Transformation", "augment", "draw", "resample"]

MARGIN = 3  # pixels, the reach of the filters

Image = Float[Array | np.ndarray, "height width channel"]
Probability = int | float | Float[Array | np.ndarray, ""]


class Transformation(NamedTuple):
    """One draw.

    Attributes:
      mirror: Whether the image is mirrored left to right, and top to bottom.
      inverse: The matrix M^-1.
      shift: The shift s in widths and heights.
      moved: Whether any of scale, rotation, stretch and shift was applied.
      values: What the network is told.
    """

    mirror: Bool[Array, " 2"]
    inverse: Float[Array, "2 2"]
    shift: Float[Array, " 2"]
    moved: Bool[Array, ""]
    values: Float[Array, " 9"]


def augment(
    key: PRNGKeyArray, x: Image, probability: Probability
) -> tuple[Float[Array, "height width channel"], Float[Array, " 9"]]:
    """One image transformed at random, and what was done to it.

    Args:
      key: Key of this image alone, so that the result does not depend on how a batch is split over devices.
      x: Image in float32.
      probability: Probability p, in [0, 1].

    Returns:
      The image after the transformation, and the nine values.
    """
    drawn = draw(key, probability)
    x = jnp.where(drawn.mirror[0], x[:, ::-1], x)
    x = jnp.where(drawn.mirror[1], x[::-1], x)
    height, width, _ = x.shape
    moved = resample(x, drawn.inverse, drawn.shift * jnp.array([width, height]))
    return jnp.where(drawn.moved, moved, x), drawn.values


def draw(key: PRNGKeyArray, probability: Probability) -> Transformation:
    """The transformation of one image, its values included."""
    of_chance, of_coin, of_normal, of_angle, of_axis = jax.random.split(key, 5)
    chosen = jax.random.bernoulli(of_chance, probability, (5,))
    upend, scales, rotates, stretches, shifts = chosen
    mirror = jax.random.bernoulli(of_coin, 0.5, (2,)) & jnp.array([True, upend])
    normal = jax.random.normal(of_normal, (4,))
    a, r = jax.random.uniform(of_angle, (2,), minval=-jnp.pi, maxval=jnp.pi)

    size = jnp.where(scales, normal[0], 0)
    a = jnp.where(rotates, a, 0)
    w = jnp.where(stretches, normal[1], 0)
    r = jnp.where(jax.random.bernoulli(of_axis), r, 0)
    shift = jnp.where(shifts, normal[2:], 0)

    # Each inverse has the opposite w or angle, and the last transformation is undone first. A stretch is the
    # exponential of the symmetric matrix with eigenvalue 0.2 w log 2 along r and its negative across.
    cos, sin, double = jnp.cos(a), jnp.sin(a), 2 * r
    rotation = jnp.array([[cos, sin], [-sin, cos]])
    axes = jnp.array([[jnp.cos(double), jnp.sin(double)], [jnp.sin(double), -jnp.cos(double)]])
    strength = -0.2 * math.log(2) * w
    stretch = jnp.cosh(strength) * jnp.eye(2) + jnp.sinh(strength) * axes
    inverse = 2 ** (-0.2 * size) * jnp.matmul(rotation, stretch, precision="highest")

    told = [mirror, jnp.array([size, cos - 1, sin, w * jnp.cos(r), w * jnp.sin(r)]), shift]
    return Transformation(mirror, inverse, 0.125 * shift, chosen[1:].any(), jnp.concatenate(told).astype(jnp.float32))


def resample(
    x: Image, inverse: Float[Array | np.ndarray, "2 2"], shift: Float[Array | np.ndarray, " 2"]
) -> Float[Array, "height width channel"]:
    """The image that at p is x at inverse (p - shift). Beyond its edges x is continued by reflection.

    Args:
      x: Image.
      inverse: Matrix that acts on (x, y) in pixels.
      shift: Shift (x, y) in pixels.
    """
    height, width, channels = x.shape
    whole = (height + 2 * MARGIN, width + 2 * MARGIN, channels)
    inside = slice(2 * MARGIN, -2 * MARGIN)
    padded = jnp.pad(x, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="symmetric")
    fine = jax.image.resize(padded, (2 * whole[0], 2 * whole[1], channels), "lanczos3")[inside, inside]

    # Every product by itself: a matrix product would round coordinates to as few as eight bits on an accelerator.
    across = ((jnp.arange(2 * whole[1]) + 0.5) / 2 - whole[1] / 2 - shift[0])[None, :]
    down = ((jnp.arange(2 * whole[0]) + 0.5) / 2 - whole[0] / 2 - shift[1])[:, None]
    columns = 2 * (inverse[0, 0] * across + inverse[0, 1] * down) + width - 0.5
    rows = 2 * (inverse[1, 0] * across + inverse[1, 1] * down) + height - 0.5

    def read(channel):
        return map_coordinates(channel, [rows, columns], order=1, mode="reflect")

    moved = jax.vmap(read, in_axes=-1, out_axes=-1)(fine)
    return jax.image.resize(moved, whole, "lanczos3")[MARGIN:-MARGIN, MARGIN:-MARGIN]


# Each is function(key, x, probability) of one datum and returns the datum, augmented, and the numbers that the network
# is told, nine at most. Zeros must stand for a datum that was left as it was.
AUGMENTATIONS: dict[str, Callable] = {"geometric": augment}
