"""Improved precision and recall  (Kynkaanniemi et al. 2019, arXiv 1904.06991).

A set's manifold is the union of balls around its members phi, each as wide as the distance to the member's k-th nearest
neighbour within the set, itself not counted:

    f(psi, Phi) = 1 if |psi - phi| <= |phi - NN_k(phi, Phi)| for some phi in Phi, else 0    (eq. 1)
    precision   = mean of f(psi, real) over psi made,    recall = mean of f(phi, made) over phi real    (eq. 2)

Precision falls where images are made that resemble no real one, recall where real ones are left out. Both depend on the
sizes of the sets and on k: compare only numbers from alike ones.

Distances come from matrix products, |x|^2 + |y|^2 - 2 x.y, a block at a time. That leaves noise in place of small ones,
so pairs much nearer to each other than to the centre are taken again from their difference: duplicates are at 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from gdm_jax.metrics.checks import check_finite

PAIRS = 10**7  # squared distances held at a time, 80 MB
CLOSE = 1e-3  # |x - y|^2 below this share of |x|^2 + |y|^2 is computed again
RIM = 1e-9  # relative width of a ball's edge, which is inside; above the rounding left


class PrecisionRecall(NamedTuple):
    """Shares in [0, 1]: of made members that look real, and of real ones that could have been made."""

    precision: float
    recall: float


def precision_recall(real, made, *, neighbours: int = 3) -> PrecisionRecall:
    """Precision and recall of features made `[m, ...]` against real ones `[n, ...]`, trailing axes flattened.

    In float64, at the cost of three products of all pairs; memory grows with the sets, not with their product.

    Args:
      neighbours: k, 3 in the paper.

    Raises:
      ValueError: if neighbours is below one, a set has not more members than that, the features differ in number, or
        values are not finite.

    >>> precision_recall([[0.0], [1.0], [5.0], [6.0]], [[0.5], [1.5], [0.9], [0.1]], neighbours=1)
    PrecisionRecall(precision=1.0, recall=0.5)
    """
    real, made = np.asarray(real, np.float64), np.asarray(made, np.float64)
    if neighbours < 1:
        raise ValueError(f"precision_recall: neighbours must be at least 1, got {neighbours}")
    for name, x in (("real", real), ("made", made)):
        if x.ndim < 2 or x.size == 0:
            raise ValueError(f"precision_recall: {name} must be of shape [n, ...], got {x.shape}")
        if len(x) <= neighbours:
            rule = f"a neighbour of rank {neighbours} needs at least {neighbours + 1} members"
            raise ValueError(f"precision_recall: {rule}, got {len(x)} {name}; add members or lower neighbours")
        check_finite(f"precision_recall: {name}", x)
    real, made = real.reshape(len(real), -1), made.reshape(len(made), -1)
    if real.shape[1] != made.shape[1]:
        sizes = f"{real.shape[1]} and {made.shape[1]}"
        raise ValueError(f"precision_recall: the sets have {sizes} features; they must be alike")
    centre = real.mean(axis=0)
    real, made = real - centre, made - centre
    real_radii, made_radii = (_squared_radii(x, neighbours) * (1 + RIM) for x in (real, made))
    looks_real, reached = np.zeros(len(made), bool), np.zeros(len(real), bool)
    for rows, squared in _squared_distances(real, made):
        looks_real |= (squared <= real_radii[rows, None]).any(axis=0)
        reached[rows] = (squared <= made_radii).any(axis=1)
    return PrecisionRecall(float(looks_real.mean()), float(reached.mean()))


def _squared_radii(x, neighbours):
    """|phi - NN_k(phi)|^2 of each member."""
    radii = np.empty(len(x))
    for rows, squared in _squared_distances(x, x):
        squared[np.arange(len(squared)), np.arange(len(x))[rows]] = np.inf
        radii[rows] = np.partition(squared, neighbours - 1, axis=1)[:, neighbours - 1]
    return radii


def _squared_distances(x, y):
    """Pairs (slice of x's rows, their squared distances to all of y)."""
    lengths, step = (y**2).sum(axis=1), max(1, PAIRS // len(y))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        total = (x[rows] ** 2).sum(axis=1)[:, None] + lengths
        squared = total - 2 * x[rows] @ y.T
        close = squared < CLOSE * total
        for i in np.flatnonzero(close.any(axis=1)):
            squared[i, close[i]] = cdist(x[start + i, None], y[close[i]], "sqeuclidean")[0]
        yield rows, squared
