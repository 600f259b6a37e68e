"""Trained models that others can load: those that ship with the package, and those on the Hugging Face Hub.

    gdm_jax.load("digits")
    gdm sample --workdir digits
    gdm sample --workdir hf://OWNER/NAME

Each is a file of `gdm export`, with a card that says what it is.

One that ships is NAME.safetensors in this folder, with its card NAME.md and samples NAME.png. The first paragraph of a
card says what the model is of.
"""

from __future__ import annotations

import os
import pathlib

from gdm_jax.pretrained import hub

__all__ = ["card", "files", "home", "located"]

_FOLDER = pathlib.Path(__file__).parent


def files() -> dict[str, pathlib.Path]:
    """The models that ship, by name."""
    return {file.stem: file for file in sorted(_FOLDER.glob("*.safetensors"))}


def card(name: str) -> str:
    """The card of a model that ships, in Markdown."""
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")


def located(workdir: str | os.PathLike) -> pathlib.Path:
    """Where a model lies: a run or a file of one's own, or else the model that ships under this name.

    One of hf://OWNER/NAME is downloaded first, unless it has been before; `hub.download` says what may be raised.

    >>> located("runs/digits").as_posix()
    'runs/digits'
    """
    if str(workdir).startswith(hub.PREFIX):
        return hub.download(str(workdir))
    path = pathlib.Path(workdir)
    own = path.is_file() or (path / "config.json").is_file() or (path / "checkpoints").is_dir()
    return path if own else files().get(str(path), path)


def home(workdir: str | os.PathLike) -> pathlib.Path:
    """Where what is made with a model goes: its workdir, a folder beside its file, or one of its name.

    >>> home("runs/digits").as_posix(), home("hf://somebody/digits").as_posix()
    ('runs/digits', 'somebody--digits')
    """
    text = os.fspath(workdir)
    path = pathlib.Path(text.removeprefix(hub.PREFIX).replace("/", "--") if text.startswith(hub.PREFIX) else text)
    return path.with_suffix("") if path.is_file() else path
