"""Groupwise Diffusion Models (Lee et al., arXiv 2310.01400) in JAX."""

from gdm_jax import basis, groups, interpolant, inversion, latent, loss, ode, schedule
from gdm_jax.inversion import invert
from gdm_jax.ode import encode, generate
from gdm_jax.model import Model, load
from gdm_jax.process import Process

__version__ = "0.1.0"
