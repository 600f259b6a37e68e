"""The Frechet distance between Gaussians fitted to two sets of feature vectors  (Dowson & Landau 1982).

    d = |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^{1/2})

With Inception features it is the FID; with an image's own pixels, a distance in pixel space.

A root of a covariance is any A, [rows, d], with A^T A = S: the centred features themselves over sqrt(n - 1), or
lambda^{1/2} V^T where only S = V lambda V^T is known. For roots A_1 and A_2 of as many rows, tr (S_1 S_2)^{1/2} is the
sum of the singular values of A_1 A_2^T = U s W, so that

    d = |mu_1 - mu_2|^2 + min over rotations Q of |A_1 - Q A_2|^2,    reached at Q = U W.

The right-hand side is what is computed. Covariances may be singular, and as a sum of squares it never falls below zero
and keeps its digits where the distance is small beside the traces.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float
from numpy.typing import ArrayLike

from gdm_jax.metrics.checks import check_finite

__all__ = ["Statistics", "check_statistics", "frechet_distance", "statistics"]

NOISE = 1e-6  # the most by which a covariance, relative to its size, may miss being symmetric and positive


class Statistics(NamedTuple):
    """Mean and covariance of a set of features.

    Attributes:
      mu: Mean.
      sigma: Covariance, divided by n - 1.
      count: Number n of members, or None where that is not known, as in public files.
    """

    mu: Float[np.ndarray, " d"]
    sigma: Float[np.ndarray, "d d"]
    count: int | None = None  # pyright: ignore[reportIncompatibleMethodOverride]  (no one counts in it)


def statistics(features: ArrayLike) -> Statistics:
    """Mean and covariance in float64 of features `[n, ...]`, whose trailing axes are flattened.

    It warns where n <= d. The covariance is then singular, and distances come out far too large.

    Raises:
      ValueError: if there are fewer than two members or values are not finite.
    """
    x = _members("statistics", features)
    n, d = x.shape
    if n <= d:
        short = f"{n} members are too few for {d} features: the covariance is singular and distances are biased upwards"
        warnings.warn(f"statistics: {short}; at least {d + 1 - n} more are needed", stacklevel=2)
    mu = x.mean(axis=0)
    x -= mu
    return Statistics(mu, x.T @ x / (n - 1), n)


def frechet_distance(a: Statistics | ArrayLike, b: Statistics | ArrayLike) -> float:
    """The squared distance d in float64 between a and b, each of which is `Statistics` or features `[n, ...]`.

    Features are compared as they are, and their covariance is not formed. Few of them bias d upwards.

    Raises:
      ValueError: if the features differ in number, a set has fewer than two members, values are not finite, or a
        covariance is not square, symmetric and free of clearly negative eigenvalues.

    >>> a, b = Statistics(np.zeros(2), np.diag([1.0, 4.0])), Statistics(np.ones(2), np.diag([9.0, 4.0]))
    >>> round(frechet_distance(a, b), 9)  # 1 + 1 + (1 - 3)^2 + (2 - 2)^2
    6.0
    """
    (mu_a, root_a), (mu_b, root_b) = _mean_and_root(a), _mean_and_root(b)
    if len(mu_a) != len(mu_b):
        raise ValueError(f"frechet: the sets have {len(mu_a)} and {len(mu_b)} features; they must be alike")
    rows = max(len(root_a), len(root_b))
    root_a, root_b = (np.pad(root, ((0, rows - len(root)), (0, 0))) for root in (root_a, root_b))
    left, _, right = scipy.linalg.svd(root_a @ root_b.T)
    return float(((mu_a - mu_b) ** 2).sum() + ((root_a - left @ (right @ root_b)) ** 2).sum())


def _members(name: str, features: ArrayLike) -> Float[np.ndarray, "n d"]:
    """Features as a float64 copy `[n, d]`."""
    x = np.array(features, np.float64)
    if x.ndim < 1 or x.size == 0:
        raise ValueError(f"{name}: features must be of shape [n, ...], got {x.shape}")
    if len(x) < 2:
        raise ValueError(f"{name}: a covariance needs at least two members, got {len(x)}")
    check_finite(name, x)
    return x.reshape(len(x), -1)


def check_statistics(name: str, stats: Statistics) -> Statistics:
    """Statistics in float64, whose covariance is symmetric to the last bit.

    Raises:
      ValueError: if they are of another shape or type, not finite, not symmetric, or of fewer than two members.
    """
    mu, sigma = np.asarray(stats.mu), np.asarray(stats.sigma)
    if mu.dtype.kind not in "fiu" or sigma.dtype.kind not in "fiu":
        raise ValueError(f"{name}: mu and sigma must hold real numbers, got {mu.dtype} and {sigma.dtype}")
    if mu.ndim != 1 or mu.size == 0 or sigma.shape != 2 * mu.shape:
        raise ValueError(f"{name}: mu must be of shape [d] and sigma [d, d], got {mu.shape} and {sigma.shape}")
    mu, sigma = mu.astype(np.float64), sigma.astype(np.float64)
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all()):
        raise ValueError(f"{name}: mu or sigma holds NaN or infinity; compute them again from finite features")
    gap = np.abs(sigma - sigma.T).max()
    if gap > NOISE * np.abs(sigma).max():
        raise ValueError(f"{name}: sigma must be symmetric, got entries that differ by {gap:.4g}")
    if stats.count is not None and stats.count < 2:
        raise ValueError(f"{name}: a covariance needs at least two members, got count = {stats.count}")
    return Statistics(mu, (sigma + sigma.T) / 2, stats.count)


def _mean_and_root(x: Statistics | ArrayLike) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "rows d"]]:
    """mu `[d]` and a root `[rows, d]` of the covariance, of at most d rows."""
    if not isinstance(x, Statistics):
        members = _members("frechet", x)
        mu = members.mean(axis=0)
        root = (members - mu) / np.sqrt(len(members) - 1)
        return mu, np.asarray(np.linalg.qr(root, mode="r")) if len(root) > len(mu) else root
    mu, sigma, _ = check_statistics("frechet", x)
    values, vectors = np.linalg.eigh(sigma)
    least, most = values[0], np.abs(values).max()
    if least < -NOISE * most:
        raise ValueError(f"frechet: sigma must have no negative eigenvalue, got {least:.4g} beside {most:.4g}")
    # Where the covariance is singular, rounding leaves eigenvalues of either sign, whose roots would add up.
    kept = values > max(len(mu) * np.finfo(np.float64).eps * most, -least)
    return mu, (vectors[:, kept] * np.sqrt(values[kept])).T
