"""Chips by name, with the rates that their maker states, and slices of them as the compiler knows them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
from jax.experimental import topologies

__all__ = ["CHIPS", "Chip", "devices"]


class Chip(NamedTuple):
    """What is stated of one device, which is a chip, or half of one of TPU7x.

    Attributes:
      memory: Bytes of its memory (HBM).
      arithmetic: Operations a second in bfloat16. Products of float32 take this rate, too: JAX multiplies them in
        bfloat16 on a TPU unless jax_default_matmul_precision says otherwise.
      traffic: Bytes a second from and to its memory.
      network: Bytes a second that it sends to its neighbours, over all links.
    """

    memory: int
    arithmetic: float
    traffic: float
    network: float


CHIPS: dict[str, Chip] = {  # cloud.google.com/tpu/docs/v4 and so on; v4's network: its paper, arXiv 2304.01433
    "v4": Chip(32 * 2**30, 275e12, 1200e9, 300e9),
    "v5e": Chip(16 * 2**30, 197e12, 819e9, 200e9),
    "v5p": Chip(95 * 2**30, 459e12, 2765e9, 600e9),
    "v6e": Chip(32 * 2**30, 918e12, 1600e9, 400e9),
    "tpu7x": Chip(96 * 2**30, 1153e12, 3690e9, 300e9),
}
_ENVIRONMENT = {  # by which libtpu starts where there is no TPU; it reads them once
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # plans beside each other
}


def devices(topology: str) -> tuple[Chip, list[Any]]:
    """A slice: its kind of chip, and devices that programs can be compiled for, but that are not here.

    Args:
      topology: Chip and shape of the slice, e.g. "v5e:4x4" or "v5p:2x2x1".

    Raises:
      ValueError: If there is no such chip or slice, or libtpu is not installed.
    """
    kind, _, shape = topology.partition(":")
    if kind not in CHIPS or not re.fullmatch(r"\d+(x\d+){1,2}", shape):
        raise ValueError(f"topology: must be a chip ({', '.join(CHIPS)}) and a shape, as v5e:4x4, got {topology!r}")
    if importlib.util.find_spec("libtpu") is None:
        raise ValueError("topology: needs the TPU's compiler; pip install 'gdm-jax[plan]'")
    options = {"chip_config_name": "megacore"} if kind == "v4" else {}  # its two cores as one device, as on real slices
    with _environment():
        try:
            found = topologies.get_topology_desc(topology, platform="tpu", **options).devices
        except jax.errors.JaxRuntimeError as error:
            raise ValueError(f"topology: the compiler does not know {topology!r}: {error}") from error
    return CHIPS[kind], list(found)


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """The environment in which libtpu starts without a TPU, where nothing else is said."""
    added = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
