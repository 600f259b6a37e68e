"""What an evaluation keeps on disk, so that nothing is computed twice: features, statistics, classifiers."""

from __future__ import annotations

import os
import pathlib
import zipfile
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from gdm_jax import pixels
from gdm_jax._registry import first_line
from gdm_jax.metrics import Classifier, Statistics
from gdm_jax.metrics.checks import FeatureFunction
from gdm_jax.metrics.frechet import check_statistics
from gdm_jax.workdir import files

__all__ = [
    "CHUNK",
    "in_chunks",
    "load_classifier",
    "load_statistics",
    "save",
    "save_classifier",
    "save_statistics",
]

CHUNK = 500  # images a file of features


def in_chunks(
    function: FeatureFunction, images: Callable[[np.ndarray], np.ndarray], count: int, what: str, progress: bool
) -> Float[np.ndarray, "count d"]:
    """Features of `count` images, CHUNK of them at a time.

    Args:
      function: Feature function.
      images: Function from numbers of images to these, bytes or in [-1, 1].
      count: Number of images.
      what: Words beside the bar.
      progress: Whether to show a bar.
    """
    found = []
    with tqdm(total=count, unit=" images", desc=what, disable=not progress) as bar:
        for some in np.split(np.arange(count), range(CHUNK, count, CHUNK)):
            found.append(np.asarray(function(np.asarray(pixels.to_model_range(images(some))))))
            bar.update(len(some))
    return np.concatenate(found)


def save(file: str | os.PathLike, array: np.ndarray) -> None:
    """Write an `.npy`, whole or not at all."""
    with files.whole(file) as out:
        np.save(out, array)


def save_classifier(file: str | os.PathLike, classifier: Classifier) -> None:
    """Write it as an `.npz` of plain arrays, whole or not at all."""
    layers = [*classifier.params["convolutions"], classifier.params["hidden"], classifier.params["out"]]
    arrays = {f"{name}_{n}": layer[name] for n, layer in enumerate(layers) for name in ("kernel", "bias")}
    with files.whole(file) as out:
        np.savez(out, shape=classifier.shape, **arrays)


def load_classifier(file: str | os.PathLike) -> Classifier:
    """The inverse of `save_classifier`. Raises ValueError if the file is not of that kind."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        layers = [{name: arrays[f"{name}_{n}"] for name in ("kernel", "bias")} for n in range((len(arrays) - 1) // 2)]
        *convolutions, hidden, out = layers
        height, width, channel = arrays["shape"].tolist()
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"classifier: {str(file)!r} is not a saved classifier ({error})") from error
    params = {"convolutions": convolutions, "hidden": hidden, "out": out}
    return Classifier(params, (height, width, channel), len(out["bias"]))


def save_statistics(path: str | os.PathLike, stats: Statistics) -> None:
    """Write an `.npz` of arrays `mu` and `sigma`, and `count` where it is known, to exactly this path.

    The file is written whole or not at all.

    Raises:
      ValueError: if stats is not `Statistics` such as `frechet_distance` takes.
    """
    if not isinstance(stats, Statistics):
        got = type(stats).__name__
        raise ValueError(f"save_statistics: needs Statistics, got {got}; statistics(features) makes them")
    checked = check_statistics("save_statistics", stats)._asdict()
    known = {name: value for name, value in checked.items() if value is not None}
    with files.whole(path) as out:  # a name would be given the suffix .npz
        np.savez(out, **known)


def load_statistics(path: str | os.PathLike) -> Statistics:
    """Read what `save_statistics` wrote, or a public file of FID statistics: an `.npz` with arrays `mu` and `sigma`.

    Nothing in the file is executed.

    Raises:
      ValueError: if there is no such file, it is no `.npz`, or its arrays are missing, misshapen or not finite.
    """
    path = pathlib.Path(path)
    name = f"load_statistics: {path}"
    if not path.is_file():
        raise ValueError(f"{name} is not a file; save_statistics writes one")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{name} is not an .npz archive; pass one with arrays mu and sigma")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in Statistics._fields if key in file}
    except Exception as error:  # whatever a damaged archive raises
        raise ValueError(f"{name} can not be read ({first_line(error)})") from error
    if not {"mu", "sigma"} <= set(arrays):
        raise ValueError(f"{name} has no arrays mu and sigma; pass the .npz of an FID's statistics")
    count = arrays.pop("count", None)
    if count is not None:
        if np.shape(count) != () or count.dtype.kind not in "iu":
            raise ValueError(f"{name}: count must be one integer, got {count.dtype} of shape {count.shape}")
        count = int(count)
    return check_statistics(name, Statistics(**arrays, count=count))
