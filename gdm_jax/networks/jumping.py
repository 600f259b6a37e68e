"""A trained field and, beside it, a network that knows the mean of that field over a jump."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from gdm_jax.process.arrays import AnyArray

__all__ = ["Jumping"]


@dataclasses.dataclass(frozen=True)
class Jumping:
    """Two networks of one shape: without beta the first answers, with beta the second.

    The loss mean_flow sends no gradient to the first, so that encoding, inversion and likelihood stay to the last bit
    what they were. The second begins with the parameters of the first.

    Attributes:
      field: Network of the field.
      jump: Network that takes beta.
    """

    field: Any
    jump: Any

    def init(self, key: PRNGKeyArray, x: Float[AnyArray, " batch *shape"], *rest: Any) -> PyTree:
        """Parameters of both."""
        return self.both(self.field.init(key, x, *rest), self.jump.init(key, x, *rest))

    @staticmethod
    def both(field: PyTree, jump: PyTree) -> dict[str, PyTree]:
        """The parameters of both as those of one network."""
        return {"field": field, "jump": jump}

    def fit(self, params: PyTree, x: Float[np.ndarray, "n *shape"]) -> dict[str, PyTree]:
        """The same parameters with the statistics of the examples x in both; see `Preconditioned`."""
        return self.both(self.field.fit(params["field"], x), self.jump.fit(params["jump"], x))

    def apply(
        self, params: PyTree, x_t: Float[AnyArray, " batch *shape"], *rest: Any, **named: Any
    ) -> Float[Array, " batch *shape"]:
        """The field at x_t, or its mean over the jump to beta."""
        part = "field" if named.get("beta") is None else "jump"
        net = self.field if part == "field" else self.jump
        return net.apply(params[part], x_t, *rest, **named)
