"""A network that sees coefficients instead of pixels: u(x_t, alpha) = U net(U^T x_t, alpha)  (Fig. 10)."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, eq=False)
class InBasis:
    """A Flax module between the two changes of basis; `init` and `apply` are those of the module.

    Attributes:
      net: the module, on coefficients.
      basis: with `forward` and `inverse`; orthogonal, so that the loss of the coefficients is that of the pixels.
    """

    net: Any
    basis: Any

    def init(self, key, x, *rest):
        return self.net.init(key, self.basis.forward(x), *rest)

    def apply(self, params, x_t, *rest, **named):
        return self.basis.inverse(self.net.apply(params, self.basis.forward(x_t), *rest, **named))
