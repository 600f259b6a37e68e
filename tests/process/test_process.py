"""Perturbation and target: the formulas of Eqs. 6, 11 and 16 in full matrices, and autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from tests.conftest import SIZE

ALPHAS = np.random.default_rng(5).uniform(0.05, 0.95, (3, 64)).astype(np.float32)


def in_basis(process, weights, x):
    """U diag(w_g) U^T x for one image, one matrix per channel, from U formed in full."""
    units = np.eye(SIZE * SIZE, dtype=np.float32).reshape(-1, SIZE, SIZE, 1)
    u = np.asarray(process.basis.inverse(units), np.float64).reshape(-1, SIZE * SIZE).T
    index = np.broadcast_to(process.groups.index.reshape(SIZE, SIZE, -1), x.shape)
    columns = [u @ np.diag(weights[index[..., c].ravel()]) @ u.T @ x[..., c].ravel() for c in range(x.shape[-1])]
    return np.stack(columns, -1).reshape(x.shape)


def test_perturb(process, pair):
    x, z = pair
    alpha = ALPHAS[:, : process.k]
    s = np.asarray(1 - alpha, np.float64)
    linear = process.interpolant == "linear"
    signal, noise = (1 - s, s) if linear else (np.cos(np.pi * s / 2), np.sin(np.pi * s / 2))
    expected = [in_basis(process, signal[n], x[n]) + in_basis(process, noise[n], z[n]) for n in range(len(x))]
    np.testing.assert_allclose(process.perturb(x, z, alpha), expected, atol=3e-6)


def test_ends_of_the_path(process, pair):
    x, z = pair
    ones = jnp.ones((3, process.k))
    np.testing.assert_allclose(process.perturb(x, z, ones), x, atol=1e-6)
    np.testing.assert_allclose(process.perturb(x, z, 0 * ones), z, atol=1e-6)


def test_target_is_the_derivative(process, pair):
    """-d x_t / d s with every group's progress moving alike, by autodiff of perturb."""
    x, z = pair
    alpha = ALPHAS[:, : process.k]
    _, derivative = jax.jvp(lambda a: process.perturb(x, z, a), (alpha,), (jnp.ones_like(alpha),))
    np.testing.assert_allclose(process.target(x, z, alpha), derivative, atol=1e-5)


def test_velocity_needs_only_the_target(process, pair):
    """Eqs. 6 and 9: along any path d x_t = U diag(d alpha_g) U^T target."""
    x, z = pair
    alpha, speed = ALPHAS[:, : process.k], ALPHAS[:, -process.k :]
    _, velocity = jax.jvp(lambda a: process.perturb(x, z, a), (alpha,), (speed,))
    np.testing.assert_allclose(process.diagonal(speed, process.target(x, z, alpha)), velocity, atol=1e-5)


def test_works_under_jit_vmap_and_grad(process, pair):
    x, z = pair
    alpha = ALPHAS[:, : process.k]
    one_by_one = jax.vmap(lambda x, z, a: process.perturb(x[None], z[None], a[None])[0])(x, z, alpha)
    np.testing.assert_allclose(one_by_one, process.perturb(x, z, alpha), atol=1e-6)
    passed = jax.jit(lambda p, x: p.diagonal(alpha, x))(process, x)
    np.testing.assert_allclose(passed, process.diagonal(alpha, x), atol=1e-6)
    assert jnp.isfinite(jax.grad(lambda x: process.perturb(x, z, alpha).sum())(x)).all()


def test_compiles_once_for_each_shape(pair):
    x, z = pair
    before = gdm.Process.perturb._cache_size()
    for seed in range(3):
        groups = gdm.groups.from_index(np.random.default_rng(seed).permutation(16).reshape(4, 4) % 5)
        gdm.Process(groups, gdm.basis.dct(4)).perturb(x, z, ALPHAS[:, :5])
    assert gdm.Process.perturb._cache_size() == before + 1


def test_vectors():
    process = gdm.Process(gdm.groups.per_element((2,)))
    x, z = jnp.array([[1.0, 2.0]]), jnp.array([[10.0, 20.0]])
    np.testing.assert_allclose(process.perturb(x, z, jnp.array([[1.0, 0.5]])), [[1.0, 11.0]])


def test_strict_hides_groups_not_begun(pair):
    x, z = pair
    groups = gdm.groups.bottom_to_top((4, 4), 2)
    seen = gdm.Process(groups, strict=True).hide(x, jnp.array([1.0, 0.0]))
    np.testing.assert_array_equal(seen[:, :2], 0 * x[:, :2])
    np.testing.assert_array_equal(seen[:, 2:], x[:, 2:])
    np.testing.assert_array_equal(gdm.Process(groups).hide(x, jnp.array([1.0, 0.0])), x)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: gdm.Process(gdm.groups.single((4, 4)), interpolant="cubic"), "must be one of linear"),
        (lambda: gdm.Process(gdm.groups.single((4, 4)), gdm.basis.dct(5)), r"\(4, 4\) but the basis acts on \(5, 5\)"),
        (lambda: gdm.Process(gdm.groups.single((4, 4))).diagonal(jnp.ones(1), jnp.ones((1, 5, 4, 1))), "expected data"),
        (
            lambda: gdm.Process(gdm.groups.single((4, 4))).diagonal(jnp.ones(2), jnp.ones((1, 4, 4, 1))),
            "each of 1 groups",
        ),
        (lambda: gdm.Process(gdm.groups.single((2,))).check(jnp.ones((1, 2, 3))), "expected data"),
    ],
)
def test_bad_processes(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("name", gdm.interpolant.INTERPOLANTS)
def test_interpolants(name):
    path, s = gdm.interpolant.get(name), jnp.linspace(0, 1, 9)
    np.testing.assert_allclose(jax.vmap(jax.grad(path.signal))(s), path.signal_rate(s), atol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.grad(path.noise))(s), path.noise_rate(s), atol=1e-6)
    assert [float(f(v)) for f, v in [(path.signal, 0.0), (path.signal, 1.0), (path.noise, 0.0), (path.noise, 1.0)]] == (
        pytest.approx([1, 0, 0, 1], abs=1e-7)
    )
