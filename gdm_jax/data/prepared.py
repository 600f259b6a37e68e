"""TFDS builders that write ArrayRecord without TensorFlow: the bundled digits, and any folder of images.

Images are stored as raw uint8 tensors of one size: TFDS's own Image feature needs TensorFlow to encode.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib

import numpy as np
import tensorflow_datasets as tfds

from gdm_jax import _tables
from gdm_jax.data.images import Unreadable, find_images, read_image
from gdm_jax.pixels import LEVELS


class ScikitDigits(tfds.core.GeneratorBasedBuilder):
    """The 1,797 handwritten digits that scikit-learn carries: 8x8, 17 levels of grey, spread over 0..255."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return _info(self, (8, 8, 1), [str(digit) for digit in range(10)])

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        from sklearn.datasets import load_digits

        digits = load_digits()
        for i, (image, label) in enumerate(zip(digits.images, digits.target)):
            yield i, {"image": np.rint(image * 255 / 16).astype(np.uint8)[..., None], "label": int(label)}


@dataclasses.dataclass
class FolderConfig(tfds.core.BuilderConfig):
    """A folder of images and the shape they are brought to."""

    path: str = ""
    shape: tuple[int, int, int] = (32, 32, 3)
    skip_unreadable: bool = False


class ImageFolder(tfds.core.GeneratorBasedBuilder):
    """A folder of PNG or JPEG images, optionally one sub-folder a class."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, path: str, shape: tuple[int, ...], skip_unreadable: bool = False, **options):
        """
        Raises:
          ValueError: if the folder is missing or holds no image.
        """
        self.files = find_images(path)
        self.folder = folder = pathlib.Path(path).expanduser()
        self.classes = sorted({f.parent.relative_to(folder).as_posix() for f in self.files})
        # The name carries what the prepared set depends on, so a changed folder is prepared afresh.
        listing = "".join(f"{f.relative_to(folder)}:{f.stat().st_size}:{f.stat().st_mtime_ns}\n" for f in self.files)
        digest = hashlib.sha256(f"{listing}{skip_unreadable}".encode()).hexdigest()[:8]
        size = "x".join(str(n) for n in shape)
        name = "".join(c if c.isalnum() else "_" for c in folder.name)
        config = FolderConfig(
            name=f"{name}-{size}-{digest}", path=str(folder), shape=tuple(shape), skip_unreadable=skip_unreadable
        )
        super().__init__(config=config, **options)

    def _info(self):
        return _info(self, self.builder_config.shape, self.classes)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        unreadable = []
        for file in self.files:
            name = file.relative_to(self.folder)
            try:
                image = read_image(file, self.builder_config.shape)
            except Unreadable as error:
                unreadable.append(f"{name} ({error})")
                continue
            yield str(name), {"image": image, "label": name.parent.as_posix()}
        if unreadable and (len(unreadable) == len(self.files) or not self.builder_config.skip_unreadable):
            shown = "; ".join(unreadable[:3]) + ("; ..." if len(unreadable) > 3 else "")
            raise ValueError(
                f"data.path: {len(unreadable)} of {len(self.files)} images cannot be read: {shown}. "
                "Mend or remove them, or set data.skip_unreadable=True"
            )


def _info(builder, shape, classes):
    features = {
        "image": tfds.features.Tensor(shape=shape, dtype=np.uint8),
        "label": tfds.features.ClassLabel(names=classes),
    }
    return tfds.core.DatasetInfo(builder=builder, features=tfds.features.FeaturesDict(features))


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


def prepare(data, *, write: bool = True):
    """Write the data set as ArrayRecord under data.dir unless it is there; returns its TFDS builder.

    Arguments as `open_source`.

    Raises:
      ValueError: as `open_source`.
    """
    import tensorflow_datasets as tfds

    from gdm_jax.data import prepared

    options = {"data_dir": str(pathlib.Path(data.dir).expanduser())} if data.dir else {}
    if data.name == "digits":
        builder = prepared.ScikitDigits(file_format="array_record", **options)
    elif data.name == "folder":
        if len(data.shape) != 3:
            raise ValueError(f"data.shape: images need (height, width, channel), got {tuple(data.shape)}")
        builder = prepared.ImageFolder(
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
            f"data.dir: {data.dir!r} holds no prepared {data.name!r}; 'gdm prepare' prepares it"
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
        raise ValueError(f"data.dir: {str(path)!r} cannot be read ({_tables.first_line(error)})") from None
    for name in found:
        if "." in str(name) and not str(name).startswith("tensorflow_datasets.core.features."):
            raise ValueError(f"data.dir: {str(path)!r} names {name!r}, which is not TFDS's own; it is not loaded")
