"""What the library calls a network: any function u(x_t, alpha) -> array like x_t.

x_t is `[batch, *shape]`, alpha `[batch, k]`. A flax module is `functools.partial(net.apply, params)`; so is a closure,
an equinox module, or a formula. One that knows class labels is u(x_t, alpha, label), label int `[batch]` with -1 for
none; `guided(u, label)` makes it a function of (x_t, alpha) again, to be used wherever u is.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

Network = Callable[[jax.Array, jax.Array], jax.Array]


class Guided(eqx.Module):
    """u with a label for each example, by classifier-free guidance w  (Ho & Salimans, arXiv 2207.12598):

        u(x_t, alpha, none) + w (u(x_t, alpha, label) - u(x_t, alpha, none))

    w = 1 is the network given the label, w = 0 without it, w > 1 exaggerates what the label changes. A guided field is
    still an ODE: encode and generate undo each other under the same label and w, and `log_likelihood` is the density of
    what it generates. But for w other than 0 and 1 that is not a density that the network was trained to, and encoded
    latents of real data are not normal.

    Attributes:
      u: `(x_t, alpha, label) -> like x_t`.
      label: int `[batch]`.
      w: a number; None for w = 1 exactly, at half the cost.
    """

    u: Callable
    label: jax.Array
    w: jax.Array | None

    def __call__(self, x_t, alpha):
        if len(self.label) not in (1, len(x_t)):
            raise ValueError(f"label: expected one for all or for each of {len(x_t)}, got {len(self.label)}")
        label = jnp.broadcast_to(self.label, len(x_t))
        if self.w is None:
            return self.u(x_t, alpha, label)
        both = (jnp.concatenate([leaf, leaf]) for leaf in (x_t, alpha))
        told, untold = jnp.split(self.u(*both, jnp.concatenate([label, jnp.full_like(label, -1)])), 2)
        return untold + self.w * (told - untold)


def guided(u: Callable, label, w: float = 1.0) -> Guided:
    """The network u(x_t, alpha, label) as a function of (x_t, alpha); see `Guided`.

    Args:
      u: `(x_t, alpha, label) -> like x_t`, trained with some of its labels withheld (-1) unless w is 1.
      label: int `[batch]`, or one for all.
      w: guidance, at least 0.

    Raises:
      ValueError: if w is negative or label not of whole numbers.
    """
    label = jnp.atleast_1d(jnp.asarray(label))
    if not jnp.issubdtype(label.dtype, jnp.integer) or label.ndim != 1:
        raise ValueError(f"label: must be whole numbers, one an example, got {label.dtype} of shape {label.shape}")
    if not w >= 0:
        raise ValueError(f"guidance: must not be negative, got {w}")
    return Guided(u, label, None if w == 1 else jnp.float32(w))


def examples(u: Network):
    """What u holds for each example, a pytree of `[batch, ...]`, or None."""
    return u.label if isinstance(u, Guided) and len(u.label) > 1 else None


def with_examples(u: Network, held) -> Network:
    """u holding other examples."""
    return u if held is None else Guided(u.u, held, u.w)


def apply(u: Network, x_t, alpha) -> jax.Array:
    """u(x_t, alpha); raises ValueError unless it is shaped like x_t, instead of letting it broadcast."""
    out = u(x_t, alpha)
    if out.shape != x_t.shape:
        raise ValueError(f"network: u must return an array like x_t, {x_t.shape}, but it returned {out.shape}")
    return out
