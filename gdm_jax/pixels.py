"""Pixels: bytes and numbers in [-1, 1], grey levels and the noise within one, bits a dimension."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gdm_jax.keys import derive


def level_width(levels: int) -> float:
    """w = 2 / (levels - 1), the distance in [-1, 1] between neighbours of `levels` evenly spread values of a pixel."""
    return 2 / (levels - 1)


def dequantise(x, keys, levels: int = 256) -> jax.Array:
    """x plus uniform noise as wide as one grey level.

    The density of the result bounds the probability of the grey levels from below: with w = 2 / (levels - 1),
    log P(x) >= E log p(x + noise) + d log w  (Theis et al. 2016).

    Args:
      x: `[batch, *shape]` in [-1, 1], of `levels` evenly spread values.
      keys: `[batch]` random keys.
    """

    def noise(key):
        return jax.random.uniform(derive(key, "dequantise"), x.shape[1:], jnp.float32, minval=-0.5, maxval=0.5)

    return x + jax.vmap(noise)(keys) * level_width(levels)


def bits_per_dimension(log_p, elements, levels: int = 256):
    """Bits for each element to name its grey level: -(log_p + d log w) / (d log 2), w = 2 / (levels - 1).

    Args:
      log_p: nats, of the d elements together, any shape.
      elements: d, broadcastable to log_p.
      levels: grey levels spread over [-1, 1].

    >>> round(float(bits_per_dimension(64 * np.log(127.5 / 256), 64)), 6)  # uniform over the 256 levels
    8.0
    """
    return -(log_p / elements + np.log(level_width(levels))) / np.log(2)


LEVELS = {np.dtype(np.uint8): 2**8, np.dtype(np.uint16): 2**16}  # that a pixel of a type has


def to_model_range(x):
    """Pixels -> float32 in [-1, 1]: uint8 by x / 127.5 - 1, uint16 by x / 32767.5 - 1; floats pass unchanged.

    NumPy arrays are computed on the host and come back as NumPy arrays.

    Raises:
      ValueError: for another type, which does not say what is black and what is white.
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


def to_uint8(x) -> np.ndarray:
    """[-1, 1] -> 0..255, clipped and rounded; bytes pass unchanged."""
    x = np.asarray(x)
    return x if x.dtype == np.uint8 else np.rint(np.clip(x.astype(np.float32) * 127.5 + 127.5, 0, 255)).astype(np.uint8)
