"""A network that sees coefficients instead of pixels: u(x_t, alpha) = U net(U^T x_t, alpha)  (Fig. 10)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from gdm_jax.process.basis import Basis

__all__ = ["InBasis"]


@dataclasses.dataclass(frozen=True)
class InBasis:
    """A Flax module between the two changes of basis; `init` and `apply` are those of the module.

    Attributes:
      net: Network on coefficients.
      basis: Orthogonal basis, so that the loss of the coefficients is that of the pixels.
    """

    net: Any
    basis: Basis

    def init(self, key: PRNGKeyArray, x: Float[Array | np.ndarray, " batch *shape"], *rest: Any) -> Any:
        """Parameters of the network."""
        return self.net.init(key, self.basis.forward(x), *rest)

    def apply(
        self, params: Any, x_t: Float[Array | np.ndarray, " batch *shape"], *rest: Any, **named: Any
    ) -> Float[Array, " batch *shape"]:
        """The field at x_t, in pixels."""
        return self.basis.inverse(self.net.apply(params, self.basis.forward(x_t), *rest, **named))
