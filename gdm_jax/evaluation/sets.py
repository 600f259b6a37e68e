"""Numbers over sets of seeds: mean, standard deviation, confidence interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

__all__ = ["Summary", "distances", "interval", "of_sets", "summary"]


class Summary(NamedTuple):
    """A number measured on each of several sets of samples.

    Attributes:
      mean: Mean over the sets.
      std: Standard deviation over the sets, or None where there is one set alone.
      sets: The number of each set.
    """

    mean: float
    std: float | None
    sets: list[float]


def summary(values: Iterable[float | int | np.number]) -> Summary:
    """The numbers of some sets, with their mean and standard deviation."""
    values = [float(value) for value in values]
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), std, values)


def of_sets(summary: Summary, digits: int = 3) -> str:
    """A mean with its standard deviation, for a table."""
    mean = f"{summary.mean:.{digits}g}"
    return mean if summary.std is None else f"{mean} ± {float(f'{summary.std:.1g}'):g}"


def interval(values: ArrayLike) -> tuple[float, float]:
    """The mean of values `[sets]`, and half the width of its 95% confidence interval by Student's t."""
    values = np.asarray(values, float)
    error = values.std(ddof=1) / len(values) ** 0.5
    return float(values.mean()), float(scipy.stats.t.ppf(0.975, len(values) - 1) * error)


def distances(found: Sequence) -> tuple[list[list[float]], list[float]]:
    """Frechet distances `[n][sets]` of evaluations, and the standard deviations or zeros."""
    return [one.frechet.sets for one in found], [one.frechet.std or 0.0 for one in found]
