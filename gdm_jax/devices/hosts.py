"""Several processes that are one run: how they find each other, and what only the first of them does.

Every process runs the same command on its own devices. Process p of P reads its share of every batch, gradients are
averaged over all devices, and all of them write the checkpoint; numbers and pictures come from process 0 alone.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils
from orbax.checkpoint import multihost

__all__ = ["LOST_AFTER", "PATIENCE", "all_agree", "first", "first_before_the_others", "join", "leave", "wait"]

LOST_AFTER = 60  # seconds without a sign of life after which a process counts as dead
PATIENCE = 24 * 3600  # seconds that a process waits for one that prepares data
_WAITS = itertools.count()  # a barrier is passed once


def join(
    coordinator: str, processes: int | None = None, process: int | None = None, *, told_to_end: bool = False
) -> None:
    """Become one process of several. It must be called before anything else of JAX.

    Args:
      coordinator: HOST:PORT of process 0, or "auto" where TPU metadata, SLURM or Open MPI tell who the others are.
      processes: Number of processes, beside HOST:PORT.
      process: Number of this process, from 0, beside HOST:PORT.
      told_to_end: Whether SIGTERM is left to `preemption.watch`, where all processes agree on a last step. Otherwise it
        ends the process.

    Raises:
      ValueError: if the arguments do not fit together, or "auto" finds nothing.
      RuntimeError: if the other processes do not come.
    """
    if coordinator == "auto":
        if processes is not None or process is not None:
            raise ValueError("coordinator: auto finds out processes and process by itself; leave them out")
        try:
            jax.distributed.initialize(heartbeat_timeout_seconds=LOST_AFTER)
        except ValueError as error:
            raise ValueError(
                f"coordinator: auto found no TPU, SLURM or Open MPI; pass HOST:PORT, processes and process ({error})"
            ) from error
    else:
        _initialize(coordinator, processes, process)
    if not told_to_end:  # JAX's preemption service has taken it, and below JAX 0.8 cannot be told not to
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _initialize(coordinator: str, processes: int | None, process: int | None) -> None:
    """Join the processes that meet at HOST:PORT."""
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"coordinator: must be auto or HOST:PORT, got {coordinator!r}")
    if processes is None or process is None or not 0 <= process < processes:
        raise ValueError(f"process: must be one of 0 ... processes - 1, got {process} of {processes}")
    jax.distributed.initialize(coordinator, processes, process, heartbeat_timeout_seconds=LOST_AFTER)


def first() -> bool:
    """Whether this is the process that speaks for all."""
    return jax.process_index() == 0


def wait(what: str) -> None:
    """Until all processes have come here. Unlike a collective of the devices, it bears long waits."""
    if jax.process_count() > 1:
        multihost.get_barrier_sync_fn()(key=f"gdm {next(_WAITS)} {what}", timeout_ms=1_000 * PATIENCE)


def all_agree(fact: bool) -> bool:
    """Whether it holds in every process."""
    return fact if jax.process_count() == 1 else bool(np.all(multihost_utils.process_allgather(np.array(fact))))


@contextlib.contextmanager
def first_before_the_others(what: str) -> Iterator[None]:
    """The block is run by process 0, then by the others: they find what it wrote, or write it to disks of their own."""
    if not first():
        wait(what)
    yield
    if first():
        wait(what)


def leave(code: int) -> None:
    """End this process at once if it is one of several: waiting for the others, at a door they never reach, would hang
    them all. They are ended by the loss of this one.
    """
    if jax.distributed.is_initialized() and jax.process_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
