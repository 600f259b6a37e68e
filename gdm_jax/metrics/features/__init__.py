"""Feature functions: images `[n, height, width, channel]` in [-1, 1] -> `[n, d]`, what an image is judged by.

FEATURES, by name, makes them. Each entry takes what it needs of what is known:

images    images of the data set, `[n, height, width, channel]`, for features that are fitted to them
labels    the class of each, int `[n]`
steps     steps of fitting that suit so many images, where the caller knows
weights   the path of a file, where one is given
progress  whether to show a bar

Any function of that form will do. Features of your own are an entry: `FEATURES["mine"] = lambda: function`. A function
may also have a `head`, features -> `[n, classes]` of probabilities, which tells the class of each image.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from gdm_jax._registry import call, choose, takes
from gdm_jax.metrics.checks import FeatureFunction
from gdm_jax.metrics.features.batches import in_batches, pixels
from gdm_jax.metrics.features.classifier import Classifier, fit_classifier
from gdm_jax.metrics.features.efficientnet import efficientnet
from gdm_jax.metrics.features.inception_v3 import inception
from gdm_jax.metrics.features.vgg import vgg19

__all__ = [
    "FEATURES",
    "Classifier",
    "efficientnet",
    "features_for",
    "fit_classifier",
    "in_batches",
    "inception",
    "make_features",
    "pixels",
    "vgg19",
]

FEATURES: dict[str, Callable[..., FeatureFunction]] = {
    "inception": inception,
    "efficientnet": efficientnet,
    "classifier": fit_classifier,
    "pixels": lambda: pixels,
    "vgg19": vgg19,
}
_ONLY_FOR = {"inception": "samples", "vgg19": "perception"}  # the FID's, and those of Fig. 4a


def features_for(use: str) -> dict[str, Callable[..., FeatureFunction]]:
    """The entries of FEATURES that judge "samples", by distances, or "perception", by variances."""
    return {name: entry for name, entry in FEATURES.items() if _ONLY_FOR.get(name, use) == use}


def make_features(
    name: str,
    use: str,
    data: Callable[[], Mapping] = dict,
    *,
    weights: str | os.PathLike | None = None,
    progress: bool = False,
) -> FeatureFunction:
    """The feature function of a name.

    Args:
      name: A name of FEATURES that is there for the use.
      use: "samples" or "perception".
      data: A function that returns images, labels and steps by name. It is called for fitted features alone.
      weights: A file of weights; None for the entry's own.
      progress: Whether to show a bar.

    Raises:
      ValueError: if there is no such entry.
    """
    entry = choose(features_for(use), name, "features")
    known = {"progress": progress, **({"weights": weights} if weights else {})}
    return call(entry, {**known, **(data() if "images" in takes(entry) else {})})
