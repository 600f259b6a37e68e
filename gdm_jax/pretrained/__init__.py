"""Trained models that ship with the package: each a file of `gdm export`, with a card that says what it is.

    gdm_jax.load("fruits")
    gdm sample --workdir fruits

A model is NAME.safetensors and its card NAME.md, in this folder. The first line of a card's text says what the model is
of. tests/test_pretrained.py holds the cards to the files.
"""

from __future__ import annotations

import os
import pathlib

__all__ = ["card", "located", "names"]

_FOLDER = pathlib.Path(__file__).parent


def names() -> list[str]:
    """The names of the models that ship."""
    return sorted(file.stem for file in _FOLDER.glob("*.safetensors"))


def card(name: str) -> str:
    """The card of a model that ships, in Markdown."""
    return (_FOLDER / f"{name}.md").read_text()


def located(workdir: str | os.PathLike) -> pathlib.Path:
    """Where a model lies: a run or a file of one's own, or else the model that ships under this name.

    >>> located("runs/digits").as_posix()
    'runs/digits'
    """
    path = pathlib.Path(workdir)
    own = path.is_file() or (path / "config.json").is_file()
    return _FOLDER / f"{workdir}.safetensors" if not own and str(workdir) in names() else path
