"""A network that is asked only for what the mean and the variance of the data do not tell  (after EDM, 2206.00364).

If an element of x_bar were normal with mean m and variance v, apart from all others, the best field would be linear:

    E[u* | x_t] = -S' m + c_skip (x_bar_t - S m),    c_skip = -(S' S v + N' N) / (S^2 v + N^2)

where x_bar_t = S x_bar + N z_bar, and u* would differ from it by a deviation c_out = sqrt(v) |S' N - S N'| / sqrt(S^2 v
+ N^2). The network F sees such an element with mean 0 and variance 1, and answers for the rest, in units of c_out:

    u_bar = -S' m + c_skip (x_bar_t - S m) + c_out F,    F seeing (x_bar_t - S m) / sqrt(S^2 v + N^2)

m is the mean of each element. v is the variance of an element of each group or, where that is larger, the variance of a
normal with the same fourth moment. They differ where values far from the mean are rare: a pixel at the border of MNIST
is white once in a thousand images, and is then 60 deviations from its mean. EDM has this rule for the denoised x, with
an m of 0 and one v for all elements. Groups of pixels can differ in both by much.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from gdm_jax.process import interpolant as interpolants
from gdm_jax.process.arrays import AnyArray
from gdm_jax.process.groups import align
from gdm_jax.process.process import Process

__all__ = ["Preconditioned"]

_LEAST = 1e-3  # of the variance; where data are constant, F would otherwise see rounding errors as large numbers


@dataclasses.dataclass(frozen=True)
class Preconditioned:
    """A network F between what the mean and the variance of the data tell of the field.

    m and v are kept beside the parameters of F, without a gradient. They are 0 and 1 until `fit` measures them.

    Attributes:
      net: Network F, with `init` and `apply`.
      process: Process whose field u is.
    """

    net: Any
    process: Process

    def init(
        self, key: PRNGKeyArray, x: Float[AnyArray, "batch *shape"], alpha: Float[AnyArray, "batch k"], *rest: Any
    ) -> dict[str, PyTree]:
        """Parameters of F, and m and v."""
        data = {"mean": jnp.zeros(x.shape[1:]), "variance": jnp.ones(self.process.k)}
        return {"net": self.net.init(key, x, alpha, *rest), "data": data}

    def fit(self, params: PyTree, x: Float[np.ndarray, "n *shape"]) -> dict[str, PyTree]:
        """The same parameters with m and v of the examples x."""
        x_bar = np.asarray(self.process.basis.forward(x), np.float64)
        mean, index = x_bar.mean(0), np.broadcast_to(align(self.process.groups.index, x.ndim - 1), x.shape[1:]).ravel()

        def moment(power: int) -> np.ndarray:
            """The mean over the elements of each group of a power of the distance from the mean, `[k]`."""
            return np.bincount(index, ((x_bar - mean) ** power).mean(0).ravel(), self.process.k) / np.bincount(index)

        variance = np.max([moment(2), np.sqrt(moment(4) / 3), np.full(self.process.k, _LEAST)], axis=0)
        return {**params, "data": {"mean": jnp.float32(mean), "variance": jnp.float32(variance)}}

    def apply(
        self,
        params: PyTree,
        x_t: Float[AnyArray, "batch *shape"],
        alpha: Float[AnyArray, "batch k"],
        *rest: Any,
        **named: Any,
    ) -> Float[Array, "batch *shape"]:
        """The field at x_t, in pixels."""
        basis, path = self.process.basis, interpolants.get(self.process.interpolant)
        mean, variance = (jax.lax.stop_gradient(params["data"][name]) for name in ("mean", "variance"))
        s, v = 1 - self.process.spread(alpha, x_t), self.process.spread(variance, x_t)
        signal, noise, signal_rate, noise_rate = (weight(s) for weight in path)
        total = signal**2 * v + noise**2
        rest_bar = basis.forward(x_t) - signal * mean
        seen = basis.inverse(rest_bar / jnp.sqrt(total))
        answer = basis.forward(self.net.apply(params["net"], seen, alpha, *rest, **named))
        skip = -(signal_rate * signal * v + noise_rate * noise) / total
        out = jnp.sqrt(v / total) * jnp.abs(signal_rate * noise - signal * noise_rate)
        return basis.inverse(-signal_rate * mean + skip * rest_bar + out * answer)
