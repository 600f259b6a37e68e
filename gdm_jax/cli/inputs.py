"""What the words of a command name: a model, images, a mask, latents."""

from __future__ import annotations

import pathlib
import zipfile
import zlib

import numpy as np


def load(arguments):
    """The model and the solver options given on the command line."""
    from gdm_jax import model

    options = {"progress": True}
    for name in ("solver", "rtol", "atol", "batch", "guidance"):
        if getattr(arguments, name, None) is not None:
            options[name] = getattr(arguments, name)
    if getattr(arguments, "steps", None) is not None:
        steps = arguments.steps
        options["steps"] = (steps[0] or None) if len(steps) == 1 else tuple(steps)
    if getattr(arguments, "label", None):
        label = arguments.label
        options["label"] = label if len(label) > 1 else label[0]
    changes = {name: getattr(arguments, name, None) for name in ("order", "overlap", "boundaries")}
    changes = {name: tuple(np.atleast_1d(value).tolist()) for name, value in changes.items() if value is not None}
    return model.load(arguments.workdir, step=arguments.checkpoint, **changes), options


def examples(arguments, model):
    """The data of --images or --data, `[n, *shape]` in the model's range, and the labels of the latter or None."""
    seeds = {"seeds": arguments.seeds} if hasattr(arguments, "seeds") else {}
    check_source(images=arguments.images, data=arguments.data, **seeds)
    return images(arguments.images, arguments.data, arguments.split, model)


def check_source(prefix: str = "", **given) -> None:
    """Raises ValueError unless one alone is given of what images may come from: images, data or seeds."""
    if sum(value is not None for value in given.values()) != 1:
        words = {"images": "PATH ...", "data": "COUNT", "seeds": "SEED ..."}
        raise ValueError(f"pass one of {', '.join(f'--{prefix}{name} {words[name]}' for name in given)}")


def images(paths, count, split: str, model):
    """The images of files and folders, or `count` examples of the model's data; and the labels of the latter."""
    import dataclasses

    from gdm_jax import data, pixels
    from gdm_jax.data.images import Unreadable

    if not paths:
        if count < 1:
            raise ValueError(f"--data: must be at least 1, got {count}")
        settings = model.config.data
        source = data.open_source(dataclasses.replace(settings, split=split) if split else settings, write=False)
        return data.examples(source, range(min(count, len(source))))
    if len(model.config.data.shape) != 3:
        raise ValueError("--images: this model is not of images; pass --data COUNT")
    files = [f for p in map(pathlib.Path, paths) for f in (data.find_images(p) if p.is_dir() else [p])]
    chosen = []
    for file in files:
        try:
            chosen.append(data.read_image(file, model.config.data.shape))
        except Unreadable as error:
            raise ValueError(f"--images: {str(file)!r} cannot be read ({error})") from error
    return np.asarray(pixels.to_model_range(np.stack(chosen))), None


def mask(path, model) -> np.ndarray:
    """A black and white picture of the model's size as bool `[height, width]`; white is known, transparent is not."""
    from gdm_jax.data.images import Unreadable, opened_image

    if model.process.basis.matrices:
        raise ValueError("--mask: is for groups of pixels; name the bands to keep with --keep")
    try:
        with opened_image(path) as opened:
            grey = np.asarray(opened.convert("LA"))
            return (grey[..., 0] > 127) & (grey[..., 1] > 127)
    except Unreadable as error:
        raise ValueError(f"--mask: {str(path)!r} cannot be read ({error})") from error


def latents(arguments):
    """The array 'z' of --latents."""
    path = pathlib.Path(arguments.latents)
    if not path.is_file():
        raise ValueError(f"--latents: there is no file {str(path)!r}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (ValueError, TypeError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"--latents: {str(path)!r} is not an .npz of plain arrays") from error
    if "z" not in arrays:
        raise ValueError(f"--latents: {str(path)!r} holds {', '.join(arrays)}; expected an array 'z'")
    return arrays["z"]
