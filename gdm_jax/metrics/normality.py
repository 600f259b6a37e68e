"""How near encoded latents are to those of an optimal model, which are standard normal and independent (Remark 4.1).

The pooled elements of a group then have mean 0, standard deviation 1, excess kurtosis 0, and a Kolmogorov-Smirnov
distance sup |F - Phi| of 0. Between groups the total correlation is measured, in nats. For a Gaussian of covariance S
with diagonal blocks S_jj it is

    T = 1/2 (sum_j log det S_jj - log det S),

zero if and only if the groups are independent. Between single elements it is -1/2 log det of the correlation matrix.

n samples overestimate it. With m = n - 1 and psi the digamma function, a d x d Wishart matrix of m degrees of freedom
has E log det W = log det Sigma + d log 2 + sum_{i=1..d} psi((m + 1 - i) / 2), so that for any Gaussian

    E T_n - T = 1/2 (sum_j sum_{i<=d_j} psi((m + 1 - i) / 2) - sum_{i<=d} psi((m + 1 - i) / 2)),

which is subtracted. When the groups are independent T_n is independent of the S_jj, so its variance is 1/4 of the same
difference of trigamma functions, the other way round.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.special
import scipy.stats
from jaxtyping import Float
from numpy.typing import ArrayLike

from gdm_jax.metrics.checks import flatten

__all__ = ["Correlation", "Normality", "group_correlation", "group_normality", "total_correlation"]


class Normality(NamedTuple):
    """What the pooled elements of each group are like; one number a group.

    Attributes:
      mean: Mean, 0 for a standard normal.
      std: Standard deviation over the number of elements, 1 for a standard normal.
      kurtosis: Excess kurtosis E (z - mean)^4 / std^4 - 3. It is 0 for a normal, and NaN where elements are constant.
      ks: Kolmogorov-Smirnov distance to N(0, 1), in [0, 1].
      p_value: Probability of a distance at least as large, if all pooled elements were independent N(0, 1).
    """

    mean: Float[np.ndarray, " k"]
    std: Float[np.ndarray, " k"]
    kurtosis: Float[np.ndarray, " k"]
    ks: Float[np.ndarray, " k"]
    p_value: Float[np.ndarray, " k"]


class Correlation(NamedTuple):
    """Total correlation.

    Attributes:
      nats: Estimate in nats, free of the finite sample's bias.
      error: Standard error that the estimate has if the true value is zero.
    """

    nats: float
    error: float


def group_normality(z_bar: ArrayLike, index: ArrayLike) -> Normality:
    """Each group's distance from the standard normal.

    Args:
      z_bar: Latents in the basis, `[n, *shape]`.
      index: Group of each element, integers that broadcast to `shape`. Axes that it lacks are the last ones.

    Raises:
      ValueError: if index does not fit z_bar or skips a group number, or z_bar is not finite.
    """
    z_bar, groups = flatten("group_normality", z_bar, index)
    rows = np.array([_row(z_bar[:, groups == j].ravel()) for j in range(groups.max() + 1)])
    return Normality(*rows.T)


def _row(z: Float[np.ndarray, " n"]) -> tuple[float, float, float, float, float]:
    mean, std = z.mean(), z.std()
    kurtosis = ((z - mean) ** 4).mean() / std**4 - 3 if std > 0 else np.nan
    test = scipy.stats.kstest(z, "norm")
    return mean, std, kurtosis, test.statistic, test.pvalue


def total_correlation(z: ArrayLike) -> Correlation:
    """The Gaussian total correlation between the elements of z `[n, ...]`, corrected for n.

    It is zero within its error for independent elements. A corrected estimate may fall below zero.

    Raises:
      ValueError: if n is not above the number of elements d, z is not finite, or its elements are linearly dependent.

    >>> z = np.random.default_rng(0).normal(size=(1000, 2)) @ [[1, 0.6], [0, 0.8]]
    >>> round(total_correlation(z).nats, 2), round(-0.5 * float(np.log(1 - 0.6**2)), 2)
    (0.23, 0.22)
    """
    return _correlation("total_correlation", *flatten("total_correlation", z))


def group_correlation(z_bar: ArrayLike, index: ArrayLike) -> Correlation:
    """The Gaussian total correlation between the groups of z_bar `[n, *shape]` as wholes, corrected for n.

    What elements of one group share among themselves does not count. Arguments are those of `group_normality`.

    Raises:
      ValueError: if n is not above the number of elements d, index does not fit z_bar or skips a group number, z_bar
        is not finite, or its elements are linearly dependent.
    """
    return _correlation("group_correlation", *flatten("group_correlation", z_bar, index))


def _correlation(name: str, z: np.ndarray, groups: np.ndarray) -> Correlation:
    n, d = z.shape
    if n <= d:
        raise ValueError(
            f"{name}: {d} elements need more than {d} samples, got {n}; take more samples or fewer elements"
        )
    std = z.std(axis=0)
    if not std.all():
        raise ValueError(f"{name}: element {int(np.argmin(std))} is the same in every sample; leave it out")
    z = (z - z.mean(axis=0)) / std
    matrix = z.T @ z / n  # T does not change with the scale of an element, so correlations do
    if np.linalg.eigvalsh(matrix)[0] < d * np.finfo(matrix.dtype).eps:
        raise ValueError(f"{name}: some elements are linear functions of others, so the total correlation is infinite")
    blocks = [groups == j for j in range(groups.max() + 1)]
    within = sum(np.linalg.slogdet(matrix[np.ix_(block, block)])[1] for block in blocks)
    halves = (n - np.arange(1, d + 1)) / 2  # (m + 1 - i) / 2
    bias, variance = (
        sum(terms[: block.sum()].sum() for block in blocks) - terms.sum()
        for terms in (scipy.special.digamma(halves), scipy.special.polygamma(1, halves))
    )
    nats = (within - np.linalg.slogdet(matrix)[1] - bias) / 2
    return Correlation(float(nats), float(np.sqrt(max(-variance, 0)) / 2))
