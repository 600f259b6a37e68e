"""Perceptual variance: how much of what one sees the groups left free still decide  (Fig. 4a).

    E_sets[ tr Cov(f(x) | set) ]

Members x of a set share some groups of the latent and differ in the others; f is a feature function. The more of the
latent is held, the smaller it is, and the groups whose holding takes most away are those that carry the content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gdm_jax.metrics.checks import check_finite


class PerceptualVariance(NamedTuple):
    """The mean over sets, and the standard error of that mean."""

    mean: float
    error: float


def perceptual_variance(sets, features: Callable) -> PerceptualVariance:
    """The total variance of features within a set, averaged over sets.

    Args:
      sets: images in [-1, 1], `[m, n, h, w, c]`: m sets of n members that share what is held.
      features: images `[n, h, w, c]` -> `[n, d]`, such as `pixels`, `vgg19()` or a `Classifier`'s `features`. Each
        feature counts at the scale it comes in, and each set's covariance divides by n - 1.

    Raises:
      ValueError: if sets is of another shape or not finite, m or n is below two, or features gives something that is
        not finite or not one row a member.
    """
    sets = np.asarray(sets)
    if sets.ndim != 5 or min(sets.shape[:2]) < 2:
        rule = "[m >= 2 sets, n >= 2 members, height, width, channel]"
        raise ValueError(f"perceptual_variance: sets must be of shape {rule}, got {sets.shape}")
    check_finite("perceptual_variance", sets)
    variances = np.array([_total_variance(features(members), len(members)) for members in sets])
    return PerceptualVariance(float(variances.mean()), float(variances.std(ddof=1) / np.sqrt(len(sets))))


def _total_variance(values, n: int) -> float:
    values = np.asarray(values, np.float64)
    if values.ndim < 2 or len(values) != n:
        raise ValueError(f"perceptual_variance: features of {n} images must be of shape [{n}, d], got {values.shape}")
    check_finite("perceptual_variance: features", values)
    return values.reshape(n, -1).var(axis=0, ddof=1).sum()
