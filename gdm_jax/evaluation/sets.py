"""Numbers over sets of seeds: mean, standard deviation, confidence interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.stats


def summary(values) -> dict:
    """Mean, standard deviation over sets (None of one) and the values."""
    values = [float(value) for value in values]
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": std, "sets": values}


def of_sets(summary: dict, digits: int = 3) -> str:
    """A mean with its standard deviation, for a table."""
    mean = f"{summary['mean']:.{digits}g}"
    return mean if summary["std"] is None else f"{mean} ± {summary['std']:.1g}"


def interval(values) -> tuple[float, float]:
    """The mean of some sets and half the width of its 95% confidence interval, by Student's t."""
    values = np.asarray(values, float)
    error = values.std(ddof=1) / len(values) ** 0.5
    return float(values.mean()), float(scipy.stats.t.ppf(0.975, len(values) - 1) * error)


def distances(found: Sequence[dict]) -> tuple[list, list]:
    """Frechet distances `[n][sets]` of evaluations, and the standard deviations or zeros."""
    return [one["frechet"]["sets"] for one in found], [one["frechet"]["std"] or 0.0 for one in found]
