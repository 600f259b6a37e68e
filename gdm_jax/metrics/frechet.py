"""The Frechet distance between Gaussians fitted to two sets of feature vectors  (Dowson & Landau 1982).

    |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^{1/2})

With Inception features it is the FID; with an image's own pixels, a distance in pixel space.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg


def frechet_distance(a, b) -> float:
    """Distance between the sets a `[n, ...]` and b `[m, ...]`, trailing axes flattened, in float64.

    The square root's trace is taken as the nuclear norm of S_1^{1/2} S_2^{1/2}, which stays exact where a covariance
    is singular. Covariances divide by n - 1.

    Raises:
      ValueError: if a set has fewer than two members or the features differ in number.
    """
    a, b = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (a, b))
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"frechet: the sets have {a.shape[1]} and {b.shape[1]} features; they must be alike")
    if min(len(a), len(b)) < 2:
        raise ValueError(f"frechet: a covariance needs at least two members, got {len(a)} and {len(b)}")
    factors = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b)]
    roots = [scipy.linalg.svd(factor, full_matrices=False)[1:] for factor in factors]
    products = [singular[:, None] * right for singular, right in roots]
    cross = scipy.linalg.svd(products[0] @ products[1].T, compute_uv=False).sum()
    spread = sum((factor**2).sum() for factor in factors)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + spread - 2 * cross)
