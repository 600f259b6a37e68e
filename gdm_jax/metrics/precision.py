"""Improved precision and recall  (Kynkaanniemi et al. 2019, arXiv 1904.06991).

A set's manifold is the union of balls around its members phi, each as wide as the distance to the member's k-th nearest
neighbour within the set, itself not counted:

    f(psi, Phi) = 1 if |psi - phi| <= |phi - NN_k(phi, Phi)| for some phi in Phi, else 0    (eq. 1)
    precision   = mean of f(psi, real) over psi made,    recall = mean of f(phi, made) over phi real    (eq. 2)

Precision falls where images are made that resemble no real one, and recall falls where real ones are left out. Both
depend on the sizes of the sets and on k, so only numbers of the same sizes and k compare.

Distances come from matrix products, |x|^2 + |y|^2 - 2 x.y, a block at a time. That leaves noise in place of small
distances, so pairs much nearer to each other than to the centre are computed again from their difference. Duplicates
are then at 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from gdm_jax.metrics.checks import check_finite

__all__ = ["PrecisionRecall", "precision_recall"]

PAIRS = 10**7  # squared distances held at a time, 80 MB
CLOSE = 1e-3  # |x - y|^2 below this share of |x|^2 + |y|^2 is computed again
RIM = 1e-9  # relative width of a ball's edge, which is inside; above the rounding left


class PrecisionRecall(NamedTuple):
    """Shares in [0, 1].

    Attributes:
      precision: Share of made members that look real.
      recall: Share of real members that could have been made.
    """

    precision: float
    recall: float


def precision_recall(real: ArrayLike, made: ArrayLike, *, neighbours: int = 3) -> PrecisionRecall:
    """Precision and recall in float64 of made members against real ones.

    The cost is three products of all pairs. Memory grows with the sets, not with their product.

    Args:
      real: Features of real members, `[n, ...]`, whose trailing axes are flattened.
      made: Features of made members, `[m, ...]`.
      neighbours: Rank k of the neighbour that a ball reaches to, 3 in the paper.

    Raises:
      ValueError: if neighbours is below one, a set has not more members than that, the features differ in number, or
        values are not finite.

    >>> precision_recall([[0.0], [1.0], [5.0], [6.0]], [[0.5], [1.5], [0.9], [0.1]], neighbours=1)
    PrecisionRecall(precision=1.0, recall=0.5)
    """
    phi, psi = np.asarray(real, np.float64), np.asarray(made, np.float64)
    if neighbours < 1:
        raise ValueError(f"precision_recall: neighbours must be at least 1, got {neighbours}")
    for name, x in (("real", phi), ("made", psi)):
        if x.ndim < 2 or x.size == 0:
            raise ValueError(f"precision_recall: {name} must be of shape [n, ...], got {x.shape}")
        if len(x) <= neighbours:
            rule = f"a neighbour of rank {neighbours} needs at least {neighbours + 1} members"
            raise ValueError(f"precision_recall: {rule}, got {len(x)} {name}; add members or lower neighbours")
        check_finite(f"precision_recall: {name}", x)
    phi, psi = phi.reshape(len(phi), -1), psi.reshape(len(psi), -1)
    if phi.shape[1] != psi.shape[1]:
        sizes = f"{phi.shape[1]} and {psi.shape[1]}"
        raise ValueError(f"precision_recall: the sets have {sizes} features; they must be alike")
    centre = phi.mean(axis=0)
    phi, psi = phi - centre, psi - centre
    real_radii, made_radii = (_squared_radii(x, neighbours) * (1 + RIM) for x in (phi, psi))
    looks_real, reached = np.zeros(len(psi), bool), np.zeros(len(phi), bool)
    for rows, squared in _squared_distances(phi, psi):
        looks_real |= (squared <= real_radii[rows, None]).any(axis=0)
        reached[rows] = (squared <= made_radii).any(axis=1)
    return PrecisionRecall(float(looks_real.mean()), float(reached.mean()))


def _squared_radii(x: Float[np.ndarray, "n d"], neighbours: int) -> Float64[np.ndarray, " n"]:
    """|phi - NN_k(phi)|^2 of each member."""
    radii = np.empty(len(x))
    for rows, squared in _squared_distances(x, x):
        squared[np.arange(len(squared)), np.arange(len(x))[rows]] = np.inf
        radii[rows] = np.partition(squared, neighbours - 1, axis=1)[:, neighbours - 1]
    return radii


def _squared_distances(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]
) -> Iterator[tuple[slice, Float64[np.ndarray, "some m"]]]:
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
