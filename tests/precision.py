"""Double precision for a block of code, whichever name JAX has for it."""

import jax

__all__ = ["double"]


def double():
    """A context in which arrays are of 64 bits where they ask for it; JAX below 0.8 keeps it under `experimental`."""
    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64(True)
