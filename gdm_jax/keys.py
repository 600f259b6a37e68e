"""Where every random number comes from: a seed, a purpose and a position.

Two draws of different purpose never share a key, so that fresh noise is never the noise that an image was made of, and
no draw depends on the batch or the devices that it is made on:

    key(seed, purpose, i, j, ...) = fold_in(... fold_in(fold_in(root(seed), number of the purpose), i), j ...)

A function that takes a key from its caller folds its own purpose into it by `derive`, for the caller may use the key
elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Integer, Key, Shaped, UInt32

__all__ = ["MOST_SEED", "PURPOSES", "check_seeds", "derive", "each", "generator", "root"]

Number = int | np.integer | Integer[Array | np.ndarray, ""]  # may be traced

PURPOSES = (
    "sample",  # latents of samples, one seed each
    "fill",  # latents of what is generated given other groups, one seed each
    "resample",  # noise put in the place of groups of a latent
    "dequantise",  # within a grey level, in evaluation
    "probe",  # signs of Hutchinson's estimate
    "parameters",  # first parameters of a network
    "time",  # t of a training step
    "noise",  # z of a training example, and so on:
    "schedule",
    "dropout",
    "jitter",  # within a grey level
    "label",  # whether it is told
    "augmentation",
    "flip",
    "jump",  # whether, and how far
)
MOST_SEED = 2**32 - 1


def root(seed: Number, purpose: str, *position: Number) -> Key[Array, ""]:
    """The key of a seed, for a purpose, at a position.

    Args:
      seed: Whole number from 0 to 2^32 - 1. It may be traced.
      purpose: One of PURPOSES.
      *position: Step, place in the batch, and so on. They may be traced.

    Raises:
      ValueError: For another seed.
    """
    if not isinstance(seed, Tracer):
        seed = check_seeds(np.asarray([seed]))[0]
    return derive(jax.random.key(seed), purpose, *position)


def derive(key: Shaped[Array, "*key"], purpose: str, *position: Number) -> Key[Array, ""]:
    """The key that a key gives for a purpose, at a position."""
    for number in (PURPOSES.index(purpose), *position):
        key = jax.random.fold_in(key, number)
    return key


def each(seed: Number, purpose: str, *position: Number, count: int) -> Key[Array, " count"]:
    """The keys of the positions (*position, 0), (*position, 1), ..., (*position, count - 1)."""
    of_all = root(seed, purpose, *position)
    return jax.vmap(lambda n: jax.random.fold_in(of_all, n))(np.arange(count))


def generator(seed: int, purpose: str, *position: int) -> np.random.Generator:
    """The same as `root` for NumPy's random numbers."""
    return np.random.default_rng((seed, PURPOSES.index(purpose), *position))


def check_seeds(seeds: Sequence[int] | Shaped[Array | np.ndarray, "*n"]) -> UInt32[np.ndarray, " n"]:
    """The seeds as an array.

    Raises:
      ValueError: Unless they are whole numbers from 0 to 2^32 - 1.
    """
    given = np.asarray(seeds)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer) or (given < 0).any() or (given > MOST_SEED).any():
        raise ValueError(f"seeds: must be whole numbers from 0 to 2^32 - 1, got {seeds!r}")
    return given.astype(np.uint32)
