"""From a data set's name to a random-access source: `source[numbers]` is {"x": `[n, *shape]`, "label": `[n]`}.

digits       the bundled handwritten digits
mixture2d    the plane's mixture of Gaussians
folder       a folder of images, prepared once at data.shape
             (several of them, with weights, by data.mixture)
any other    a TFDS data set already prepared in data.dir as ArrayRecord, with an "image" feature
"""

from __future__ import annotations

import dataclasses
import pathlib

import jax.numpy as jnp
import numpy as np

from gdm_jax.data.mixture import Mixture


class ImageSource:
    """A TFDS data source of images. One of at most `IN_MEMORY` bytes is read into memory; a larger one stays on disk.

    `source[numbers]` of an int or an array of them is {"x": uint8 `[..., height, width, channel]`, "label": int32
    `[...]`}, as of every source here.
    """

    IN_MEMORY = 2**28

    def __init__(self, records, shape: tuple[int, ...]):
        self.shape = tuple(shape)
        first = records[0]
        if "image" not in first:
            raise ValueError(f"data.name: its examples hold {', '.join(first)}; an 'image' is needed")
        found = np.shape(first["image"])
        if found != self.shape:
            raise ValueError(f"data.shape: the data set's images are {found}, the config says {self.shape}")
        self._records = records
        small = len(records) * np.prod(self.shape) <= self.IN_MEMORY
        self._all = self._read(np.arange(len(records))) if small else None

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
        return {"x": np.stack([record["image"] for record in records]), "label": labels}


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
        self.shape = sources[0].shape
        self.ends = np.cumsum([len(source) for source in sources])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, numbers) -> dict:
        label = np.searchsorted(self.ends, numbers, side="right").astype(np.int32)
        x = np.zeros((*np.shape(numbers), *self.shape), np.uint8)
        for n, part in enumerate(self.parts):
            x[label == n] = part[np.asarray(numbers)[label == n] - (self.ends[n] - len(part))]["x"]
        return {"x": x, "label": label}


def open_source(data):
    """The source that a `config.Data` names, prepared first where that is ours to do.

    Raises:
      ValueError: for an unknown or unprepared data set, a folder that is missing, empty or partly unreadable, or
        images of another shape than data.shape.
    """
    if data.mixture:
        alone = [dataclasses.replace(data, name=name, path=path, mixture=()) for name, path, _ in data.mixture]
        return Several([open_source(one) for one in alone], [weight for *_, weight in data.mixture])
    if data.name == "mixture2d":
        if tuple(data.shape) != Mixture.shape:
            raise ValueError(f"data.shape: mixture2d has shape {Mixture.shape}, got {tuple(data.shape)}")
        return Mixture.default()
    builder = prepare(data)
    try:
        records = builder.as_data_source(split=data.split)
    except (ValueError, KeyError, AssertionError):
        known = ", ".join(builder.info.splits)
        raise ValueError(
            f"data.split: {data.name} has {known}, or a part such as {known.split(',')[0]}[:80%], got {data.split!r}"
        ) from None
    return ImageSource(records, data.shape)


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


def to_model_range(x):
    """uint8 pixels 0..255 -> float32 in [-1, 1], x / 127.5 - 1; floating-point data pass unchanged."""
    x = jnp.asarray(x)
    return x.astype(jnp.float32) / 127.5 - 1 if x.dtype == jnp.uint8 else x


def prepare(data):
    """Write the data set as ArrayRecord under data.dir unless it is there; returns its TFDS builder.

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
        try:
            return tfds.builder_from_directory(
                _prepared(data.name, options.get("data_dir", tfds.core.constants.DATA_DIR))
            )
        except FileNotFoundError as error:
            raise ValueError(f"data.name: {error}") from None
    builder.download_and_prepare()
    return builder


def _prepared(name: str, data_dir) -> pathlib.Path:
    """The newest prepared version of a data set, `name` or `name/config`."""
    root = pathlib.Path(data_dir).expanduser() / name
    versions = [path.parent for path in root.glob("*/dataset_info.json")]
    if not versions:
        raise FileNotFoundError(
            f"must be digits, mixture2d, folder, or a data set prepared by TFDS as array_record; none at {root}"
        )
    return max(versions, key=lambda path: [int(n) for n in path.name.split(".") if n.isdigit()])
