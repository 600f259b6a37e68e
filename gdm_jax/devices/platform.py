"""The kind of device that a program is written for."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import jax

__all__ = ["platform", "written_for"]

_TARGET: contextvars.ContextVar[str | None] = contextvars.ContextVar("platform", default=None)


def platform() -> str:
    """The devices' kind ("cpu", "gpu" or "tpu") that a program traced now is for: JAX's own, or `written_for`'s."""
    return _TARGET.get() or jax.default_backend()


@contextlib.contextmanager
def written_for(kind: str) -> Iterator[None]:
    """Programs traced inside are for devices of another kind than those here, e.g. to be compiled for them."""
    token = _TARGET.set(kind)
    try:
        yield
    finally:
        _TARGET.reset(token)
