"""Feature functions in parts of one size; the pixels themselves."""

from __future__ import annotations

import numpy as np

from gdm_jax.metrics.checks import check_images


def pixels(images) -> np.ndarray:
    """The pixels themselves, `[n, h * w * c]`."""
    images = check_images("pixels", images)
    return images.reshape(len(images), -1)


def in_batches(function, images: np.ndarray, batch: int) -> np.ndarray:
    """float32 function(images), `batch` of them at a time; the last batch is filled up, so that one shape compiles."""
    batch = min(batch, len(images))
    filled = np.concatenate([images, np.repeat(images[-1:], -len(images) % batch, axis=0)])
    parts = [np.asarray(function(filled[i : i + batch]), np.float32) for i in range(0, len(filled), batch)]
    return np.concatenate(parts)[: len(images)]
