"""What samples are held against: real data as seen through a feature function."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Callable

import numpy as np

from gdm_jax import data, metrics
from gdm_jax._tables import choose, takes
from gdm_jax.evaluation import kept, record
from gdm_jax.evaluation.kept import in_chunks, save
from gdm_jax.metrics import Statistics

MOST_FEATURES = 4096  # a covariance of 128 MiB


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """What samples are held against: real data as seen through a feature function.

    Attributes:
      name: of the features; with `about`, what a distance depends on.
      features: images `[n, h, w, c]` in [-1, 1] -> `[n, d]`.
      real: mean and covariance of the features of real data.
      about: where `real` is from, for the record.
      members: features `[m, d]` of some real examples, for precision and recall; None where only statistics are known.
      classifier: the one whose features these are, or None; it also says how sure it is of each sample.
    """

    name: str
    features: Callable
    real: Statistics
    about: dict
    members: np.ndarray | None = None
    classifier: metrics.Classifier | None = None


def judge(
    settings,
    features: str,
    folder,
    *,
    split: str = "",
    weights=None,
    reference=None,
    members: int = 10_000,
    write: bool = False,
    progress: bool = False,
) -> Judge:
    """The judge of a data set, kept in `folder` and made only once.

    Args:
      settings: a `config.Data` of images.
      features: A name of `metrics.features_for("samples")`. "classifier" is fitted to the data and their labels.
      folder: for the classifier, and for the statistics as an `.npz` with `mu` and `sigma`.
      split: of the data to hold samples against; the one trained on by default, to which a classifier is fitted.
      weights: of Inception, a path.
      reference: an `.npz` with `mu` and `sigma` of the features to hold samples against, instead of the data set's.
      members: real examples, spread evenly over the set, whose features are kept for precision and recall.
      write: as `gdm_jax.data.open_source`, whose default a config that came with a model does not get.
      progress: show a bar.

    Raises:
      ValueError: unknown features, data without labels for "classifier", vectors, too many features of an image, or
        a mixture of data sets without a reference.
      ImportError, ConnectionError: see `metrics.inception`.
    """
    choose(metrics.features_for("samples"), features, "features")
    if len(settings.shape) != 3:
        raise ValueError("evaluate: looks at models of images")
    if settings.mixture and not reference:
        raise ValueError("reference: a mixture of data sets is no one set to be held against; pass statistics")
    known = kept.load_statistics(reference) if reference else None
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    @functools.cache
    def opened(settings):
        source = data.open_source(settings, write=write)
        return source, data.fingerprint(source)

    def made():
        return metrics.make_features(
            features, "samples", lambda: _to_fit(features, opened(settings)[0]), weights=weights, progress=progress
        )

    if metrics.FEATURES[features] is metrics.fit_classifier:
        function = _classifier(made, folder / f"classifier-{opened(settings)[1]}.npz")
    else:
        function = made()
    width = function(np.zeros((1, *settings.shape), np.float32)).shape[-1]
    if width > MOST_FEATURES:
        rule = f"a covariance takes at most {MOST_FEATURES:,}; pass inception"
        raise ValueError(f"features: {features} are {width:,} values of an image, and {rule}")
    mark = _MARKS.get(features, lambda function, weights: record.fingerprint(function))(function, weights)
    name = f"{features} {mark}".rstrip()
    classifier = function if hasattr(function, "head") else None
    if reference:
        return Judge(name, function, known, {"file": str(reference)}, None, classifier)
    held = dataclasses.replace(settings, split=split or settings.split)
    source, mark = opened(held)
    about = {"data": held.name, "path": held.path, "split": held.split, "print": mark}
    key = record.digest([name, mark, members])
    statistics, some = folder / f"reference-{key}.npz", folder / f"reference-{key}.npy"
    if not (statistics.is_file() and some.is_file()):
        seen = in_chunks(function, lambda some: source[some]["x"], len(source), f"{features} of data", progress)
        save(some, seen[data.spread(members, len(seen))])
        kept.save_statistics(statistics, metrics.statistics(seen))
    real = kept.load_statistics(statistics)
    return Judge(name, function, real, about, np.load(some, allow_pickle=False), classifier)


@functools.lru_cache
def floor(judge: Judge, count: int) -> float:
    """What `count` new draws of the data's own law would score.

    That is the bias of a finite sample, to leading order proportional to 1/n + 1/m for sets of n and m; measured
    between two random parts of the real members and carried over to `count` samples and all of the real data.
    """
    order = np.random.default_rng(0).permutation(len(judge.members))
    cut = min(count, len(order) // 2)
    apart = metrics.frechet_distance(judge.members[order[:cut]], judge.members[order[cut:]])
    real = judge.real.count or np.inf
    return apart * (1 / count + 1 / real) / (1 / cut + 1 / (len(order) - cut))


def _to_fit(features: str, source: data.Source) -> dict:
    """What features are fitted to: all examples of a data set, and steps that suit their number."""
    x, label = data.examples(source, range(len(source)))
    if "labels" in takes(metrics.FEATURES[features]) and label.max() < 1:
        raise ValueError(f"features: {features} needs labelled data (a folder a class); pass pixels or inception")
    return {"images": x, "labels": label, "steps": int(np.clip(10 * len(x) / 64, 600, 6_000))}


def _classifier(made: Callable, file: pathlib.Path) -> metrics.Classifier:
    if not file.is_file():
        kept.save_classifier(file, made())
    return kept.load_classifier(file)  # as read, so that the first use and the next are the same


def _weights(weights) -> str:
    """Of Inception, the first eight digits of the file's SHA-256, which the download has in its name."""
    if weights in (None, "random"):
        return weights or "6726825d"
    with open(weights, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


_MARKS = {  # what tells features from others of their name; those of your own are known by their code and arrays
    "inception": lambda function, weights: _weights(weights),
    "classifier": lambda function, weights: record.fingerprint(function.params),
    "pixels": lambda function, weights: "",
}
