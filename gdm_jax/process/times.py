"""The times at which a network is taught, apart from the intervals of sampling.

A share p_j of the examples falls into the interval of group j. The noise s = 1 - alpha_j there comes from a density on
(0, 1), given by its quantile function of a uniform v, and is then shifted:

    s = v                          uniform
    s = 1 / (1 + e^(-width q))     logit-normal, with q = Phi^-1(v) standard normal

    s -> shift_j s / (1 - s + shift_j s)        the ratio of noise to signal times shift_j (Esser et al., 2403.03206)

A share of the examples keeps s = v instead: a narrow density all but leaves out the ends of the interval, where a
precise solver asks the network as often as elsewhere.

None of this changes what a network learns in the end. It decides how soon it learns what.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gdm_jax.process.schedule import Schedule

__all__ = ["DENSITIES", "logit_normal", "times", "uniform"]

Values = Float[Array | np.ndarray, " batch"]


def uniform(v: Values) -> Values:
    """Noise as uniform as v in [0, 1)."""
    return v


def logit_normal(v: Values, width: float) -> Float[Array, " batch"]:
    """Noise in (0, 1) whose logit is normal with mean 0 and standard deviation `width`, from v in [0, 1)."""
    return jax.nn.sigmoid(width * jax.scipy.special.ndtri(jnp.clip(v, 1e-6, 1 - 1e-6)))


# Each takes v, and `width` where it has one; it returns the noise s in [0, 1), rising with v.
DENSITIES: dict[str, Callable] = {"uniform": uniform, "logit_normal": logit_normal}


def times(
    v: Values,
    schedule: Schedule,
    *,
    density: Callable[[Values], Values] = uniform,
    tails: float = 0.0,
    shares: Sequence[float] = (),
    shift: Sequence[float] = (),
) -> Float[Array, " batch"]:
    """Times in [0, 1), one for each example.

    Args:
      v: Uniform numbers in [0, 1), one for each example. They decide the group and the time in its interval, so that
        numbers spread evenly over [0, 1) give times spread evenly over the density.
      schedule: Schedules, one for each example.
      density: Quantile function of the noise in a group's interval.
      tails: Share of each group's examples whose noise is uniform before the shift, whatever the density.
      shares: Weight of each group among the examples. Empty for the lengths of the intervals.
      shift: Factor for each group on the ratio of noise to signal. Empty for 1.

    Returns:
      v itself, if it is to be uniform and neither shares nor shifts are given.
    """
    if density is uniform and not shares and not shift:
        return jnp.asarray(v)
    start, end = jnp.asarray(schedule.t_start), jnp.asarray(schedule.t_end)
    weights = jnp.broadcast_to(jnp.asarray(shares, jnp.float32), start.shape) if shares else end - start
    until = jnp.cumsum(weights / weights.sum(-1, keepdims=True), axis=-1).at[..., -1].set(1)
    since = jnp.concatenate([jnp.zeros_like(until[..., :1]), until[..., :-1]], axis=-1)
    group = jnp.sum(until <= v[:, None], axis=-1)

    def chosen(values):
        return jnp.take_along_axis(jnp.broadcast_to(values, start.shape), group[:, None], axis=-1)[:, 0]

    noise = (v - chosen(since)) / (chosen(until) - chosen(since))
    noise = jnp.where(noise < tails, noise / max(tails, 1e-6), density(jnp.maximum(noise - tails, 0) / (1 - tails)))
    factor = chosen(jnp.asarray(shift or 1.0, jnp.float32))
    noise = factor * noise / (1 - noise + factor * noise)
    return chosen(start) + (chosen(end) - chosen(start)) * noise
