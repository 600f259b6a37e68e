"""A trained model in one file that can be passed on: safetensors of its averaged parameters, in 16 bits.

Every parameter stands under its path, `params/Dense_0/kernel`, as float16, which keeps 11 bits of it. The file's
metadata hold FORMAT, the config as config.json has it, and the step. The format holds arrays and text: reading it runs
no code.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

from gdm_jax import _registry
from gdm_jax.workdir import files, trees

__all__ = ["FORMAT", "LARGEST", "config", "restore", "save", "step"]

FORMAT = "gdm_jax model 1"
LARGEST = int(np.finfo(np.float16).max)


def save(path: str | os.PathLike, params: PyTree, config: str, step: int) -> None:
    """Write a model file.

    Args:
      path: File to write.
      params: Averaged parameters, a pytree of arrays.
      config: Config of the run as JSON.
      step: Step of the parameters.

    Raises:
      ValueError: if a parameter is beyond the range of 16 bits, LARGEST.
    """
    leaves = {name: np.asarray(leaf) for name, leaf in trees.by_path(params).items()}
    for name, leaf in leaves.items():
        if not (np.abs(leaf) <= LARGEST).all():
            raise ValueError(f"model file: {name} holds values beyond {LARGEST:,}, which 16 bits cannot hold")
    arrays = {name: leaf.astype(np.float16) for name, leaf in leaves.items()}
    with files.whole(path) as out:
        out.write(safetensors.numpy.save(arrays, {"format": FORMAT, "config": config, "step": str(step)}))


def config(path: str | os.PathLike) -> str:
    """The config of a model file as JSON; raises ValueError if it is no model file."""
    with _opened(path) as (_, metadata):
        return metadata["config"]


def step(path: str | os.PathLike) -> int:
    """The step of a model file's parameters; raises ValueError if it is no model file."""
    with _opened(path) as (_, metadata):
        return int(metadata["step"])


def restore(path: str | os.PathLike, template: PyTree) -> PyTree:
    """The parameters of a model file, in the template's types.

    Raises:
      ValueError: if it is no model file, or of another architecture; the differing paths are named.
    """
    with _opened(path) as (opened, _):
        names = trees.shapes(template)
        saved = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}
        trees.check_same(saved, names, f"model file: {str(path)!r}")
        leaves = [jnp.asarray(opened.get_tensor(name), leaf.dtype) for name, leaf in trees.by_path(template).items()]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


@contextlib.contextmanager
def _opened(path: str | os.PathLike) -> Iterator[tuple[Any, dict[str, str]]]:
    """A model file and its metadata; raises ValueError if it is none."""
    try:
        with safetensors.safe_open(pathlib.Path(path), "numpy") as opened:
            metadata = opened.metadata() or {}
            if metadata.get("format") != FORMAT or not metadata.get("step", "").isdecimal():
                kind = metadata.get("format", "something else")
                raise ValueError(f"model file: {str(path)!r} is of {kind!r}, not of {FORMAT!r}; see gdm export")
            yield opened, {"config": "", **metadata}
    except safetensors.SafetensorError as error:
        reason = _registry.first_line(error)
        raise ValueError(f"model file: {str(path)!r} cannot be read ({reason}); is it one of gdm export?") from error
