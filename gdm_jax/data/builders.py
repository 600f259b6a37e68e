"""TFDS builders that write ArrayRecord without TensorFlow: the bundled digits, and any folder of images.

Images are stored as raw uint8 tensors of one size: TFDS's own Image feature needs TensorFlow to encode.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib

import numpy as np
import tensorflow_datasets as tfds

from gdm_jax.data.images import Unreadable, find_images, read_image


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
