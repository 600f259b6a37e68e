"""What a command writes: arrays with a picture of them, edits, reports. Every path is printed."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gdm_jax.reports.edits import Edit
    from gdm_jax.reports.report import Report

__all__ = ["arrays", "claim", "edit", "report", "warn_uncertain"]


def claim(folder: pathlib.Path, *names: str) -> None:
    """Raises ValueError unless the folder takes files of these names; asked before the long part of a command."""
    from gdm_jax.workdir import files

    files.claim(folder, *names, field="--out")


def arrays(folder: pathlib.Path, name: str, **values: np.ndarray) -> None:
    """NAME.npz with the arrays, and NAME.png, a picture of the first of them."""
    from gdm_jax import drawing
    from gdm_jax.workdir import files

    path = folder / f"{name}.npz"
    files.write_arrays(path, **values)
    first = next(iter(values.values()))
    picture = drawing.grid(first) if first.ndim == 4 else drawing.cloud(first)
    drawing.save(picture, path.with_suffix(".png"))
    print(path, path.with_suffix(".png"), sep="\n")


def edit(folder: pathlib.Path, name: str, made: Edit) -> None:
    """NAME.png with the labelled picture, and NAME.npz with the images `x` in it."""
    from gdm_jax import drawing
    from gdm_jax.workdir import files

    path = folder / f"{name}.png"
    drawing.save(made.page, path)
    files.write_arrays(path.with_suffix(".npz"), x=made.x)
    print(path, path.with_suffix(".npz"), sep="\n")


def report(folder: pathlib.Path, name: str, made: Report) -> None:
    """The report's files, and its text on the screen."""
    from gdm_jax.reports import save

    print(made.text, *save(folder, name, made), sep="\n")


def warn_uncertain(command: str, numbers: Sequence[int]) -> None:
    """Say on standard error which images could not be inverted."""
    if len(numbers):
        text = f"not inverted, do not trust: {list(numbers)}; try more --steps"
        print(f"gdm {command}: warning: {text}", file=sys.stderr)
