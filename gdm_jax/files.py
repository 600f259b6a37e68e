"""Files written whole or not at all, and folders that one process owns."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import socket
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


@contextlib.contextmanager
def owned(folder: str | os.PathLike) -> Iterator[None]:
    """While the block runs no other process can own the folder. What a dead process owned is free.

    Some shared disks have no locks; there the folder is owned by whoever asks.

    Raises:
      ValueError: if a living process owns it.
    """
    with open(pathlib.Path(folder) / "lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ValueError(f"--workdir: {str(folder)!r} is in use by another run, {lock.read().strip()}") from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
                raise
        lock.truncate(0)
        lock.write(f"process {os.getpid()} of {socket.gethostname()}\n")
        lock.flush()
        yield
