"""Undoing Euler: exact where it says so, and it says so only where it is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax.ode.solvers import InverseEuler

SCHEDULE = gdm.schedule.uniform(2)
PROCESS = gdm.Process(gdm.groups.frequency_bands(gdm.basis.dct(4).rank, (5,)), gdm.basis.dct(4))
Z = jax.random.normal(jax.random.key(0), (6, 4, 4, 1))


def network(strength):
    """tanh of a random linear map whose Lipschitz constant is `strength`."""
    weight = np.random.default_rng(0).normal(size=(16, 16))
    weight = jnp.asarray(strength * weight / np.linalg.norm(weight, 2), jnp.float32)

    def u(x_t, alpha):
        return jnp.tanh(x_t.reshape(-1, 16) @ weight + alpha.sum(-1, keepdims=True)).reshape(x_t.shape)

    return u


@pytest.mark.parametrize("steps", [8, (3, 5)])
@pytest.mark.parametrize("strength", [0.5, 3.0])
@pytest.mark.parametrize("memory", [0, 4])
def test_undoes_generate(strength, steps, memory):
    """Lip(u) |d alpha| is at most 0.75 here, so that every example converges."""
    steps = steps if strength < 1 else 2 * np.asarray(steps)
    x = gdm.generate(network(strength), PROCESS, SCHEDULE, Z, solver="euler", steps=steps)
    found = gdm.invert(network(strength), PROCESS, SCHEDULE, x, steps=steps, memory=memory)
    assert found.converged.all()
    np.testing.assert_allclose(found.z, Z, atol=1e-4)


def test_strict():
    strict = gdm.Process(PROCESS.groups, PROCESS.basis, strict=True)
    x = gdm.generate(network(2.0), strict, SCHEDULE, Z, solver="euler", steps=10)
    np.testing.assert_allclose(gdm.invert(network(2.0), strict, SCHEDULE, x, steps=10).z, Z, atol=1e-4)


def test_acceleration_reaches_beyond_the_contraction():
    """At Lip(u) |d alpha| above 1 plain iteration does not converge for all; accelerated, more do, and truly."""
    u = network(40.0)
    x = gdm.generate(u, PROCESS, SCHEDULE, Z, solver="euler", steps=16)
    plain, mixed = (gdm.invert(u, PROCESS, SCHEDULE, x, steps=16, memory=m) for m in (0, 8))
    assert mixed.converged.sum() > plain.converged.sum()
    again = gdm.generate(u, PROCESS, SCHEDULE, mixed.z, solver="euler", steps=16)
    np.testing.assert_allclose(again[mixed.converged], x[mixed.converged], atol=1e-3)


def test_says_where_it_fails():
    """A network steep enough that steps have no inverse: no example may be called converged without being so."""
    u = network(200.0)
    x = gdm.generate(u, PROCESS, SCHEDULE, Z, solver="euler", steps=4)
    found = gdm.invert(u, PROCESS, SCHEDULE, x, steps=4, max_iterations=30)
    assert not found.converged.all()
    np.testing.assert_array_equal(found.converged, found.error <= 1e-4)


def steep(weight, height, x_t, alpha):
    """height tanh(W x / height), of the Lipschitz constant of W."""
    return height * jnp.tanh(x_t.reshape(-1, 16) @ weight / height).reshape(x_t.shape)


def test_the_stated_error_is_that_of_the_decoded_image():
    """1,000 images under 100 networks, gentle to steep, under which a residual of 2e-6 a step grows on the way back.

    The law: z decodes to x within the error, whether it converged or not; and converged means within the tolerance.
    """
    rng, converged = np.random.default_rng(0), []
    for strength in np.linspace(1, 30, 100):
        weight = rng.normal(size=(16, 16))
        weight = jnp.asarray(strength * weight / np.linalg.norm(weight, 2), jnp.float32)
        x = jnp.asarray(rng.uniform(-1, 1, (10, 4, 4, 1)), jnp.float32)
        u = functools.partial(steep, weight, jnp.float32(rng.choice([1.0, 20.0])))
        found = gdm.invert(u, PROCESS, SCHEDULE, x, steps=16, max_iterations=60)
        again = gdm.generate(u, PROCESS, SCHEDULE, found.z, solver="euler", steps=16)
        missed = np.abs(again - x).max((1, 2, 3))
        assert (missed <= found.error).all() and (found.error[found.converged] <= 1e-4).all()
        converged.append(np.mean(found.converged))
    assert 0.2 < np.mean(converged) < 1  # both kinds are met


def test_a_small_residual_is_not_a_small_error():
    """Every step is solved to 2e-6, and yet the image is missed by far more: then it is not called converged."""
    grow = lambda x_t, alpha: -40 * x_t  # noqa: E731, each step of generate multiplies by 1 - 40 / 16
    x = jax.random.uniform(jax.random.key(1), (4, 4, 4, 1))
    found = gdm.invert(lambda x_t, a: -grow(x_t, a), PROCESS, SCHEDULE, x, steps=32, tolerance=1e-6)
    assert (found.residual <= 2e-6).all() and not found.converged.any()


def test_derivative_of_a_latent():
    """By the network and by the image, against differences."""
    weight, x, way = jnp.asarray(np.random.default_rng(0).normal(size=(16, 16)) / 8), jnp.tanh(Z[:2]), Z[2:4]

    @jax.jit
    def total(strength, x):
        u = functools.partial(steep, strength * weight, 1.0)
        return (gdm.invert(u, PROCESS, SCHEDULE, x, steps=(3, 5)).z * way).sum()

    by_strength, by_x = jax.jit(jax.grad(total, (0, 1)))(0.7, x)
    step = 1e-2
    across = (total(0.7 + step, x) - total(0.7 - step, x)) / (2 * step)
    np.testing.assert_allclose(by_strength, across, rtol=2e-3)
    across = (total(0.7, x + step * way) - total(0.7, x - step * way)) / (2 * step)
    np.testing.assert_allclose((by_x * way).sum(), across, rtol=2e-3)


def test_no_examples():
    found = gdm.invert(network(1.0), PROCESS, SCHEDULE, Z[:0], steps=4)
    assert found.z.shape == (0, 4, 4, 1) and found.error.shape == found.converged.shape == (0,)


def test_the_residual_is_the_step_s_own():
    """With one step an interval, the largest |step(y) - y'|, recomputed."""
    u, schedule, process = network(30.0), gdm.schedule.scalar(), gdm.Process(gdm.groups.single((4, 4)))
    x = gdm.generate(u, process, schedule, Z, solver="euler", steps=1)
    found = gdm.invert(u, process, schedule, x, steps=1, max_iterations=4)
    stepped = gdm.generate(u, process, schedule, found.z, solver="euler", steps=1)
    np.testing.assert_allclose(found.residual, jnp.abs(stepped - x).max((1, 2, 3)), rtol=1e-3, atol=1e-5)
    assert found.residual.max() > 1e-3


def test_inverse_euler_stops_where_it_fails():
    x = gdm.generate(network(200.0), PROCESS, SCHEDULE, Z, solver="euler", steps=4)
    with pytest.raises(RuntimeError, match="InverseEuler did not finish example"):
        solver = InverseEuler(max_iterations=3)
        gdm.encode(network(200.0), PROCESS, SCHEDULE, x, solver=solver, steps=4)


@pytest.mark.usefixtures("unchecked")
def test_bad_input():
    with pytest.raises(ValueError, match="NaN"):
        gdm.invert(network(1.0), PROCESS, SCHEDULE, jnp.full_like(Z, jnp.nan), steps=4)
    with pytest.raises(ValueError, match="at least one for each piece of the path"):
        gdm.invert(network(1.0), PROCESS, SCHEDULE, Z, steps=1)
