"""What a classifier says of samples: how sure it is of each, and whether it sees the class that the sample was told."""

from __future__ import annotations

import numpy as np
from jaxtyping import ArrayLike, Float, Int

__all__ = ["as_told", "confident"]


def confident(probabilities: Float[ArrayLike, "n classes"], *, threshold: float = 0.9) -> float:
    """The share of samples whose most probable class has a probability above the threshold.

    >>> confident([[0.95, 0.05], [0.5, 0.5]])
    0.5
    """
    return float((np.asarray(probabilities).max(-1) > threshold).mean())


def as_told(probabilities: Float[ArrayLike, "n classes"], told: Int[ArrayLike, " n"]) -> float:
    """The share of samples whose most probable class is the one that they were told.

    >>> as_told([[0.95, 0.05], [0.6, 0.4]], [0, 1])
    0.5
    """
    return float((np.asarray(probabilities).argmax(-1) == np.asarray(told)).mean())
