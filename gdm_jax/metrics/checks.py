"""What goes into a metric: images in [-1, 1], and latents' elements i with their group numbers g(i)."""

from __future__ import annotations

import numpy as np

from gdm_jax.process.groups import of_elements


def check_images(name: str, images) -> np.ndarray:
    """Images `[n, h, w, c]` as a float32 array, once they are known to be such.

    Values a little beyond [-1, 1] are let through: a model's samples overshoot.

    Raises:
      ValueError: if the shape is another, there are none, or values are integers, not finite, or beyond 8 in size.
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


def check_finite(name: str, values: np.ndarray) -> None:
    """ValueError where a value is NaN or infinite, with how many members of the leading axis have one."""
    bad = ~np.isfinite(values)
    if bad.any():
        members = int(bad.reshape(len(bad), -1).any(1).sum())
        raise ValueError(f"{name}: {members} of {len(bad)} members hold NaN or infinity; drop or mend them first")


def check_labels(name: str, labels, n: int) -> np.ndarray:
    """Labels `[n]`, one for each member and of two classes or more.

    Raises:
      ValueError: otherwise.
    """
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise ValueError(f"{name}: {n} members need labels of shape ({n},), got {labels.shape}")
    if np.issubdtype(labels.dtype, np.floating):
        raise ValueError(f"{name}: labels must name classes, got {labels.dtype}; give integers")
    if len(np.unique(labels)) < 2:
        raise ValueError(f"{name}: labels must be of at least two classes, got only {labels[0]}")
    return labels


def flatten(name: str, z, index=None) -> tuple[np.ndarray, np.ndarray]:
    """Latents z `[n, *shape]` as float64 `[n, d]`, and the group of each column, int `[d]`.

    Args:
      z: latents.
      index: integers that broadcast to `shape`, a partition's `index`. Axes it lacks are the last ones, as where
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
