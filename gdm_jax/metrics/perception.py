"""Perceptual variance: how much of what one sees is still open once some groups are fixed  (Fig. 4a).

    E_sets[ tr Cov(f(x) | set) ]

Members x of a set share some groups of the latent and differ in the others; f is a feature function. Fixing more groups
lowers it. A group that lowers it a lot carries content.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gdm_jax.metrics.checks import FeatureFunction, check_finite

__all__ = ["PerceptualVariance", "perceptual_variance"]


class PerceptualVariance(NamedTuple):
    """Perceptual variance.

    Attributes:
      mean: Mean over the sets.
      error: Standard error of the mean.
    """

    mean: float
    error: float


def perceptual_variance(sets: ArrayLike, features: FeatureFunction) -> PerceptualVariance:
    """The total variance of features within a set, averaged over sets.

    Args:
      sets: Images in [-1, 1], `[m, n, height, width, channel]`: m sets of n members that share what is fixed.
      features: A feature function such as `pixels`, `vgg19()` or a `Classifier`. Each feature counts at the scale that
        it comes in, and each set's covariance is divided by n - 1.

    Raises:
      ValueError: if sets has another shape or is not finite, m or n is below two, or features returns something that
        is not finite or not one row a member.
    """
    sets = np.asarray(sets)
    if sets.ndim != 5 or min(sets.shape[:2]) < 2:
        rule = "[m >= 2 sets, n >= 2 members, height, width, channel]"
        raise ValueError(f"perceptual_variance: sets must be of shape {rule}, got {sets.shape}")
    check_finite("perceptual_variance", sets)
    variances = np.array([_total_variance(features(members), len(members)) for members in sets])
    return PerceptualVariance(float(variances.mean()), float(variances.std(ddof=1) / np.sqrt(len(sets))))


def _total_variance(values: ArrayLike, n: int) -> float:
    values = np.asarray(values, np.float64)
    if values.ndim < 2 or len(values) != n:
        raise ValueError(f"perceptual_variance: features of {n} images must be of shape [{n}, d], got {values.shape}")
    check_finite("perceptual_variance: features", values)
    return float(values.reshape(n, -1).var(axis=0, ddof=1).sum())
