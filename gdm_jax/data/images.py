"""Image files: how they are found, and how one is read at the size that a model takes."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from gdm_jax import _registry

__all__ = ["Unreadable", "find_images", "opened_image", "read_image"]

SUFFIXES = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")  # by content; other formats of Pillow may start programs


class Unreadable(ValueError):
    """A file that is not a whole image, or is absurdly large."""


def find_images(folder: str | os.PathLike) -> list[pathlib.Path]:
    """The PNG and JPEG files of a folder, at any depth, in order of name.

    Raises:
      ValueError: if the folder is missing or holds none.
    """
    if not str(folder):
        raise ValueError("data.path: must name a folder of images")
    folder = pathlib.Path(folder).expanduser()
    if not folder.is_dir():
        raise ValueError(f"data.path: there is no folder {str(folder)!r}")
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
    if not files:
        raise ValueError(f"data.path: {str(folder)!r} holds no image; looked for {', '.join(SUFFIXES)} at any depth")
    return files


def read_image(file: str | os.PathLike | io.BytesIO, shape: Sequence[int]) -> UInt8[np.ndarray, "height width channel"]:
    """One image file in the shape (height, width, channel).

    It is cropped at its centre to the shape's proportions and then resized. What is transparent becomes white.

    Raises:
      Unreadable: if the file is not a whole image.
      ValueError: if shape asks for other than 1 or 3 channels.
    """
    height, width, channels = shape
    if channels not in (1, 3):
        raise ValueError(f"data.shape: images have 1 or 3 channels, got {channels}")
    with opened_image(file) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.has_transparency_data:  # as it looks on white paper
            paper = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(paper, image.convert("RGBA"))
        if image.mode.startswith("I"):  # 16 bits; converting would clip
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image = image.convert("L" if channels == 1 else "RGB")
    scale = min(image.width / width, image.height / height)
    crop_width, crop_height = width * scale, height * scale
    left, top = (image.width - crop_width) / 2, (image.height - crop_height) / 2
    if image.size != (width, height):
        box = (left, top, left + crop_width, top + crop_height)
        image = image.resize((width, height), Image.Resampling.LANCZOS, box=box)
    return np.asarray(image, np.uint8).reshape(tuple(shape))


@contextlib.contextmanager
def opened_image(file: str | os.PathLike | io.BytesIO) -> Iterator[Image.Image]:
    """A Pillow image. Whatever Pillow raises within the block, which may be anything, becomes Unreadable."""
    try:
        with Image.open(file, formats=FORMATS) as opened:
            yield opened
    except Exception as error:
        raise Unreadable(_registry.first_line(error)) from error
