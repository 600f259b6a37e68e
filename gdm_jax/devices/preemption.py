"""SIGTERM, by which a scheduler takes a machine away: the run saves after the step it is in, and ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils

__all__ = ["Preempted", "watch"]


class Preempted(RuntimeError):
    """The run was told to end, and saved."""

    exit_status = 143  # of the command: 128 + SIGTERM, by custom


@contextlib.contextmanager
def watch() -> Iterator[Callable[[int], bool]]:
    """A function that says after each step whether it is to be the last.

    Python sees the signal between two calls of compiled code, so a compilation or a picture is finished first: what is
    certain is the periodic save. Of several processes any may be told; JAX's coordination service has them agree on a
    step.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # where no handler can be set
        yield lambda step: False
        return
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        yield lambda step: told.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)
