"""TFDS builders that write ArrayRecord without TensorFlow: bundled digits and fruits, and any folder of images.

Images are stored as raw uint8 tensors of one size: TFDS's own Image feature needs TensorFlow to encode.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.resources
import json
import os
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import constants

from gdm_jax import _registry
from gdm_jax.data.images import Unreadable, find_images, opened_image, read_image
from gdm_jax.pixels import LEVELS

__all__ = ["FolderConfig", "Fruits", "ImageFolder", "ImageSource", "ScikitDigits", "bundled", "by_name", "folder"]


class ScikitDigits(tfds.core.GeneratorBasedBuilder):
    """The 1,797 handwritten digits that scikit-learn carries: 8x8, with 17 levels of grey spread over 0..255."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return _info(self, (8, 8, 1), [str(digit) for digit in range(10)])

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        from sklearn.datasets import load_digits

        digits: Any = load_digits()
        for i, (image, label) in enumerate(zip(digits.images, digits.target)):
            yield i, {"image": np.rint(image * 255 / 16).astype(np.uint8)[..., None], "label": int(label)}


class Fruits(tfds.core.GeneratorBasedBuilder):
    """Bundled photographs of apples, cherries and tomatoes, 32x32 in colour: 3,968 to train with and 704 to test with.

    They are from Fruits-360 by Mihai Oltean, CC BY-SA 4.0; see fruits/README.md.
    """

    VERSION = tfds.core.Version("1.0.0")
    KINDS = ("apple", "cherry", "tomato")

    def _info(self):
        return _info(self, (32, 32, 3), list(self.KINDS))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in ("train", "test")}

    def _generate_examples(self, split):
        for kind in self.KINDS:
            sheet = importlib.resources.files("gdm_jax.data") / "fruits" / f"{split}-{kind}.jpg"
            with importlib.resources.as_file(sheet) as file, opened_image(file) as opened:
                rows = np.asarray(opened).reshape(-1, 32, 32, 32, 3).swapaxes(1, 2)
            for i, image in enumerate(rows.reshape(-1, 32, 32, 3)):
                yield f"{kind}-{i}", {"image": image, "label": kind}


BUNDLED: dict[str, Any] = {"digits": ScikitDigits, "fruits": Fruits}


@dataclasses.dataclass
class FolderConfig(tfds.core.BuilderConfig):
    """A folder of images, and the shape that they are brought to.

    Attributes:
      path: Folder.
      shape: Shape of an image, (height, width, channel).
      skip_unreadable: Whether files that cannot be read are left out.
    """

    path: str = ""
    shape: tuple[int, ...] = (32, 32, 3)
    skip_unreadable: bool = False


