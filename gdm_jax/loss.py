"""Per-example training losses  (Eqs. 7, 8, 16).

With the residual r = target(x, z, alpha) - u(x_t, alpha) and r_bar = U^T r, the mean over the d elements of

    weighted      | alpha'_g(t) r_bar |^2        Eq. 7
    unweighted    | r |^2                        Eq. 8, and Eq. 16 in a frequency basis: U preserves the norm
    moving        | r_bar |^2 over the elements with 0 < alpha < 1 only, and their mean

`moving` leaves out the elements that no step of the sampler ever moves, whose error cannot be reduced. All return
`[batch]` and draw nothing: the caller supplies noise and time, and takes the mean.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from gdm_jax.network import Network, apply, as_pytree
from gdm_jax.process import Process
from gdm_jax.schedule import Schedule


def unweighted(u: Network, process: Process, x, z, alpha) -> jax.Array:
    """Eq. 8: x, z `[batch, *shape]`, alpha `[batch, k]` -> `[batch]`.

    Raises:
      ValueError: if x does not fit the process's groups.
    """
    return _unweighted(as_pytree(u), process, x, z, alpha)


def moving(u: Network, process: Process, x, z, alpha) -> jax.Array:
    """Eq. 8 on the elements of the groups being diffused: x, z `[batch, *shape]`, alpha `[batch, k]` -> `[batch]`."""
    return _moving(as_pytree(u), process, x, z, alpha)


def weighted(u: Network, process: Process, schedule: Schedule, x, z, t) -> jax.Array:
    """Eq. 7: x, z `[batch, *shape]`, t `[batch]` in [0, 1] -> `[batch]`."""
    return _weighted(as_pytree(u), process, schedule, x, z, t)


@eqx.filter_jit
def _unweighted(u, process, x, z, alpha):
    return _mean_square(_residual(u, process, x, z, alpha))


@eqx.filter_jit
def _moving(u, process, x, z, alpha):
    r_bar = process.basis.forward(_residual(u, process, x, z, alpha))
    active = process.spread(((alpha > 0) & (alpha < 1)).astype(r_bar.dtype), r_bar)
    count = jnp.broadcast_to(active, r_bar.shape).reshape(len(r_bar), -1).sum(-1)
    return jnp.square(active * r_bar).reshape(len(r_bar), -1).sum(-1) / jnp.maximum(count, 1)


@eqx.filter_jit
def _weighted(u, process, schedule, x, z, t):
    r_bar = process.basis.forward(_residual(u, process, x, z, schedule.alpha(t)))
    return _mean_square(process.spread(schedule.rate(t), r_bar) * r_bar)


def _residual(u, process, x, z, alpha):
    x_t = process.hide(process.perturb(x, z, alpha), alpha > 0)
    return process.target(x, z, alpha) - apply(u, x_t, alpha)


def _mean_square(r):
    return jnp.square(r).reshape(len(r), -1).mean(-1)
