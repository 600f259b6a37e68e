"""The probe finds a planted band, stays at chance on the others and agrees with scikit-learn used by hand."""

import sys

import numpy as np
import pytest

from gdm_jax.metrics import probe

INDEX = np.arange(16).reshape(4, 4) // 6  # 6, 6 and 4 elements


def planted(n=600, group=1, classes=3, strength=2.0, seed=0):
    """Noise whose elements of one group have a mean that depends on the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    means = strength * rng.normal(size=(classes, 4, 4, 1)) * (INDEX == group)[..., None]
    return rng.normal(size=(n, 4, 4, 1)) + means[labels], labels


@pytest.mark.parametrize("group", range(3))
def test_finds_the_planted_band(group):
    pytest.importorskip("sklearn", reason="the probe's regression is scikit-learn's")
    z, labels = planted(group=group)
    result = probe(z, labels, INDEX)
    others = np.arange(3) != group
    assert result.chance == pytest.approx(np.bincount(labels).max() / 600)
    assert result.accuracy[group] > 0.9 and result.accuracy_all > 0.9
    # Chance for three equal classes spreads by sqrt(p (1 - p) / n) = 0.019.
    np.testing.assert_allclose(result.accuracy[others], result.chance, atol=4 * 0.02)
    assert (result.error < 0.05).all() and 0 < result.error_all < 0.05


def test_against_the_regression_by_hand():
    """One fold at a time, and indifferent to each element's scale and place."""
    linear_model = pytest.importorskip("sklearn.linear_model", reason="the probe's regression is scikit-learn's")
    from sklearn.model_selection import StratifiedKFold

    z, labels = planted(200, strength=0.5, seed=1)
    scores = []
    for train, test in StratifiedKFold(4, shuffle=True, random_state=7).split(z, labels):
        x = z[:, INDEX == 1, 0]
        x = (x - x[train].mean(0)) / x[train].std(0)
        fitted = linear_model.LogisticRegression(max_iter=1000).fit(x[train], labels[train])
        scores.append((fitted.predict(x[test]) == labels[test]).mean())
    result = probe(z, labels, INDEX, folds=4, seed=7)
    assert result.accuracy[1] == pytest.approx(np.mean(scores), abs=0.006)
    assert result.error[1] == pytest.approx(np.std(scores, ddof=1) / 2, abs=0.006)
    moved = probe(z * 1000 + 5, labels, INDEX, folds=4, seed=7)
    np.testing.assert_allclose(moved.accuracy, result.accuracy, atol=0.006)


def test_names_serve_as_labels():
    pytest.importorskip("sklearn", reason="the probe's regression is scikit-learn's")
    z, labels = planted(150)
    named, numbered = (probe(z, y, INDEX, folds=3) for y in (np.array(["a", "b", "c"])[labels], labels))
    np.testing.assert_array_equal(named.accuracy, numbered.accuracy)


@pytest.mark.parametrize(
    "labels, options, message",
    [
        (np.zeros(19, int), {}, r"20 members need labels of shape \(20,\)"),
        (np.zeros(20, int), {}, "at least two classes"),
        (np.linspace(0, 1, 20), {}, "give integers"),
        (np.arange(20) // 17, {}, "class 1 has 3 members"),
        (np.arange(20) % 2, {"folds": 1}, "at least 2"),
    ],
)
def test_bad_labels(labels, options, message):
    with pytest.raises(ValueError, match=message):
        probe(np.zeros((20, 4, 4, 1)), labels, INDEX, **options)


def test_bad_latents():
    with pytest.raises(ValueError, match="20 of 20 members hold NaN"):
        probe(np.full((20, 4, 4, 1), np.nan), np.arange(20) % 2, INDEX)
    with pytest.raises(ValueError, match="does not fit"):
        probe(np.zeros((20, 4, 4, 1)), np.arange(20) % 2, np.zeros((5, 5), int))


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(ImportError, match=r'pip install "gdm-jax\[eval\]"'):
        probe(np.zeros((20, 4, 4, 1)), np.arange(20) % 2, INDEX)