class ImageFolder(tfds.core.GeneratorBasedBuilder):
    """A folder of PNG or JPEG images, which may have a sub-folder for each class."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, path: str, shape: tuple[int, ...], skip_unreadable: bool = False, **options: Any):
        """Looks for the images, whose names and sizes are part of the prepared set's name.

        Raises:
          ValueError: if the folder is missing or holds no image.
        """
        self.files, self.shape, self.skip_unreadable = find_images(path), tuple(shape), skip_unreadable
        self.folder = folder = pathlib.Path(path).expanduser()
        self.classes = sorted({f.parent.relative_to(folder).as_posix() for f in self.files})
        # The name carries what the prepared set depends on, so a changed folder is prepared afresh.
        listing = "".join(f"{f.relative_to(folder)}:{f.stat().st_size}:{f.stat().st_mtime_ns}\n" for f in self.files)
        digest = hashlib.sha256(f"{listing}{skip_unreadable}".encode()).hexdigest()[:8]
        size = "x".join(str(n) for n in shape)
        name = "".join(c if c.isalnum() else "_" for c in folder.name)
        config = FolderConfig(
            name=f"{name}-{size}-{digest}", path=str(folder), shape=self.shape, skip_unreadable=skip_unreadable
        )
        super().__init__(config=config, **options)

    def _info(self):
        return _info(self, self.shape, self.classes)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        unreadable = []
        for file in self.files:
            name = file.relative_to(self.folder)
            try:
                image = read_image(file, self.shape)
            except Unreadable as error:
                unreadable.append(f"{name} ({error})")
                continue
            yield str(name), {"image": image, "label": name.parent.as_posix()}
        if unreadable and (len(unreadable) == len(self.files) or not self.skip_unreadable):
            shown = "; ".join(unreadable[:3]) + ("; ..." if len(unreadable) > 3 else "")
            raise ValueError(
                f"data.path: {len(unreadable)} of {len(self.files)} images cannot be read: {shown}. "
                "Mend or remove them, or set data.skip_unreadable=True"
            )


def _info(builder: Any, shape: tuple[int, ...], classes: list[str]) -> tfds.core.DatasetInfo:
    features = {
        "image": tfds.features.Tensor(shape=shape, dtype=np.uint8),
        "label": tfds.features.ClassLabel(names=classes),
    }
    return tfds.core.DatasetInfo(builder=builder, features=tfds.features.FeaturesDict(features))


class ImageSource:
    """A `Source` of images from a TFDS data source.

    One of at most `IN_MEMORY` bytes is read into memory, and a larger one stays on disk.

    Attributes:
      shape: Shape of an image, (height, width, channel).
      classes: Number of classes that the labels name, or None where that is not known.
    """

    shape: tuple[int, ...]
    classes: int | None

    IN_MEMORY = 2**28

    def __init__(self, records: Any, shape: tuple[int, ...], classes: int | None = None):
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
        if self._all:
            self.classes = int(self._all["label"].max()) + 1

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, numbers: Any) -> dict[str, np.ndarray]:
        if self._all:
            return {name: values[numbers] for name, values in self._all.items()}
        read = self._read(np.atleast_1d(numbers))
        return {name: values.reshape(*np.shape(numbers), *values.shape[1:]) for name, values in read.items()}

    def _read(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
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


def bundled(*, name: str, split: str, shape: tuple[int, ...], dir: str = "", write: bool = True) -> ImageSource:
    """An entry of BUNDLED. Here and below, arguments are fields of `config.Data`, and `write` is of `open_source`."""
    return _opened(_written(BUNDLED[name](**_options(dir)), name, dir, write), name, split, shape)


def folder(
    *,
    name: str,
    path: str,
    split: str,
    shape: tuple[int, ...],
    dir: str = "",
    skip_unreadable: bool = False,
    write: bool = True,
) -> ImageSource:
    """A folder of images, brought to one shape."""
    if len(shape) != 3:
        raise ValueError(f"data.shape: images need (height, width, channel), got {tuple(shape)}")
    builder = ImageFolder(path=path, shape=tuple(shape), skip_unreadable=skip_unreadable, **_options(dir))
    return _opened(_written(builder, name, dir, write), name, split, shape)


def by_name(*, name: str, split: str, shape: tuple[int, ...], dir: str = "", others: Iterable[str] = ()) -> ImageSource:
    """A data set that TFDS has prepared: the newest version of `name` or `name/config`.

    `others` are the names of data sets that need no TFDS, for the error where there is none of this name.
    """
    if pathlib.PurePath(name).is_absolute() or not set(name.split("/")).isdisjoint({"", ".", ".."}):
        raise ValueError(f"data.name: must be the name of a data set or NAME/CONFIG, got {name!r}")
    root = pathlib.Path(dir or constants.DATA_DIR).expanduser() / name
    versions = [file.parent for file in root.glob("*/dataset_info.json")]
    if not versions:
        raise ValueError(
            f"data.name: must be {', '.join(others)}, or a data set prepared by TFDS as array_record; none at {root}"
            f"{_registry.suggest(name, others)}. For one of your own, set gdm_jax.data.SOURCES[{name!r}] first"
        )
    newest = max(versions, key=lambda place: [int(n) for n in place.name.split(".") if n.isdigit()])
    _check_features(newest / "features.json")
    return _opened(tfds.builder_from_directory(newest), name, split, shape)


def _options(dir: str) -> dict:
    where = {"data_dir": str(pathlib.Path(dir).expanduser())} if dir else {}
    return {"file_format": "array_record", **where}


def _written(builder: Any, name: str, dir: str, write: bool) -> Any:
    """The builder, whose data set is written as ArrayRecord unless it is there."""
    if (builder.data_path / "features.json").exists():
        _check_features(builder.data_path / "features.json")
    elif dir and not write:
        raise ValueError(f"data.dir: {dir!r} holds no prepared {name!r}; 'gdm prepare' prepares it")
    builder.download_and_prepare()
    return builder


def _opened(builder: Any, name: str, split: str, shape: tuple[int, ...]) -> ImageSource:
    try:
        records = builder.as_data_source(split=split)
    except (ValueError, KeyError, AssertionError):
        splits = builder.info.splits
        known = ", ".join(f"{split} ({splits[split].num_examples:,} examples)" for split in splits)
        raise ValueError(
            f"data.split: {name} has {known}, or a part such as {next(iter(splits))}[:80%], got {split!r}"
        ) from None
    features = builder.info.features
    classes = getattr(features["label"], "num_classes", None) if "label" in features else 1
    return ImageSource(records, shape, classes)


def _check_features(path: str | os.PathLike) -> None:
    """Raises ValueError where a prepared data set names classes that are not TFDS's own, which TFDS would import."""

    def names(part):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
            if key in ("type", "pythonClassName", "python_class_name"):
                yield value
            yield from names(value)

    try:
        found = list(names(json.loads(pathlib.Path(path).read_text())))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"data.dir: {str(path)!r} cannot be read ({_registry.first_line(error)})") from None
    for name in found:
        if "." in str(name) and not str(name).startswith("tensorflow_datasets.core.features."):
            raise ValueError(f"data.dir: {str(path)!r} names {name!r}, which is not TFDS's own; it is not loaded")
