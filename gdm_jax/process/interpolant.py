"""Signal and noise of the progress s = 1 - alpha  (Eqs. 1, 2).

    linear                x_t = (1 - s) x + s z                          Eq. 2
    variance_preserving   x_t = cos(pi s / 2) x + sin(pi s / 2) z        Eq. 1, on the circle

Each is four functions of s in [0, 1]: signal, noise and their derivatives. A third is one more entry of INTERPOLANTS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["INTERPOLANTS", "Interpolant", "get"]

Weight = Callable[[jax.Array], jax.Array]


class Interpolant(NamedTuple):
    """x_t = signal(s) x + noise(s) z, elementwise, where signal(0) = noise(1) = 1 and signal(1) = noise(0) = 0."""

    signal: Weight
    noise: Weight
    signal_rate: Weight
    noise_rate: Weight


_QUARTER = jnp.pi / 2
INTERPOLANTS = {
    "linear": Interpolant(
        signal=lambda s: 1 - s,
        noise=lambda s: s,
        signal_rate=lambda s: -jnp.ones_like(s),
        noise_rate=lambda s: jnp.ones_like(s),
    ),
    "variance_preserving": Interpolant(
        signal=lambda s: jnp.sin(_QUARTER * (1 - s)),  # the cosine, exactly 0 at s = 1
        noise=lambda s: jnp.sin(_QUARTER * s),
        signal_rate=lambda s: -_QUARTER * jnp.sin(_QUARTER * s),
        noise_rate=lambda s: _QUARTER * jnp.sin(_QUARTER * (1 - s)),
    ),
}


def get(name: str) -> Interpolant:
    """The interpolant of that name.

    Raises:
      ValueError: If there is none.
    """
    if name not in INTERPOLANTS:
        raise ValueError(f"interpolant: must be one of {', '.join(INTERPOLANTS)}, got {name!r}")
    return INTERPOLANTS[name]
