"""The 3x3 convolution, with a gradient of its kernel that a CPU computes fast.

XLA's CPU backend computes that gradient as a convolution by a kernel as large as the image. At 32x32 this takes two to
five times as long as the nine products of matrices that it is:

    y[p] = sum_d x[p + d] w[d],  d in {-1, 0, 1}^2      dL/dw[d] = sum_p x[p + d]^T dL/dy[p]

Here the derivative by w is written as those products, a few images at a time so that they stay in the cache, and JAX's
transpose of it is the gradient. On other devices, for very small images, and where JAX is too old to transpose the
loop, the convolution is JAX's own.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from gdm_jax.devices.platform import platform

__all__ = ["convolution"]

ROWS = 1024  # pixels that are multiplied at a time
FEWEST = 64  # pixels of an image below which the convolution is no slower
TRANSPOSES = jax.__version_info__ >= (0, 10)  # whether JAX transposes a scan that is linear in what it closes over


def convolution(x: Array, kernel: Array, *arguments: Any, **options: Any) -> Array:
    """`lax.conv_general_dilated` of images by a 3x3 kernel, for `flax.linen.Conv`: of stride 1, and the size is kept.

    Args:
      x: Images, `[batch, height, width, channel]`.
      kernel: Kernel, `[3, 3, channel, out_channel]`.
      *arguments: The others of `lax.conv_general_dilated`; they must say the above.
      **options: As arguments.
    """
    if not TRANSPOSES or platform() != "cpu" or x.shape[1] * x.shape[2] < FEWEST:
        return jax.lax.conv_general_dilated(x, kernel, *arguments, **options)
    return _same(x, kernel)


def _plain(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@jax.custom_jvp
def _same(x: Float[Array, "batch height width channel"], kernel: Float[Array, "3 3 channel out"]):
    return _plain(x, kernel)


def _derivative(primals, tangents):
    (x, kernel), (dx, dkernel) = primals, tangents
    parts = []
    if type(dx) is not SymbolicZero:
        parts.append(_plain(dx, kernel))
    if type(dkernel) is not SymbolicZero:
        parts.append(_by_products(x, dkernel))
    return _same(x, kernel), functools.reduce(jnp.add, parts)


_same.defjvp(_derivative, symbolic_zeros=True)


def _by_products(x, kernel):
    """The convolution as products of matrices, each shifted to its place."""
    batch, height, width, channels = x.shape
    zero, offsets = jnp.zeros((), x.dtype), [(i - 1, j - 1) for i in range(3) for j in range(3)]
    matrices = [kernel[i + 1, j + 1] for i, j in offsets]
    most = max(ROWS // (height * width), 1)
    images = next(n for n in range(min(most, batch), 0, -1) if batch % n == 0)

    def product(x, matrix, i, j):
        y = (x @ matrix).reshape(images, height, width, -1)
        return jax.lax.pad(y, zero, ((0, 0, 0), (-i, i, 0), (-j, j, 0), (0, 0, 0)))

    def together(x):
        return sum(product(x, matrix, *offset) for matrix, offset in zip(matrices, offsets))

    y = jax.lax.map(together, x.reshape(batch // images, images * height * width, channels))
    return y.reshape(batch, height, width, -1)
