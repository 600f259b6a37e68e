"""How arrays are called in signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

__all__ = ["AnyArray", "Leaf"]

AnyArray = jax.Array | np.ndarray  # NumPy's or JAX's: Float[AnyArray, "batch *shape"]

# A field of a pytree: JAX rebuilds pytrees around placeholders, so that at run time it may be anything at all.
if TYPE_CHECKING:
    Leaf = jax.Array | np.ndarray
else:
    Leaf = Any
