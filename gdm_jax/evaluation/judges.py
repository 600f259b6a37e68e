"""What samples are held against: real data as seen through a feature function."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from gdm_jax import config as configs
from gdm_jax import data, metrics
from gdm_jax._registry import choose, takes
from gdm_jax.evaluation import cache, provenance
from gdm_jax.evaluation.cache import in_chunks, save
from gdm_jax.metrics import Statistics
from gdm_jax.metrics.checks import FeatureFunction

__all__ = ["Classifies", "Judge", "floor", "judge"]

MOST_FEATURES = 4096  # a covariance of 128 MiB


@runtime_checkable
class Classifies(Protocol):
    """Features from which classes can be told, such as those of a `metrics.Classifier`."""

    def head(self, features: np.ndarray) -> np.ndarray:
        """Features `[n, d]` -> the probability of every class, `[n, classes]`."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """What samples are held against: real data as seen through a feature function.

    Attributes:
      name: Name of the features. A distance depends on it and on `about`.
      features: Feature function, images in [-1, 1] -> `[n, d]`.
      real: Mean and covariance of the features of real data.
      about: Where `real` is from, for the record.
      members: Features of some real examples, for precision and recall. None where only statistics are known.
      classifier: What tells classes from these features, or None where nothing does.
    """

    name: str
    features: FeatureFunction
    real: Statistics
    about: dict
    members: Float[np.ndarray, "m d"] | None = None
    classifier: Classifies | None = None


def judge(
    settings: configs.Data,
    features: str,
    folder: str | os.PathLike,
    *,
    split: str = "",
    weights: str | os.PathLike | None = None,
    reference: str | os.PathLike | None = None,
    members: int = 10_000,
    write: bool = False,
    progress: bool = False,
) -> Judge:
    """The judge of a data set, kept in `folder` and made only once.

    Args:
      settings: Data set, which is of images.
      features: A name of `metrics.features_for("samples")`. "classifier" is fitted to the data and their labels.
      folder: Folder for the classifier, and for the statistics as an `.npz` with `mu` and `sigma`.
      split: Split that samples are held against. By default it is the split trained on; a classifier is always fitted
        to that one.
      weights: File of weights, for features that take one.
      reference: Statistics to hold samples against instead of the data set's, an `.npz` with `mu` and `sigma`.
      members: Number of real examples, spread evenly over the set, whose features are kept for precision and recall.
      write: Whether a data set may be prepared in data.dir, as in `gdm_jax.data.open_source`. A config that came with
        a model may not do that.
      progress: Whether to show a bar.

    Raises:
      ValueError: if the features are unknown or too many, a classifier's data have no labels, the data are vectors, or
        they are a mixture of data sets and there is no reference.
      ImportError: if the features need a package that is not installed.
      ConnectionError: if weights cannot be downloaded.
    """
    choose(metrics.features_for("samples"), features, "features")
    if len(settings.shape) != 3:
        raise ValueError("evaluate: looks at models of images")
    if settings.mixture and not reference:
        raise ValueError("reference: a mixture of data sets is no one set to be held against; pass statistics")
    known = cache.load_statistics(reference) if reference else None
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    @functools.cache
    def opened(settings: configs.Data) -> tuple[data.Source, str]:
        source = data.open_source(settings, write=write)
        return source, data.fingerprint(source)

    def made() -> FeatureFunction:
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
    mark = _MARKS.get(features, lambda function, weights: provenance.fingerprint(function))(function, weights)
    name = f"{features} {mark}".rstrip()
    classifier: Any = function if hasattr(function, "head") else None
    if known is not None:
        return Judge(name, function, known, {"file": str(reference)}, None, classifier)

    held = dataclasses.replace(settings, split=split or settings.split)
    source, mark = opened(held)
    about = {"data": held.name, "path": held.path, "split": held.split, "print": mark}
    key = provenance.digest([name, mark, members])
    statistics, some = folder / f"reference-{key}.npz", folder / f"reference-{key}.npy"
    if not (statistics.is_file() and some.is_file()):
        seen = in_chunks(function, lambda some: source[some]["x"], len(source), f"{features} of data", progress)
        save(some, seen[data.spread(members, len(seen))])
        cache.save_statistics(statistics, metrics.statistics(seen))
    real = cache.load_statistics(statistics)
    return Judge(name, function, real, about, np.load(some, allow_pickle=False), classifier)


@functools.lru_cache
def floor(judge: Judge, count: int) -> float:
    """The score of `count` fresh samples from the data distribution.

    It is the bias of a finite sample, to leading order proportional to 1/n + 1/m for sets of n and m. It is measured
    between two random parts of the real members, and carried over to `count` samples and all of the real data.
    """
    if judge.members is None:
        raise ValueError("floor: needs the features of real examples, and this judge knows only their statistics")
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


def _classifier(made: Callable[[], Any], file: pathlib.Path) -> metrics.Classifier:
    if not file.is_file():
        cache.save_classifier(file, made())
    return cache.load_classifier(file)  # as read, so that the first use and the next are the same


def _weights(weights: str | os.PathLike | None) -> str:
    """The first eight digits of the SHA-256 of Inception's file, which the download has in its name."""
    if weights is None or weights == "random":
        return "random" if weights else "6726825d"
    with open(weights, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


_MARKS = {  # what tells features from others of their name; those of your own are known by their code and arrays
    "inception": lambda function, weights: _weights(weights),
    "efficientnet": lambda function, weights: "57934424",  # there is only one file
    "classifier": lambda function, weights: provenance.fingerprint(function.params),
    "pixels": lambda function, weights: "",
}
