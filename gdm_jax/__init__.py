"""Groupwise Diffusion Models (Lee et al., arXiv 2310.01400) in JAX."""

from gdm_jax import basis, conditional, family, groups, interpolant, inversion, latent, likelihood, loss, ode, schedule
from gdm_jax.conditional import generate_given
from gdm_jax.inversion import invert
from gdm_jax.likelihood import log_likelihood
from gdm_jax.network import guided
from gdm_jax.ode import encode, generate
from gdm_jax.process import Process

__version__ = "0.1.0"


def __getattr__(name):
    """`load` and `Model` bring Flax and Orbax with them, which the functions above do without."""
    if name in ("load", "Model"):
        from gdm_jax import model

        return getattr(model, name)
    raise AttributeError(f"module 'gdm_jax' has no attribute {name!r}")
