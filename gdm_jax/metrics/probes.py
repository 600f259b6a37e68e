"""Attribute probes: which band of the latent carries the class?  (Sec. 4.3-4.5 show it by eye.)

A probe is the held-out accuracy of a multinomial logistic regression from the elements of one group to the label. It
stands beside the accuracy from all elements together, and the chance level. The regression is linear and regularised
(L2, unit strength, elements standardised): it finds what can be read off, and may miss what is there in another form.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from gdm_jax.metrics.checks import check_labels, flatten

__all__ = ["Probe", "probe"]


class Probe(NamedTuple):
    """Accuracies over held-out folds, in [0, 1].

    Attributes:
      accuracy: Accuracy from each group alone.
      error: Standard error of its mean over folds.
      accuracy_all: Accuracy from all elements together.
      error_all: Standard error of that.
      chance: Accuracy of always naming the most frequent class.
    """

    accuracy: Float[np.ndarray, " k"]
    error: Float[np.ndarray, " k"]
    accuracy_all: float
    error_all: float
    chance: float


def probe(z_bar: ArrayLike, labels: ArrayLike, index: ArrayLike, *, folds: int = 5, seed: int = 0) -> Probe:
    """How well each group, and all of them, tell the label, by stratified cross-validation.

    Args:
      z_bar: Latents in the basis, `[n, *shape]`.
      labels: Class of each latent, ints or strings `[n]`.
      index: Group of each element, integers that broadcast to `shape`. Axes that it lacks are the last ones.
      folds: Number of folds, at least two.
      seed: Seed of the division into folds, which is the same for every group.

    Raises:
      ValueError: if z_bar, labels and index do not fit each other, z_bar is not finite, there is only one class, or a
        class has fewer members than folds.
      ImportError: if scikit-learn is not installed.
    """
    z_bar, groups = flatten("probe", z_bar, index)
    labels = check_labels("probe", labels, len(z_bar))
    names, counts = np.unique(labels, return_counts=True)
    if not 2 <= folds <= counts.min():
        rarest = f"class {names[counts.argmin()]} has {counts.min()} members"
        raise ValueError(f"probe: folds must be at least 2 and at most the size of every class, got {folds}; {rarest}")
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold, cross_val_score
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise ImportError(f'probe: needs scikit-learn ({error}); pip install "gdm-jax[eval]"') from error

    def scores(members: Any) -> tuple[float, float]:
        regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        split = StratifiedKFold(folds, shuffle=True, random_state=seed)
        options: dict[str, Any] = {"scoring": "accuracy", "error_score": "raise"}
        each = cross_val_score(regression, z_bar[:, members], labels, cv=split, **options)
        return each.mean(), each.std(ddof=1) / np.sqrt(folds)

    accuracy, error = np.array([scores(groups == j) for j in range(groups.max() + 1)]).T
    accuracy_all, error_all = scores(slice(None))
    return Probe(accuracy, error, float(accuracy_all), float(error_all), float(counts.max() / len(labels)))
