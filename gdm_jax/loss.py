"""Per-example training losses  (Eqs. 7, 8, 16).

With the residual r = target(x, z, alpha) - u(x_t, alpha) and r_bar = U^T r, the mean over the d elements of

    weighted      | alpha'_g(t) r_bar |^2        Eq. 7
    unweighted    | r |^2                        Eq. 8, and Eq. 16 in a frequency basis: U preserves the norm
    moving        | r_bar |^2 over the elements with 0 < alpha < 1 only, and their mean

`moving` leaves out the elements that no step of the sampler ever moves, whose error cannot be reduced. All return
`[batch]` and draw nothing: the caller supplies noise and time, and takes the mean.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gdm_jax.devices import program
from gdm_jax.network import Network, apply
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule

__all__ = ["LOSSES", "moving", "unweighted", "weighted"]

Data = Float[Array | np.ndarray, " batch *shape"]
Alpha = Float[Array | np.ndarray, "batch k"]


@program.compiled
def unweighted(u: Network, process: Process, x: Data, z: Data, alpha: Alpha) -> Float[Array, " batch"]:
    """Eq. 8.

    Args:
      u: Network, a function of x_t and alpha.
      process: Process that turns x into noise.
      x: Data.
      z: Standard normal noise, one for each example.
      alpha: Progress of every group, from 1 (data) to 0 (noise).

    Raises:
      ValueError: if x does not fit the process's groups, or x or z are not real numbers.
    """
    return _mean_square(_residual(u, process, x, z, alpha))


@program.compiled
def moving(u: Network, process: Process, x: Data, z: Data, alpha: Alpha) -> Float[Array, " batch"]:
    """Eq. 8 on the elements of the groups that are being diffused. Arguments and errors are those of `unweighted`."""
    r_bar = process.basis.forward(_residual(u, process, x, z, alpha))
    active = process.spread(((alpha > 0) & (alpha < 1)).astype(r_bar.dtype), r_bar)
    elements = tuple(range(1, r_bar.ndim))
    count = jnp.broadcast_to(active, r_bar.shape).sum(elements)
    return jnp.square(active * r_bar).sum(elements) / jnp.maximum(count, 1)


@program.compiled
def weighted(
    u: Network, process: Process, schedule: Schedule, x: Data, z: Data, t: Float[Array | np.ndarray, " batch"]
) -> Float[Array, " batch"]:
    """Eq. 7. The schedule and the times t in [0, 1] take the place of the alpha of `unweighted`."""
    r_bar = process.basis.forward(_residual(u, process, x, z, schedule.alpha(t)))
    return _mean_square(process.spread(schedule.rate(t), r_bar) * r_bar)


def _residual(u, process, x, z, alpha):
    x_t = process.hide(process.perturb(x, z, alpha), alpha > 0)
    return process.target(x, z, alpha) - apply(u, x_t, alpha)


def _mean_square(r):
    return jnp.square(r).mean(tuple(range(1, r.ndim)))


# Each takes, by name, what it needs among u, process, schedule, x, z, t and alpha, and returns one number an example.
LOSSES: dict[str, Callable] = {"unweighted": unweighted, "weighted": weighted, "moving": moving}
