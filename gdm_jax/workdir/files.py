"""Files written whole or not at all, folders proved writable, and folders that one process owns."""

from __future__ import annotations

import contextlib
import json
import math
import os
import pathlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from gdm_jax import _registry

__all__ = ["claim", "replacing", "whole", "write", "write_arrays"]


def claim(folder: str | os.PathLike, *names: str, field: str = "folder") -> pathlib.Path:
    """The folder, once it is known that it can be made, and that these files and folders can be written in it.

    It is asked before the long part of a command, and leaves nothing behind. A symbolic link, at a name or anywhere
    below it, is refused: what is written through it would replace a file elsewhere, which whoever made the folder may
    have chosen.

    Raises:
      ValueError: naming the folder, or the name, that cannot be written.
    """
    folder = pathlib.Path(folder)
    if re.match(r"\w+:/", str(folder)):  # of which pathlib has made one slash of two
        raise ValueError(f"{field}: {str(folder)!r} is an address; only folders of this machine are written to")
    try:
        there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        reason = _registry.first_line(error)
        raise ValueError(f"{field}: {str(folder)!r} cannot be written ({reason}); choose another folder") from error
    for name in names:
        place = folder / name
        if "." in name and place.is_dir() and not place.is_symlink():
            raise ValueError(f"{field}: {str(place)!r} is a folder, where a file is to be written; move it away")
        above = (folder.joinpath(*place.relative_to(folder).parts[:n]) for n in range(1, len(pathlib.Path(name).parts)))
        below = place.rglob("*") if place.is_dir() and not place.is_symlink() else ()
        for path in (*above, place, *below):
            if path.is_symlink() and path != folder:
                rule = "nothing is written through links; remove it, or write elsewhere"
                raise ValueError(f"{field}: {str(path)!r} is a symbolic link; {rule}")
    return folder


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A new name in the same folder, whose file takes the place of `path` once the block has ended, or never."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".partial-") as folder:
        partial = pathlib.Path(folder) / path.name
        yield partial
        os.replace(partial, path)


@contextlib.contextmanager
def whole(path: str | os.PathLike, mode: str = "wb") -> Iterator:
    """A file open for writing that takes the place of `path` once the block has ended, and never if it fails.

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> with whole(path, "w") as out:
    ...     _ = out.write("1 2 3")
    ...     path.exists()
    False
    >>> path.read_text()
    '1 2 3'
    """
    with replacing(path) as partial:
        with open(partial, mode) as out:
            yield out


def write(path: str | os.PathLike, values: dict | str) -> None:
    """Text, or values as JSON; a number that is not finite is null there."""
    with whole(path, "w") as out:
        out.write(values if isinstance(values, str) else json.dumps(_plain(values), indent=2, allow_nan=False) + "\n")


def write_arrays(path: str | os.PathLike, **arrays: Any) -> None:
    """An .npz of arrays by name."""
    with whole(path) as out:
        by_name: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
        np.savez(out, **by_name)


def _plain(values):
    if isinstance(values, dict):
        return {name: _plain(value) for name, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_plain(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values
