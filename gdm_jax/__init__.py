"""Groupwise Diffusion Models (Lee et al., arXiv 2310.01400) in JAX.

Rooms on floors; each imports from the floors below its own, and from itself (tests/test_layout.py holds it):

    1   process, network, keys, devices, _registry
    2   ode, loss, latent, networks, pixels, pretrained, workdir
    3   conditional, likelihood, config, data, drawing, metrics
    4   model, training
    5   reports, evaluation
    6   experiments, explorer, planning
    7   cli
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gdm_jax import conditional, latent, likelihood, loss, ode, pixels
from gdm_jax.conditional import generate_given
from gdm_jax.latent import noise
from gdm_jax.likelihood import log_likelihood
from gdm_jax.network import autoguided, guided
from gdm_jax.ode import encode, generate, inversion, invert, path
from gdm_jax.process import Process, basis, family, groups, interpolant, schedule

if TYPE_CHECKING:
    from gdm_jax.explorer import explore
    from gdm_jax.model import Model, load

__version__ = "0.2.0"
__all__ = [
    "Model", "Process", "autoguided", "basis", "conditional", "encode", "explore", "family", "generate",
    "generate_given", "groups", "guided", "interpolant", "inversion", "invert", "latent", "likelihood", "load",
    "log_likelihood", "loss", "ode", "path", "noise", "pixels", "schedule",
]


_LAZY = {"load": "model", "Model": "model", "explore": "explorer"}  # name -> room


def __getattr__(name: str) -> Any:
    """What needs Flax and Orbax, which the functions above do without, is imported when asked."""
    if name in _LAZY:
        return getattr(importlib.import_module(f"gdm_jax.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'gdm_jax' has no attribute {name!r}")
