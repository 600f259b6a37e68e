"""What a command reads: a model, images, examples of the data set, a mask, latents."""

from __future__ import annotations

import pathlib
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

if TYPE_CHECKING:
    from gdm_jax.model import Model

__all__ = ["check_source", "examples", "latents", "mask", "model", "pictures"]


def model(**loading: Any) -> Model:
    """The model that `gdm_jax.load` gives; warns where its checkpoint is not the last of its training."""
    from gdm_jax.model import load

    found = load(**loading)
    steps = found.config.training.steps
    if found.step < steps:
        warnings.warn(f"the model is that of step {found.step:,}; its training has {steps:,}", stacklevel=1)
    return found


def check_source(prefix: str = "", **given: Any) -> None:
    """Raises ValueError unless exactly one source of images is given: images, data or seeds."""
    if sum(value is not None for value in given.values()) != 1:
        words = {"images": "PATH ...", "data": "COUNT", "seeds": "SEED ..."}
        raise ValueError(f"pass one of {', '.join(f'--{prefix}{name} {words[name]}' for name in given)}")


def examples(
    model: Model, *, images: Sequence[str] | None = None, data: int | None = None, split: str = ""
) -> tuple[Float[np.ndarray, " n *shape"], Int[np.ndarray, " n"] | None]:
    """The images of files and folders, or the first examples of the model's data set.

    Args:
      model: Model whose data set and image size are meant.
      images: Files and folders.
      data: Number of examples.
      split: Split of the data set; the config's if empty.

    Returns:
      x in [-1, 1], and the labels of the data set or None.

    Raises:
      ValueError: if both or neither of images and data are given, or they cannot be read.
    """
    import dataclasses

    from gdm_jax.data import examples, open_source

    check_source(images=images, data=data)
    if data is None:
        return pictures(images or (), model), None
    if data < 1:
        raise ValueError(f"--data: must be at least 1, got {data}")
    settings = model.config.data
    if settings.name == "folder" and not (settings.path and pathlib.Path(settings.path).expanduser().is_dir()):
        raise ValueError(f"--data: the model's own images, {settings.path!r}, are not here; pass --images PATH ...")
    source = open_source(dataclasses.replace(settings, split=split) if split else settings, write=False)
    return examples(source, range(min(data, len(source))))


def pictures(paths: Sequence[str], model: Model) -> Float[np.ndarray, " n height width channel"]:
    """The images of files and folders, in [-1, 1] and of the model's size."""
    from gdm_jax import pixels
    from gdm_jax.data import find_images, read_image
    from gdm_jax.data.images import Unreadable

    shape = model.config.data.shape
    if len(shape) != 3:
        raise ValueError("--images: this model is not of images; pass --data COUNT")
    files = [f for p in map(pathlib.Path, paths) for f in (find_images(p) if p.is_dir() else [p])]
    chosen = []
    for file in files:
        try:
            chosen.append(read_image(file, shape))
        except Unreadable as error:
            raise ValueError(f"--images: {str(file)!r} cannot be read ({error})") from error
    return np.asarray(pixels.to_model_range(np.stack(chosen)))


def mask(path: str, model: Model) -> Bool[np.ndarray, " height width"]:
    """A black and white picture of the model's size. White is known; black and transparent are not."""
    from gdm_jax.data.images import Unreadable, opened_image

    if model.process.basis.matrices:
        raise ValueError("--mask: is for groups of pixels; name the bands to keep with --keep")
    try:
        with opened_image(path) as opened:
            grey = np.asarray(opened.convert("LA"))
            return (grey[..., 0] > 127) & (grey[..., 1] > 127)
    except Unreadable as error:
        raise ValueError(f"--mask: {str(path)!r} cannot be read ({error})") from error


def latents(file: str) -> tuple[np.ndarray, dict[str, Any]]:
    """The array 'z' of an .npz, whose shape the model checks; and the solver and the steps that encoded it, if told."""
    path = pathlib.Path(file)
    if not path.is_file():
        raise ValueError(f"--latents: there is no file {str(path)!r}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (ValueError, TypeError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"--latents: {str(path)!r} is not an .npz of plain arrays") from error
    if "z" not in arrays:
        raise ValueError(f"--latents: {str(path)!r} holds {', '.join(arrays)}; expected an array 'z'")
    if "solver" not in arrays or "steps" not in arrays:
        return arrays["z"], {}
    return arrays["z"], {"solver": str(arrays["solver"]), "steps": arrays["steps"].tolist() or None}
