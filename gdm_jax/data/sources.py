"""From a data set's name to a random-access source: `source[numbers]` is {"x": `[n, *shape]`, "label": `[n]`}.

digits       the bundled handwritten digits
mixture2d    the plane's mixture of Gaussians
folder       a folder of images, prepared once at data.shape
             (several of them, with weights, by data.mixture)
any other    a TFDS data set already prepared in data.dir as ArrayRecord, with an "image" feature
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib

import jax.numpy as jnp
import numpy as np

from gdm_jax import errors
from gdm_jax.data.mixture import Mixture


class ImageSource:
    """A TFDS data source of images. One of at most `IN_MEMORY` bytes is read into memory; a larger one stays on disk.

    `source[numbers]` of an int or an array of them is {"x": `[..., height, width, channel]`, "label": int32 `[...]`},
    as of every source here; x is uint8, uint16, or floats in [-1, 1].

    Attributes:
      shape: of an example.
      classes: how many classes its labels name, or None where that is not known.
    """

    IN_MEMORY = 2**28

    def __init__(self, records, shape: tuple[int, ...], classes: int | None = None):
        self.shape, self.classes = tuple(shape), classes
        first = records[0]
        if "image" not in first:
            raise ValueError(f"data.name: its examples hold {', '.join(first)}; an 'image' is needed")
        found = np.shape(first["image"])
        if found != self.shape:
            raise ValueError(f"data.shape: the data set's images are {found}, the config says {self.shape}")
        self._records = records
        small = len(records) * np.asarray(first["image"]).nbytes <= self.IN_MEMORY
        self._read(np.arange(1))  # refuse what to_model_range does not know
        self._all = self._read(np.arange(len(records))) if small else None
        if small:
            self.classes = int(self._all["label"].max()) + 1

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, numbers) -> dict:
        if self._all:
            return {name: values[numbers] for name, values in self._all.items()}
        read = self._read(np.atleast_1d(numbers))
        return {name: values.reshape(*np.shape(numbers), *values.shape[1:]) for name, values in read.items()}

    def _read(self, numbers) -> dict:
        records = self._records.__getitems__(numbers.tolist())
        labels = np.array([record.get("label", 0) for record in records], np.int32)
        x = np.stack([record["image"] for record in records])
        if np.issubdtype(x.dtype, np.floating):
            if not np.abs(x).max() <= 1:
                found = f"some from {x.min():g} to {x.max():g}"
                raise ValueError(f"data.name: its images must be floats in [-1, 1], got {found}")
            x = x.astype(np.float32)
        elif x.dtype not in LEVELS:
            raise ValueError(f"data.name: its images must be uint8, uint16 or floats in [-1, 1], got {x.dtype}")
        return {"x": x, "label": labels}


class Several:
    """Some sources one after another; an example's label is the number of its source.

    Attributes:
      parts: the sources.
      weights: `[sources]`, shares of a training batch that they take, by `stream`.
      ends: `[sources]`, the numbers after the last of each source.
    """

    def __init__(self, sources, weights):
        self.parts = list(sources)
        self.weights = np.asarray(weights, np.float64) / np.sum(weights)
        self.shape, self.classes = sources[0].shape, len(sources)
        self.ends = np.cumsum([len(source) for source in sources])
        kinds = {source[0]["x"].dtype for source in sources}
        if len(kinds) > 1:
            raise ValueError(f"data.mixture: must hold images of one type, got {' and '.join(map(str, kinds))}")
        self.dtype = kinds.pop()

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, numbers) -> dict:
        label = np.searchsorted(self.ends, numbers, side="right").astype(np.int32)
        x = np.zeros((*np.shape(numbers), *self.shape), self.dtype)
        for n, part in enumerate(self.parts):
            x[label == n] = part[np.asarray(numbers)[label == n] - (self.ends[n] - len(part))]["x"]
        return {"x": x, "label": label}


def open_source(data, *, write: bool = True):
    """The source that a `config.Data` names, prepared first where that is ours to do.

    Args:
      data: a `config.Data`.
      write: whether a data set that is not prepared may be written to data.dir. A config that came with a model does
        not choose where we write: for it, only TFDS's own folder is written to.

    Raises:
      ValueError: for an unknown or unprepared data set, a folder that is missing, empty or partly unreadable, or
        images of another shape than data.shape, or of a type or a range that are not known.
    """
    if data.mixture:
        alone = [dataclasses.replace(data, name=name, path=path, mixture=()) for name, path, _ in data.mixture]
        return Several([open_source(one, write=write) for one in alone], [weight for *_, weight in data.mixture])
    if data.name == "mixture2d":
        if tuple(data.shape) != Mixture.shape:
            raise ValueError(f"data.shape: mixture2d has shape {Mixture.shape}, got {tuple(data.shape)}")
        return Mixture.default()
    builder = prepare(data, write=write)
    try:
        records = builder.as_data_source(split=data.split)
    except (ValueError, KeyError, AssertionError):
        known = ", ".join(builder.info.splits)
        raise ValueError(
            f"data.split: {data.name} has {known}, or a part such as {known.split(',')[0]}[:80%], got {data.split!r}"
        ) from None
    features = builder.info.features
    classes = getattr(features["label"], "num_classes", None) if "label" in features else 1
    return ImageSource(records, data.shape, classes)


def examples(source, numbers) -> tuple[np.ndarray, np.ndarray]:
    """Some examples of a source: x `[n, *shape]` in the model's range and labels `[n]`."""
    chosen = source[np.asarray(numbers)]
    return np.asarray(to_model_range(chosen["x"])), chosen["label"]


