"""Types of arrays and numbers that signatures use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

__all__ = ["AnyArray", "Integers", "Leaf", "Numbers"]

AnyArray = jax.Array | np.ndarray  # as in Float[AnyArray, "batch *shape"]
Integers = Sequence[int] | np.ndarray  # whole numbers, `[n]`
Numbers = Sequence[float] | Sequence[int] | np.ndarray  # `[n]`

# A field of a pytree. JAX rebuilds pytrees around placeholders, so that at run time the field may hold anything at all.
if TYPE_CHECKING:
    Leaf = jax.Array | np.ndarray
else:
    Leaf = Any
