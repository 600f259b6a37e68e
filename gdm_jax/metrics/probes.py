"""Attribute probes: which band of the latent carries the class?  (Sec. 4.3-4.5 show it by eye.)

The held-out accuracy of a multinomial logistic regression from the elements of one group to the label, beside that of
all elements together and the chance level. Linear and regularised (L2, unit strength, elements standardised), so what
it finds is there to be read off; what it misses may still be there in another form.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gdm_jax.metrics.checks import check_labels, flatten


class Probe(NamedTuple):
    """Accuracies over held-out folds, in [0, 1].

    Attributes:
      accuracy: `[k]`, from each group alone.
      error: `[k]`, the standard error of its mean over folds.
      accuracy_all, error_all: from all elements together.
      chance: what always naming the most frequent class scores.
    """

    accuracy: np.ndarray
    error: np.ndarray
    accuracy_all: float
    error_all: float
    chance: float


def probe(z_bar, labels, index, *, folds: int = 5, seed: int = 0) -> Probe:
    """How well each group, and all of them, tell the label, by stratified cross-validation.

    Args:
      z_bar: latents in the basis, `[n, *shape]`.
      labels: the class of each, ints or strings `[n]`.
      index: int, the group of each element, broadcast to `shape`; axes it lacks are the last ones (the channels).
      folds: at least two.
      seed: of the division into folds, which is the same for every group.

    Raises:
      ValueError: if z_bar, labels and index do not fit each other, z_bar is not finite, there is but one class, or a
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

    def scores(members):
        regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        split = StratifiedKFold(folds, shuffle=True, random_state=seed)
        each = cross_val_score(regression, z_bar[:, members], labels, cv=split, scoring="accuracy", error_score="raise")
        return each.mean(), each.std(ddof=1) / np.sqrt(folds)

    accuracy, error = np.transpose([scores(groups == j) for j in range(groups.max() + 1)])
    accuracy_all, error_all = scores(slice(None))
    return Probe(accuracy, error, float(accuracy_all), float(error_all), float(counts.max() / len(labels)))
