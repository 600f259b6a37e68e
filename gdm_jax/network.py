"""What the library calls a network: any function u(x_t, alpha) -> array like x_t.

x_t is `[batch, *shape]`, alpha `[batch, k]`. A Flax module becomes one by `functools.partial(net.apply, params)`. A
closure, an Equinox module or a formula is one as it stands. A network that knows class labels is u(x_t, alpha, label),
where label is int `[batch]` with -1 for none. `guided(u, label)` makes it a function of (x_t, alpha) again.

A network that knows jumps also takes beta, `[batch, k]`, by that name. u(x_t, alpha, beta=beta) is the mean of the
field over the straight way from alpha to beta, along which x_t follows the field; where beta is alpha it is the field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Integer, Real

__all__ = [
    "Autoguided", "Guided", "Network", "apply", "autoguided", "check_label", "examples", "guided", "with_examples",
]  # fmt: skip

Network = Callable[..., jax.Array]  # (x_t, alpha) -> like x_t


class Guided(eqx.Module):
    """u with a label for each example, by classifier-free guidance w  (Ho & Salimans, arXiv 2207.12598):

        u(x_t, alpha, none) + w (u(x_t, alpha, label) - u(x_t, alpha, none))

    w = 1 is the network given the label, w = 0 the network without it, and w > 1 exaggerates what the label changes. A
    guided field is still an ODE: encode and generate undo each other under the same label and w, and `log_likelihood`
    is the density of the samples. But for w other than 0 and 1 the network was not trained to that density, and encoded
    latents of real data are not normal.

    Attributes:
      u: Network `(x_t, alpha, label) -> like x_t`.
      label: Class of each example, or one for all.
      w: Guidance. None for w = 1 exactly, at half the cost.
    """

    u: Callable[..., jax.Array]
    label: Integer[Array, " labels"]
    w: Float[Array, ""] | None

    def __call__(
        self,
        x_t: Float[Array | np.ndarray, "batch *shape"],
        alpha: Real[Array | np.ndarray, "batch k"],
        beta: Real[Array | np.ndarray, "batch k"] | None = None,
    ) -> Float[Array, "batch *shape"]:
        if len(self.label) not in (1, len(x_t)):
            raise ValueError(f"label: expected one for all or for each of {len(x_t)}, got {len(self.label)}")
        label = jnp.broadcast_to(self.label, len(x_t))
        jump = {} if beta is None else {"beta": beta}
        if self.w is None:
            return self.u(x_t, alpha, label, **jump)
        labels = jnp.concatenate([label, jnp.full_like(label, -1)])
        x_t, alpha, jump = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), (x_t, alpha, jump))
        told, untold = jnp.split(self.u(x_t, alpha, labels, **jump), 2)
        return untold + self.w * (told - untold)


def guided(
    u: Callable[..., jax.Array], label: Integer[ArrayLike, "*labels"] | Sequence[int], w: float | int = 1.0
) -> Guided:
    """The network u(x_t, alpha, label) as a function of (x_t, alpha), see `Guided`.

    Args:
      u: Network `(x_t, alpha, label) -> like x_t`, trained with some labels withheld (-1) unless w is 1.
      label: Class of each example, `[batch]`, or one for all.
      w: Guidance, at least 0.

    Raises:
      ValueError: If w is negative, or label does not hold whole numbers.
    """
    label = jnp.atleast_1d(jnp.asarray(label))
    if not jnp.issubdtype(label.dtype, jnp.integer) or label.ndim != 1:
        raise ValueError(f"label: must be whole numbers, one an example, got {label.dtype} of shape {label.shape}")
    if not w >= 0:
        raise ValueError(f"guidance: must not be negative, got {w}")
    return Guided(u, label, None if w == 1 else jnp.float32(w))


def check_label(label: Any, guidance: float | int | None, classes: int) -> None:
    """Raises ValueError unless a network of so many classes knows these and can be guided so; None asks for neither."""
    if label is None and guidance is not None:
        raise ValueError("guidance: needs a label to guide towards")
    if guidance is not None and not guidance >= 0:
        raise ValueError(f"guidance: must not be negative, got {guidance}")
    if label is None:
        return
    label = np.asarray(label)
    if not classes:
        raise ValueError("label: this model was trained without labels; train one with model.classes > 0")
    if not np.issubdtype(label.dtype, np.integer):
        raise ValueError(f"label: must be a whole number, or one for each example, got {label!r}")
    if (label < -1).any() or (label >= classes).any():
        raise ValueError(f"label: must be from 0 to {classes - 1}, or -1 for none, got {label.tolist()}")


class Autoguided(eqx.Module):
    """u led away from a weaker network of the same data by autoguidance w  (Karras et al., arXiv 2406.02507):

        weak(x_t, alpha) + w (u(x_t, alpha) - weak(x_t, alpha))

    The weaker network errs where u errs, but further, so that w > 1 takes samples away from such errors. It needs no
    labels. w = 1 is u and w = 0 the weaker network. As with `Guided`, the field is still an ODE, but its latents of
    real data are not normal.

    Attributes:
      u: Network `(x_t, alpha) -> like x_t`. One that knows labels or jumps takes them as before.
      weak: Network that takes the same, such as an earlier checkpoint of the same training.
      w: Autoguidance.
    """

    u: Network
    weak: Network
    w: Float[Array, ""]

    def __call__(self, *arguments: Any, **jump: Any) -> Float[Array, "batch *shape"]:
        weak = self.weak(*arguments, **jump)
        return weak + self.w * (self.u(*arguments, **jump) - weak)


def autoguided(u: Network, weak: Network, w: float | int) -> Autoguided:
    """The network u led away from a weaker one, see `Autoguided`; it asks both at every point.

    Args:
      u: Network `(x_t, alpha) -> like x_t`.
      weak: Network that takes the same. Labels go around both: `guided(autoguided(u, weak, w), label)`.
      w: Autoguidance, at least 0.

    Raises:
      ValueError: If w is negative, or one of the networks was given its labels before.
    """
    if not w >= 0:
        raise ValueError(f"autoguidance: must not be negative, got {w}")
    if isinstance(u, Guided) or isinstance(weak, Guided):
        raise ValueError("autoguidance: give the label afterwards, as guided(autoguided(u, weak, w), label)")
    return Autoguided(u, weak, jnp.float32(w))


def examples(u: Network) -> Integer[Array, " batch"] | None:
    """What u holds for each example, or None."""
    return u.label if isinstance(u, Guided) and len(u.label) > 1 else None


def with_examples(u: Network, held: Integer[Array, " batch"] | None) -> Network:
    """The same network for other examples: `held` is what `examples` gives for them."""
    return Guided(u.u, held, u.w) if isinstance(u, Guided) and held is not None else u


def apply(
    u: Network,
    x_t: Float[Array | np.ndarray, "batch *shape"],
    alpha: Real[Array | np.ndarray, "batch k"],
    beta: Real[Array | np.ndarray, "batch k"] | None = None,
) -> Float[Array, "batch *shape"]:
    """u(x_t, alpha), or the mean of the field from alpha to beta.

    Raises:
      ValueError: If the result is not shaped like x_t, where it would otherwise be broadcast.
    """
    out = u(x_t, alpha) if beta is None else u(x_t, alpha, beta=beta)
    if out.shape != x_t.shape:
        raise ValueError(f"network: u must return an array like x_t, {x_t.shape}, but it returned {out.shape}")
    return out
