"""What goes into a metric: images in [-1, 1], and latents' elements i with their group numbers g(i).

Each check takes the name of the function that asks, which its errors begin with.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Num, Shaped
from numpy.typing import ArrayLike

from gdm_jax.process.groups import of_elements

__all__ = ["FeatureFunction", "check_finite", "check_images", "check_labels", "flatten"]

# Images in [-1, 1] -> what they are judged by.
FeatureFunction = Callable[[Float[np.ndarray, "n height width channel"]], Float[np.ndarray | jax.Array, "n d"]]


def check_images(name: str, images: ArrayLike) -> Float32[np.ndarray, "n height width channel"]:
    """Images `[n, height, width, channel]` as a float32 array, once they are known to be images in [-1, 1].

    Values a little beyond that are let through, because a model's samples overshoot.

    Raises:
      ValueError: if the shape is another, there are no images, or values are integers, not finite or beyond 8 in size.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.size == 0:
        raise ValueError(f"{name}: images must be of shape [n, height, width, channel], got {images.shape}")
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"{name}: images must be floats in [-1, 1], got {images.dtype}; scale bytes by x / 127.5 - 1")
    check_finite(name, images)
    if np.abs(images).max() > 8:
        raise ValueError(
            f"{name}: images must lie in [-1, 1], got values up to {np.abs(images).max():.4g}; rescale them"
        )
    return images.astype(np.float32)


def check_finite(name: str, values: Num[np.ndarray, " n *shape"]) -> None:
    """Raises ValueError where a value is NaN or infinite; it says how many members of the leading axis hold one."""
    bad = ~np.isfinite(values)
    if bad.any():
        members = int(bad.reshape(len(bad), -1).any(1).sum())
        raise ValueError(f"{name}: {members} of {len(bad)} members hold NaN or infinity; drop or mend them first")


def check_labels(name: str, labels: ArrayLike, n: int) -> Shaped[np.ndarray, " n"]:
    """Labels `[n]`, one for each member and of two classes or more.

    Raises:
      ValueError: if there are more or fewer labels, they are floats, or all members are of one class.
    """
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise ValueError(f"{name}: {n} members need labels of shape ({n},), got {labels.shape}")
    if np.issubdtype(labels.dtype, np.floating):
        raise ValueError(f"{name}: labels must name classes, got {labels.dtype}; give integers")
    if len(np.unique(labels)) < 2:
        raise ValueError(f"{name}: labels must be of at least two classes, got only {labels[0]}")
    return labels


def flatten(
    name: str, z: ArrayLike, index: ArrayLike | None = None
) -> tuple[Float64[np.ndarray, "n d"], Int[np.ndarray, " d"]]:
    """Latents z `[n, *shape]` as float64 `[n, d]`, and the group of each column, int `[d]`.

    Args:
      name: Name of the function that asks.
      z: Latents, `[n, *shape]`.
      index: A partition's `index`, integers that broadcast to `shape`. Axes that it lacks are the last ones, as where
        channels share the groups of `[height, width]`. None gives every element a group of its own.

    Raises:
      ValueError: if z has no elements or is not finite, or index does not fit it or skips a group number.
    """
    z = np.asarray(z, np.float64)
    if z.ndim < 2 or z.size == 0:
        raise ValueError(f"{name}: latents must be of shape [n, ...], got {z.shape}")
    check_finite(name, z)
    shape = z.shape[1:]
    if index is None:
        return z.reshape(len(z), -1), np.arange(np.prod(shape))
    index = np.asarray(index)
    if not np.issubdtype(index.dtype, np.integer):
        raise ValueError(f"{name}: index must hold the integer group of each element, got {index.dtype}")
    try:
        groups = np.asarray(of_elements(index, shape)).ravel()
    except ValueError:
        raise ValueError(f"{name}: index of shape {index.shape} does not fit latents [n, *{shape}]") from None
    if groups.min() < 0 or len(np.unique(groups)) != groups.max() + 1:
        raise ValueError(f"{name}: groups must be numbered from 0 without a gap, got {np.unique(groups).tolist()}")
    return z.reshape(len(z), -1), groups
