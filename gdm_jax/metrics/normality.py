"""How near encoded latents are to what an optimal model's are: standard normal and independent  (Remark 4.1).

Of one group, over its pooled elements: mean 0, standard deviation 1, excess kurtosis 0 and the Kolmogorov-Smirnov
distance sup |F - Phi| 0. Between groups, the total correlation, in nats; for a Gaussian of covariance S with diagonal
blocks S_jj

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
import scipy.stats

from gdm_jax.metrics.checks import flatten


class Normality(NamedTuple):
    """One row a group, `[k]` each.

    Attributes:
      mean, std: of the pooled elements; 0 and 1 for a standard normal. std divides by their number.
      kurtosis: excess kurtosis E (z - mean)^4 / std^4 - 3; 0 for a normal, NaN where the elements are constant.
      ks: Kolmogorov-Smirnov distance to N(0, 1), in [0, 1].
      p_value: the chance of a distance at least as large if all pooled elements were independent N(0, 1).
    """

    mean: np.ndarray
    std: np.ndarray
    kurtosis: np.ndarray
    ks: np.ndarray
    p_value: np.ndarray


class Correlation(NamedTuple):
    """Total correlation in nats, free of the finite sample's bias, and its standard error were there none."""

    nats: float
    error: float


def group_normality(z_bar, index) -> Normality:
    """Each group's distance from the standard normal.

    Args:
      z_bar: latents in the basis, `[n, *shape]`.
      index: int, the group of each element, broadcast to `shape`; axes it lacks are the last ones (the channels).

    Raises:
      ValueError: if index does not fit z_bar or skips a group number, or z_bar is not finite.
    """
    z_bar, groups = flatten("group_normality", z_bar, index)
    return Normality(*np.transpose([_row(z_bar[:, groups == j].ravel()) for j in range(groups.max() + 1)]))


def _row(z):
    mean, std = z.mean(), z.std()
    kurtosis = ((z - mean) ** 4).mean() / std**4 - 3 if std > 0 else np.nan
    test = scipy.stats.kstest(z, "norm")
    return mean, std, kurtosis, test.statistic, test.pvalue


def total_correlation(z) -> Correlation:
    """The Gaussian total correlation between the elements of z `[n, ...]`, corrected for n.

    Zero within its error for independent elements; a corrected estimate may fall below zero.

    Raises:
      ValueError: if n is not above the number of elements d, z is not finite, or its elements are linearly dependent.

    >>> z = np.random.default_rng(0).normal(size=(1000, 2)) @ [[1, 0.6], [0, 0.8]]
    >>> round(total_correlation(z).nats, 2), round(-0.5 * float(np.log(1 - 0.6**2)), 2)
    (0.23, 0.22)
    """
    return _correlation("total_correlation", *flatten("total_correlation", z))


def group_correlation(z_bar, index) -> Correlation:
    """The Gaussian total correlation between the groups of z_bar `[n, *shape]` as wholes, corrected for n.

    What elements of one group share among themselves does not count. index is as for `group_normality`.

    Raises:
      ValueError: if n is not above the number of elements d, index does not fit z_bar or skips a group number, z_bar
        is not finite, or its elements are linearly dependent.
    """
    return _correlation("group_correlation", *flatten("group_correlation", z_bar, index))


def _correlation(name, z, groups):
    n, d = z.shape
    if n <= d:
        raise ValueError(
            f"{name}: {d} elements need more than {d} samples, got {n}; take more samples or fewer elements"
        )
    std = z.std(axis=0)
    if not std.all():
        raise ValueError(f"{name}: element {int(np.argmin(std))} is the same in every sample; leave it out")
    z = (z - z.mean(axis=0)) / std
    matrix = z.T @ z / n  # of correlations, to which T does not object: it is blind to each element's scale
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
