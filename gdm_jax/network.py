"""What the library calls a network: any function u(x_t, alpha) -> array like x_t.

x_t is `[batch, *shape]`, alpha `[batch, k]`. A flax module is `functools.partial(net.apply, params)`; so is a closure,
an equinox module, or a formula.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax

Network = Callable[[jax.Array, jax.Array], jax.Array]


def as_pytree(u: Network) -> Network:
    """u as a pytree whose arrays are leaves, so that new parameters reuse what was compiled for the old ones.

    `functools.partial` hides its arguments from JAX; `jax.tree_util.Partial` shows them. Anything else is returned
    unchanged.
    """
    if isinstance(u, functools.partial) and not isinstance(u, jax.tree_util.Partial):
        return jax.tree_util.Partial(u.func, *u.args, **u.keywords)
    return u


def apply(u: Network, x_t, alpha) -> jax.Array:
    """u(x_t, alpha); raises ValueError unless it is shaped like x_t, instead of letting it broadcast."""
    out = u(x_t, alpha)
    if out.shape != x_t.shape:
        raise ValueError(f"network: u must return an array like x_t, {x_t.shape}, but it returned {out.shape}")
    return out
