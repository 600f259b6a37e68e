"""A process on vectors and a network in which everything depends on everything."""

import jax.numpy as jnp
import numpy as np

import gdm_jax as gdm


def vectors(k=3, interpolant="linear", **options):
    """Six-dimensional vectors in a random orthogonal basis, k groups."""
    q = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    groups = gdm.groups.from_index(np.arange(6) * k // 6)
    return gdm.Process(groups, gdm.basis.orthogonal(q), interpolant=interpolant, **options)


def mixing(x_t, alpha):
    """A network in which every output depends on every input."""
    flat = x_t.reshape(len(x_t), -1)
    weight = jnp.sin(jnp.arange(flat.shape[-1] ** 2, dtype=x_t.dtype)).reshape(flat.shape[-1], -1)
    return jnp.tanh(flat @ weight + alpha.sum(-1, keepdims=True)).reshape(x_t.shape)


SCHEDULES = {
    "uniform": gdm.schedule.uniform(3),
    "boundaries": gdm.schedule.from_boundaries((0.3, 0.45), order=(1, 2, 0)),
    "overlapping": gdm.schedule.overlapping(3, 0.4),
}
