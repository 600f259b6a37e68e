"""Folders that one process owns."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import socket
from collections.abc import Iterator


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
            raise ValueError(f"workdir: {str(folder)!r} is in use by another run, {lock.read().strip()}") from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
                raise
        lock.truncate(0)
        lock.write(f"process {os.getpid()} of {socket.gethostname()}\n")
        lock.flush()
        yield
