"""What a classifier says of samples: how sure it is of each, and whether it sees the class that the sample was told."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["as_told", "confident"]


def confident(probabilities: ArrayLike, *, threshold: float = 0.9) -> float:
    """The share of samples whose most probable class has a probability above the threshold.

    Args:
      probabilities: Probability of every class for every sample, `[n, classes]`.
      threshold: Probability from which a classifier counts as sure.

    >>> confident([[0.95, 0.05], [0.5, 0.5]])
    0.5
    """
    return float((np.asarray(probabilities).max(-1) > threshold).mean())


def as_told(probabilities: ArrayLike, told: ArrayLike) -> float:
    """The share of samples whose most probable class is the one that they were told.

    Args:
      probabilities: Probability of every class for every sample, `[n, classes]`.
      told: Class that each sample was told, int `[n]`.

    >>> as_told([[0.95, 0.05], [0.6, 0.4]], [0, 1])
    0.5
    """
    return float((np.asarray(probabilities).argmax(-1) == np.asarray(told)).mean())
