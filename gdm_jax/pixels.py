"""Pixels: bytes and numbers in [-1, 1], grey levels, the noise within a level, bits for each dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key, Real, Shaped, UInt8

from gdm_jax.keys import derive

__all__ = ["LEVELS", "bits_per_dimension", "dequantise", "level_width", "to_model_range", "to_uint8"]

LEVELS = {np.dtype(np.uint8): 2**8, np.dtype(np.uint16): 2**16}  # grey levels by the type of a pixel


def level_width(levels: int) -> float:
    """w = 2 / (levels - 1), the distance in [-1, 1] between neighbours of `levels` evenly spread values of a pixel."""
    return 2 / (levels - 1)


def dequantise(
    x: Float[Array | np.ndarray, "batch *shape"], keys: Key[Array, " batch"], levels: int = 256
) -> Float[Array, "batch *shape"]:
    """x plus uniform noise as wide as one grey level.

    The density of the result bounds the probability of the grey levels from below: with w = 2 / (levels - 1),
    log P(x) >= E log p(x + noise) + d log w  (Theis et al. 2016).

    Args:
      x: Pixels in [-1, 1], each one of `levels` evenly spread values.
      keys: Random keys, one for each example.
      levels: Number of grey levels.
    """

    def noise(key: Array) -> Array:
        return jax.random.uniform(derive(key, "dequantise"), x.shape[1:], jnp.float32, minval=-0.5, maxval=0.5)

    return jnp.asarray(x) + jax.vmap(noise)(keys) * level_width(levels)


def bits_per_dimension(
    log_p: Real[ArrayLike, "..."], elements: Real[ArrayLike, "..."], levels: int = 256
) -> Real[Array | np.ndarray, "..."] | Any:
    """Bits for each element to name its grey level: -(log_p + d log w) / (d log 2), w = 2 / (levels - 1).

    Args:
      log_p: Log probability density of the d elements together, in nats.
      elements: Number d, which broadcasts against log_p.
      levels: Number of grey levels, spread over [-1, 1].

    >>> round(float(bits_per_dimension(64 * np.log(127.5 / 256), 64)), 6)  # uniform over the 256 levels
    8.0
    """
    return -(log_p / elements + np.log(level_width(levels))) / np.log(2)


def to_model_range(x: Shaped[Array | np.ndarray, "*shape"]) -> Float[Array | np.ndarray, "*shape"]:
    """Pixels -> float32 in [-1, 1]: uint8 by x / 127.5 - 1, uint16 by x / 32767.5 - 1. Floats pass unchanged.

    NumPy arrays are computed on the host and come back as NumPy arrays.

    Raises:
      ValueError: For another type, which does not say what is black and what is white.
    """
    if isinstance(x, np.ndarray) and x.dtype in LEVELS:  # to the bit what XLA computes of the expression below
        return x.astype(np.float32) * np.float32(2 / (LEVELS[x.dtype] - 1)) - np.float32(1)
    if isinstance(x, np.ndarray) and np.issubdtype(x.dtype, np.floating):
        return x.astype(jax.dtypes.canonicalize_dtype(x.dtype), copy=False)
    x = jnp.asarray(x)
    if np.dtype(x.dtype) in LEVELS:
        return x.astype(jnp.float32) / ((LEVELS[np.dtype(x.dtype)] - 1) / 2) - 1
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"data: values must be uint8, uint16 or floats in [-1, 1], got {x.dtype}")
    return x


def to_uint8(x: Real[Array | np.ndarray, "*shape"] | Sequence) -> UInt8[np.ndarray, "*shape"]:
    """[-1, 1] -> 0..255, clipped and rounded. Bytes pass unchanged."""
    x = np.asarray(x)
    return x if x.dtype == np.uint8 else np.rint(np.clip(x.astype(np.float32) * 127.5 + 127.5, 0, 255)).astype(np.uint8)
