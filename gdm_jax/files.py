"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator


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
    path = pathlib.Path(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, mode) as out:
            yield out
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write(path: str | os.PathLike, values: dict | str) -> None:
    """Text, or values as JSON."""
    with whole(path, "w") as out:
        out.write(values if isinstance(values, str) else json.dumps(values, indent=2) + "\n")
