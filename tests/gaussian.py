"""A process over Gaussian data, for which the optimal network is known in closed form.

Data x_bar ~ N(0, C). With x_t = a x_bar + b z_bar elementwise, M = a C a + b^2, the posterior means are
E[x | x_t] = C a M^{-1} x_t and E[z | x_t] = b M^{-1} x_t, and the optimal u = -E[dx_t / ds | x_t] is
-(a' E[x | x_t] + b' E[z | x_t]).
"""

import jax
import jax.numpy as jnp
import numpy as np

from gdm_jax.process import interpolant


def covariance(size, seed=0):
    """A well-conditioned `[size, size]` covariance in which everything depends on everything."""
    factor = np.random.default_rng(seed).normal(size=(size, size)) / np.sqrt(size)
    return factor @ factor.T + 0.2 * np.eye(size)


def network(process, cov):
    """The optimal u(x_t, alpha) for data of one channel (or vectors) whose coefficients have covariance `cov`."""
    path, index = interpolant.get(process.interpolant), np.asarray(process.groups.index).ravel()
    cov = jnp.asarray(cov)

    def one(x_bar, alpha):
        s = 1 - alpha[index]
        a, b = path.signal(s), path.noise(s)
        whitened = jnp.linalg.solve(a[:, None] * cov * a + jnp.diag(b**2), x_bar)
        return -(path.signal_rate(s) * (cov @ (a * whitened)) + path.noise_rate(s) * (b * whitened))

    def u(x_t, alpha):
        x_bar = process.basis.forward(x_t)
        out = jax.vmap(one)(x_bar.reshape(len(x_bar), -1), alpha.astype(x_bar.dtype))
        return process.basis.inverse(out.reshape(x_bar.shape))

    return u
