"""A metric and judging features of one's own, entered in their tables from outside the package."""

import json

import numpy as np
import pytest

from gdm_jax import evaluation, metrics
from gdm_jax.model import load


def halves(images):
    """Mean brightness of the upper and of the lower half of each image."""
    return np.stack([half.mean((1, 2, 3)) for half in np.split(images, 2, axis=1)], -1)


def brighter(made, real):
    """How much brighter samples are than real examples."""
    return made.mean() - real.mean()


def judged(model, folder, **options):
    return evaluation.judge(model.config.data, "halves", folder, **options)


def test_a_metric_and_features_of_ones_own(run, tmp_path, monkeypatch):
    monkeypatch.setitem(metrics.FEATURES, "halves", lambda: halves)
    monkeypatch.setitem(metrics.MEASURES, "brighter", brighter)
    model = load(run[0])
    judge = judged(model, tmp_path / "judges")
    found = evaluation.evaluate(model, judge, tmp_path, count=40)
    assert list(found.measures) == ["frechet", "precision", "recall", "brighter"]
    x = np.rint((np.clip(model.sample(40), -1, 1) + 1) * 127.5) / 127.5 - 1
    real = judge.members[np.linspace(0, len(judge.members) - 1, 40).astype(int)]
    assert found.measures["brighter"].mean == pytest.approx(halves(x).mean() - real.mean(), abs=1e-5)
    assert found.frechet.mean == pytest.approx(metrics.frechet_distance(halves(x), judge.real), rel=1e-4)
    written = json.loads(next(tmp_path.rglob("40x1from0-*.json")).read_text())
    assert written["brighter"]["mean"] == found.measures["brighter"].mean


def test_features_are_known_by_what_they_do(run, tmp_path, monkeypatch):
    """Those of one name that do something else have another name in the record, and share no file."""
    judges = []
    for function in (halves, lambda images: 2 * halves(images), halves):
        monkeypatch.setitem(metrics.FEATURES, "halves", lambda function=function: function)
        judges.append(judged(load(run[0]), tmp_path))
    names = [judge.name for judge in judges]
    assert names[0] == names[2] != names[1] and all(name.startswith("halves ") for name in names)
    np.testing.assert_allclose(judges[1].real.mu, 2 * judges[0].real.mu, rtol=1e-5)
    assert len(list(tmp_path.glob("reference-*.npz"))) == 2


def test_features_fitted_to_the_data_and_a_head(run, tmp_path, monkeypatch):
    """An entry that takes images and labels is given them; what has a head says what samples look like."""
    seen = []

    class Nearest:
        """The distances from each class's mean image, squared and less than zero."""

        def __init__(self, images, labels):
            seen.append((images.shape, labels.shape))
            self.means = np.stack([images[labels == j].mean(0) for j in range(10)])

        def __call__(self, images):
            return -np.square(images[:, None] - self.means).sum((2, 3, 4))

        def head(self, features):
            return np.exp(features - np.logaddexp.reduce(features, axis=-1, keepdims=True))

    monkeypatch.setitem(metrics.FEATURES, "halves", lambda images, labels: Nearest(images, labels))
    model = load(run[0])
    found = evaluation.evaluate(model, judged(model, tmp_path / "judges"), tmp_path, count=40)
    assert seen == [((1797, 8, 8, 1), (1797,))]
    assert list(found.measures) == ["frechet", "precision", "recall", "confident"]


def test_a_metric_is_left_out_where_what_it_takes_is_not_known(run, tmp_path, monkeypatch):
    monkeypatch.setitem(metrics.MEASURES, "surest", lambda probabilities: {}["no classifier, no call"])

    def two(made, real, *, weight=2.0):
        return metrics.PrecisionRecall(weight, len(real))

    monkeypatch.setitem(metrics.MEASURES, "two", two)
    monkeypatch.delitem(metrics.MEASURES, "precision_recall")
    model = load(run[0])
    found = evaluation.evaluate(model, evaluation.judge(model.config.data, "pixels", tmp_path), tmp_path, count=70)
    means = {name: one.mean for name, one in found.measures.items()}
    assert means == {"frechet": found.frechet.mean, "precision": 2, "recall": 70}
    monkeypatch.setitem(metrics.MEASURES, "mine", lambda images, made: 0.0)
    rule = "'mine' takes images; an evaluation knows made, reference, real, neighbours, probabilities, told"
    with pytest.raises(ValueError, match=f"^measures: {rule}$"):
        evaluation.check(model, 40, 1)


def test_what_there_is_may_do():
    """Inception's features are those of the FID, VGG-19's those of perceptual variance; others may do either."""
    assert list(metrics.features_for("samples")) == ["inception", "efficientnet", "classifier", "pixels"]
    assert list(metrics.features_for("perception")) == ["efficientnet", "classifier", "pixels", "vgg19"]
    with pytest.raises(ValueError, match="^features: must be one of .*, pixels, vgg19, got 'inception'"):
        metrics.make_features("inception", "perception")
