"""Feature functions in parts of one size; the pixels themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import ArrayLike

from gdm_jax.metrics.checks import check_images

__all__ = ["in_batches", "pixels"]


def pixels(images: ArrayLike) -> Float32[np.ndarray, "n d"]:
    """The pixels of images `[n, height, width, channel]` themselves."""
    images = check_images("pixels", images)
    return images.reshape(len(images), -1)


def in_batches(
    function: Callable, images: Float[np.ndarray, "n height width channel"], batch: int
) -> Float32[np.ndarray, " n *features"]:
    """function(images) in float32, `batch` images at a time. The last batch is filled up, so one shape compiles."""
    batch = min(batch, len(images))
    filled = np.concatenate([images, np.repeat(images[-1:], -len(images) % batch, axis=0)])
    parts = [np.asarray(function(filled[i : i + batch]), np.float32) for i in range(0, len(filled), batch)]
    return np.concatenate(parts)[: len(images)]
