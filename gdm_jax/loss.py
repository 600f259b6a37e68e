"""Per-example training losses  (Eqs. 7, 8, 16).

With the residual r = target(x, z, alpha) - u(x_t, alpha) and r_bar = U^T r, the mean over the d elements of

    weighted      | alpha'_g(t) r_bar |^2        Eq. 7
    unweighted    | r |^2                        Eq. 8, and Eq. 16 in a frequency basis: U preserves the norm
    rao_blackwell | r |^2                        where x_t does not hold the noise of an element, it is 0 in r
    moving        | r_bar |^2 over the elements with 0 < alpha < 1 only, and their mean
    mean_flow     | u + D w - w(x_t, alpha, beta) |^2 over the elements that jump only, and their mean

`rao_blackwell` has the minimum of Eq. 8 and less noise in its gradient: where a group is finished, x_t = x says nothing
of z, so that the best the network can do for x - z is E[x - z | x_t] = x, and z is noise in what it is taught. `moving`
leaves out the elements that the sampler does not move at this time. `mean_flow` teaches a network w the mean of a field
over a jump, after which few steps suffice (Geng et al., arXiv 2505.13447; here along any straight way of alpha). All
return `[batch]` and draw nothing: the caller supplies noise and time, and takes the mean.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gdm_jax.devices import program
from gdm_jax.network import Network, apply
from gdm_jax.process.process import Process
from gdm_jax.process.schedule import Schedule

__all__ = ["LOSSES", "mean_flow", "moving", "rao_blackwell", "unweighted", "weighted"]

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
def rao_blackwell(u: Network, process: Process, x: Data, z: Data, alpha: Alpha) -> Float[Array, " batch"]:
    """Eq. 8 with E[z | x_t] = 0 in place of z for the elements whose noise x_t does not hold.

    They belong to finished groups and, in strict mode, to hidden ones. The mean over this noise of Eq. 8 is larger by
    its variance, which no network changes.
    Arguments and errors are those of `unweighted`.
    """
    held = (alpha < 1) & (alpha > 0) if process.strict else alpha < 1
    return _mean_square(_residual(u, process, x, process.diagonal(held.astype(z.dtype), z), alpha))


@program.compiled
def moving(u: Network, process: Process, x: Data, z: Data, alpha: Alpha) -> Float[Array, " batch"]:
    """Eq. 8 on the elements of the groups that are being diffused. Arguments and errors are those of `unweighted`."""
    return _mean_square_of(process, (alpha > 0) & (alpha < 1), _residual(u, process, x, z, alpha))


@program.compiled
def mean_flow(u: Network, process: Process, x: Data, z: Data, alpha: Alpha, beta: Alpha) -> Float[Array, " batch"]:
    """The mean of a field from alpha to beta, learnt from the field.

    On the way x_bar moves along (beta - alpha)_g u_bar. With w the mean, the rest loses what has been walked:

        w = u + D w,    D w = d/ds w(x_t + s U (beta - alpha)_g U^T u, alpha + s (beta - alpha), beta)  at s = 0

    The field u is the network's own, without beta. No gradient flows through it, nor through D w, which is one
    derivative in a direction. An example whose alpha is its beta teaches the network the field from data and noise, as
    `unweighted` does, and all its elements count. A field that is trained already needs none of those.

    Args:
      u: Network w that also takes beta, see `gdm_jax.network`.
      process, x, z, alpha: As in `unweighted`.
      beta: Progress of every group after the jump.

    Raises:
      ValueError: as `unweighted`.
    """
    jump = beta - alpha
    x_t = process.hide(process.perturb(x, z, alpha), beta > 0)
    field = jax.lax.stop_gradient(apply(u, x_t, alpha))
    way = process.diagonal(jump, field), jump
    mean, change = jax.jvp(lambda x_t, alpha: apply(u, x_t, alpha, beta), (x_t, alpha), way)
    moves = jump != 0
    stays = ~moves.any(-1, keepdims=True)
    target = jnp.where(stays.reshape(-1, *(1,) * (x_t.ndim - 1)), process.target(x, z, alpha), field)
    return _mean_square_of(process, moves | stays, target + jax.lax.stop_gradient(change) - mean)


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


def _mean_square_of(process, groups, r):
    """The mean square of the elements of some groups, `[batch, k]`."""
    r_bar = process.basis.forward(r)
    chosen = process.spread(groups.astype(r_bar.dtype), r_bar)
    elements = tuple(range(1, r_bar.ndim))
    count = jnp.broadcast_to(chosen, r_bar.shape).sum(elements)
    return jnp.square(chosen * r_bar).sum(elements) / jnp.maximum(count, 1)


def _mean_square(r):
    return jnp.square(r).mean(tuple(range(1, r.ndim)))


# Each takes, by name, what it needs of u, process, schedule, x, z, t, alpha and beta; it returns a number an example.
LOSSES: dict[str, Callable] = {
    "unweighted": unweighted,
    "rao_blackwell": rao_blackwell,
    "weighted": weighted,
    "moving": moving,
    "mean_flow": mean_flow,
}
