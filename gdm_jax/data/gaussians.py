"""A mixture of Gaussians on the plane whose densities are known in closed form  (Fig. 1a).

    p(x) = sum_m w_m N(x; mean_m, diag(std_m^2))

With axis-aligned components every conditional is again a mixture in closed form, so a groupwise model over the two
coordinates can be held against the truth term by term.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
from jaxtyping import Float, Int32
from numpy.typing import ArrayLike
from scipy.special import log_softmax, logsumexp

__all__ = ["Mixture"]


@dataclasses.dataclass(frozen=True, eq=False)
class Mixture:
    """A random-access data set of draws from the mixture. Example i is always the same draw.

    Attributes:
      means: Mean of each component.
      stds: Standard deviation of each component along each axis.
      weights: Weight of each component. They sum to one.
      size: Number of examples.
      seed: Seed of the draws. Another seed gives held-out examples.
    """

    means: Float[np.ndarray, "components 2"]
    stds: Float[np.ndarray, "components 2"]
    weights: Float[np.ndarray, " components"]
    size: int = 10_000_000
    seed: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an example."""
        return (2,)

    @property
    def classes(self) -> int:
        """Number of components, which the labels name."""
        return len(self.weights)

    @classmethod
    def default(cls, **options: Any) -> Mixture:
        """Four unequal components whose x_1 is bimodal and tells much, but not all, of x_2."""
        means = np.array([[-1.0, -0.8], [-1.0, 0.9], [0.9, 0.4], [1.1, -1.1]])
        stds = np.array([[0.4, 0.15], [0.45, 0.2], [0.4, 0.35], [0.4, 0.2]])
        return cls(means, stds, np.array([0.3, 0.2, 0.3, 0.2]), **options)

    @functools.cached_property
    def _draws(self) -> tuple[Float[np.ndarray, "size 2"], Int32[np.ndarray, " size"]]:
        rng = np.random.default_rng(self.seed)
        component = rng.choice(len(self.weights), size=self.size, p=self.weights).astype(np.int32)
        x = self.means[component] + self.stds[component] * rng.standard_normal((self.size, 2))
        return x.astype(np.float32), component

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, numbers: Any) -> dict[str, np.ndarray]:
        x, component = self._draws
        return {"x": x[numbers], "label": component[numbers]}

    def log_density(self, x: ArrayLike) -> Float[np.ndarray, " n"]:
        """log p(x) in nats, for x `[n, 2]`."""
        return _log_sum(np.log(self.weights) + self._terms(np.asarray(x, np.float64)).sum(-1))

    def log_marginal(self, value: ArrayLike, axis: int) -> Float[np.ndarray, " n"]:
        """log p(x_axis = value) in nats, for values `[n]`."""
        return _log_sum(np.log(self.weights) + self._terms_of(value, axis))

    def log_conditional(self, value: ArrayLike, given: ArrayLike, axis: int) -> Float[np.ndarray, " n"]:
        """log p(x_axis = value | other coordinate = given) in nats, for `[n]` of each."""
        posterior = log_softmax(np.log(self.weights) + self._terms_of(given, 1 - axis), axis=-1)
        return _log_sum(posterior + self._terms_of(value, axis))

    def _terms(self, x: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n components 2"]:
        standard = (x[:, None] - self.means) / self.stds
        return -0.5 * standard**2 - np.log(self.stds) - 0.5 * np.log(2 * np.pi)

    def _terms_of(self, value: ArrayLike, axis: int) -> Float[np.ndarray, "n components"]:
        value = np.repeat(np.asarray(value, np.float64)[:, None], 2, axis=1)
        return self._terms(value)[..., axis]


def _log_sum(terms: Float[np.ndarray, "n components"]) -> Float[np.ndarray, " n"]:
    return np.asarray(logsumexp(terms, axis=-1))
