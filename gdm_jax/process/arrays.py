"""Types of arrays and numbers that signatures use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

__all__ = ["AnyArray", "Integers", "Leaf", "Numbers"]

AnyArray = jax.Array | np.ndarray  # as in Float[AnyArray, "batch *shape"]

# An array of JAX may stand for Integers; type checkers are not told so, since to them its items are arrays.
# At run time a check of a sequence looks at one item alone, chosen by chance, so that the items count for type checkers
# only. A Leaf is a field of a pytree: JAX rebuilds pytrees around placeholders, and there it may hold anything at all.
if TYPE_CHECKING:
    Integers = Sequence[int] | np.ndarray  # `[n]`
    Numbers = Sequence[float] | Sequence[int] | np.ndarray | jax.Array  # `[n]`
    Leaf = jax.Array | np.ndarray
else:
    Integers = Numbers = Sequence | np.ndarray | jax.Array
    Leaf = Any
