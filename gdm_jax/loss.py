"""Per-example training losses  (Eqs. 7, 8, 16).

With the residual r = target(x, z, alpha) - u(x_t, alpha) and r_bar = U^T r, the mean over the d elements of

    weighted      | alpha'_g(t) r_bar |^2        Eq. 7
    unweighted    | r |^2                        Eq. 8, and Eq. 16 in a frequency basis: U preserves the norm
    moving        | r_bar |^2 over the elements with 0 < alpha < 1 only, and their mean

`moving` leaves out the elements that no step of the sampler ever moves, whose error cannot be reduced. All return
`[batch]` and draw nothing: the caller supplies noise and time, and takes the mean.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gdm_jax.devices import program
from gdm_jax.network import Network, apply
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule


@program.compiled
def unweighted(u: Network, process: Process, x, z, alpha) -> jax.Array:
    """Eq. 8: x, z `[batch, *shape]`, alpha `[batch, k]` -> `[batch]`.

    Raises:
      ValueError: if x does not fit the process's groups, or x or z are not real numbers.
    """
    return _mean_square(_residual(u, process, x, z, alpha))


@program.compiled
def moving(u: Network, process: Process, x, z, alpha) -> jax.Array:
    """Eq. 8 on the elements of the groups being diffused: x, z `[batch, *shape]`, alpha `[batch, k]` -> `[batch]`."""
    r_bar = process.basis.forward(_residual(u, process, x, z, alpha))
    active = process.spread(((alpha > 0) & (alpha < 1)).astype(r_bar.dtype), r_bar)
    elements = tuple(range(1, r_bar.ndim))
    count = jnp.broadcast_to(active, r_bar.shape).sum(elements)
    return jnp.square(active * r_bar).sum(elements) / jnp.maximum(count, 1)


@program.compiled
def weighted(u: Network, process: Process, schedule: Schedule, x, z, t) -> jax.Array:
    """Eq. 7: x, z `[batch, *shape]`, t `[batch]` in [0, 1] -> `[batch]`."""
    r_bar = process.basis.forward(_residual(u, process, x, z, schedule.alpha(t)))
    return _mean_square(process.spread(schedule.rate(t), r_bar) * r_bar)


def _residual(u, process, x, z, alpha):
    x_t = process.hide(process.perturb(x, z, alpha), alpha > 0)
    return process.target(x, z, alpha) - apply(u, x_t, alpha)


def _mean_square(r):
    return jnp.square(r).mean(tuple(range(1, r.ndim)))
