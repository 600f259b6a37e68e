"""A mixture of Gaussians on the plane whose densities are known in closed form  (Fig. 1a).

    p(x) = sum_m w_m N(x; mean_m, diag(std_m^2))

With axis-aligned components every conditional is again a mixture in closed form, so a groupwise model over the two
coordinates can be held against the truth term by term.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from scipy.special import log_softmax, logsumexp


@dataclasses.dataclass(frozen=True, eq=False)
class Mixture:
    """A random-access data set of draws from the mixture: example i is always the same draw.

    Attributes:
      means, stds: `[components, 2]`.
      weights: `[components]`, summing to one.
      size: number of examples it offers.
      seed: of the draws; another seed gives held-out examples.
    """

    means: np.ndarray
    stds: np.ndarray
    weights: np.ndarray
    size: int = 10_000_000
    seed: int = 0

    shape = (2,)

    @property
    def classes(self) -> int:
        return len(self.weights)

    @classmethod
    def default(cls, **options) -> Mixture:
        """Four unequal components whose x_1 is bimodal and tells much, but not all, of x_2."""
        means = np.array([[-1.0, -0.8], [-1.0, 0.9], [0.9, 0.4], [1.1, -1.1]])
        stds = np.array([[0.4, 0.15], [0.45, 0.2], [0.4, 0.35], [0.4, 0.2]])
        return cls(means, stds, np.array([0.3, 0.2, 0.3, 0.2]), **options)

    @functools.cached_property
    def _draws(self):
        rng = np.random.default_rng(self.seed)
        component = rng.choice(len(self.weights), size=self.size, p=self.weights).astype(np.int32)
        x = self.means[component] + self.stds[component] * rng.standard_normal((self.size, 2))
        return x.astype(np.float32), component

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, numbers) -> dict:
        x, component = self._draws
        return {"x": x[numbers], "label": component[numbers]}

    def log_density(self, x) -> np.ndarray:
        """log p(x): `[n, 2]` -> `[n]`, nats."""
        return logsumexp(np.log(self.weights) + self._terms(np.asarray(x, np.float64)).sum(-1), axis=-1)

    def log_marginal(self, value, axis: int) -> np.ndarray:
        """log p(x_axis): `[n]` -> `[n]`, nats."""
        return logsumexp(np.log(self.weights) + self._terms_of(value, axis), axis=-1)

    def log_conditional(self, value, given, axis: int) -> np.ndarray:
        """log p(x_axis = value | other coordinate = given): `[n]`, `[n]` -> `[n]`, nats."""
        posterior = log_softmax(np.log(self.weights) + self._terms_of(given, 1 - axis), axis=-1)
        return logsumexp(posterior + self._terms_of(value, axis), axis=-1)

    def _terms(self, x):
        standard = (x[:, None] - self.means) / self.stds
        return -0.5 * standard**2 - np.log(self.stds) - 0.5 * np.log(2 * np.pi)

    def _terms_of(self, value, axis):
        value = np.broadcast_to(np.asarray(value, np.float64)[:, None], (len(value), 2))
        return self._terms(value)[..., axis]