def spread(count: int, total: int) -> np.ndarray:
    """`count` numbers, or all, spread evenly over 0 ... total - 1.

    >>> spread(3, 9).tolist(), spread(3, 2).tolist()
    ([0, 4, 8], [0, 1])
    """
    return np.linspace(0, total - 1, min(count, total)).astype(int)


LEVELS = {np.dtype(np.uint8): 2**8, np.dtype(np.uint16): 2**16}  # that a pixel of a type has


def to_model_range(x):
    """Pixels -> float32 in [-1, 1]: uint8 by x / 127.5 - 1, uint16 by x / 32767.5 - 1; floats pass unchanged.

    Raises:
      ValueError: for another type, which does not say what is black and what is white.
    """
    x = jnp.asarray(x)
    if np.dtype(x.dtype) in LEVELS:
        return x.astype(jnp.float32) / ((LEVELS[np.dtype(x.dtype)] - 1) / 2) - 1
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"data: values must be uint8, uint16 or floats in [-1, 1], got {x.dtype}")
    return x


def fingerprint(source) -> str:
    """What a data set is, wherever it lies: its length and its examples, of a large one as many as take 256 MiB."""
    seen = hashlib.sha256(str(len(source)).encode())
    numbers = spread(2**28 // source[0]["x"].nbytes, len(source))
    for start in range(0, len(numbers), 4096):
        some = source[numbers[start : start + 4096]]
        for name in ("x", "label"):
            seen.update(np.ascontiguousarray(some[name]).tobytes())
    return seen.hexdigest()[:12]


def prepare(data, *, write: bool = True):
    """Write the data set as ArrayRecord under data.dir unless it is there; returns its TFDS builder.

    Arguments as `open_source`.

    Raises:
      ValueError: as `open_source`.
    """
    import tensorflow_datasets as tfds

    from gdm_jax.data import builders

    options = {"data_dir": str(pathlib.Path(data.dir).expanduser())} if data.dir else {}
    if data.name == "digits":
        builder = builders.ScikitDigits(file_format="array_record", **options)
    elif data.name == "folder":
        if len(data.shape) != 3:
            raise ValueError(f"data.shape: images need (height, width, channel), got {tuple(data.shape)}")
        builder = builders.ImageFolder(
            path=data.path,
            shape=tuple(data.shape),
            skip_unreadable=data.skip_unreadable,
            file_format="array_record",
            **options,
        )
    else:
        folder = _prepared(data.name, options.get("data_dir", tfds.core.constants.DATA_DIR))
        _check_features(folder / "features.json")
        return tfds.builder_from_directory(folder)
    if (builder.data_path / "features.json").exists():
        _check_features(builder.data_path / "features.json")
    elif data.dir and not write:
        raise ValueError(
            f"data.dir: {data.dir!r} holds no prepared {data.name!r}; gdm prepare --config FILE prepares it"
        )
    builder.download_and_prepare()
    return builder


def _prepared(name: str, data_dir) -> pathlib.Path:
    """The newest prepared version of a data set, `name` or `name/config`."""
    if pathlib.PurePath(name).is_absolute() or not set(name.split("/")).isdisjoint({"", ".", ".."}):
        raise ValueError(f"data.name: must be the name of a data set or NAME/CONFIG, got {name!r}")
    root = pathlib.Path(data_dir).expanduser() / name
    versions = [path.parent for path in root.glob("*/dataset_info.json")]
    if not versions:
        raise ValueError(
            "data.name: must be digits, mixture2d, folder, or a data set prepared by TFDS as array_record; none at "
            f"{root}"
        )
    return max(versions, key=lambda path: [int(n) for n in path.name.split(".") if n.isdigit()])


def _check_features(path: pathlib.Path) -> None:
    """Raises ValueError where a prepared data set names classes that are not TFDS's own, which TFDS would import."""

    def names(part):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
            if key in ("type", "pythonClassName", "python_class_name"):
                yield value
            yield from names(value)

    try:
        found = list(names(json.loads(path.read_text())))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"data.dir: {str(path)!r} cannot be read ({errors.first_line(error)})") from None
    for name in found:
        if "." in str(name) and not str(name).startswith("tensorflow_datasets.core.features."):
            raise ValueError(f"data.dir: {str(path)!r} names {name!r}, which is not TFDS's own; it is not loaded")
