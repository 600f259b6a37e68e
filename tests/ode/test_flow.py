"""The groupwise ODE: measured orders across boundaries, exactness of what stands still, Props. 3.1 to 3.3."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax.ode.multistep import Adams
from tests.gaussian import covariance, network
from tests.ode.mixing import SCHEDULES, mixing, vectors


@functools.cache
def reference(schedule):
    """The exact flow of `mixing` from one noise, in double precision."""
    z = jax.random.normal(jax.random.key(0), (1, 6))
    exact = gdm.generate(mixing, vectors(), SCHEDULES[schedule], z, solver="dopri8", steps=None, rtol=1e-12, atol=1e-12)
    return z, exact


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    "solver, order, steps",
    [
        ("euler", 1, 240), ("heun", 2, 60), ("midpoint", 2, 60), ("bosh3", 3, 60), ("rk4", 4, 60),
        ("ab2", 2, 240), (Adams(2, start="midpoint"), 2, 240), ("ab3", 2, 240),
        (Adams(3, start="midpoint"), 3, 240), ("abm3", 3, 240),
    ],
)  # fmt: skip
def test_order_across_boundaries(double, solver, order, steps, schedule):
    """Halving the step divides the error by 2^order, whatever boundaries lie on the way."""
    z, exact = reference(schedule)
    errors = [
        jnp.abs(gdm.generate(mixing, vectors(), SCHEDULES[schedule], z, solver=solver, steps=n) - exact).max()
        for n in (steps, 2 * steps)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize("interpolant", ["linear", "variance_preserving"])
@pytest.mark.parametrize("steps", [None, 64])
def test_round_trip(steps, interpolant):
    process, schedule = vectors(interpolant=interpolant), gdm.schedule.uniform(3)
    u = network(process, covariance(6))
    x = jax.random.normal(jax.random.key(0), (4, 6))
    options = {"solver": "tsit5", "steps": steps, "rtol": 1e-6, "atol": 1e-6}
    z = gdm.encode(u, process, schedule, x, **options)
    np.testing.assert_allclose(gdm.generate(u, process, schedule, z, **options), x, atol=1e-4)
    assert jnp.abs(z - x).max() > 0.1


def test_samples_have_the_data_s_covariance():
    """The flow is linear, x = T z, and T T^T must be the covariance of the data."""
    process, cov = vectors(), covariance(6)
    flow = gdm.generate(network(process, cov), process, gdm.schedule.uniform(3), np.eye(6), solver="dopri8", steps=None)
    in_basis = np.asarray(process.basis.forward(flow)).T  # column i: where pixel i goes
    np.testing.assert_allclose(in_basis @ in_basis.T, cov, atol=2e-4)


# An orthogonal matrix whose products are exact in binary, so that U^T U is I to the last bit.


HADAMARD = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2


@pytest.mark.parametrize("basis", [gdm.basis.identity(), gdm.basis.orthogonal(HADAMARD, HADAMARD)])
@pytest.mark.parametrize(
    "order, solver, steps", [((0, 1, 2), "euler", 9), ((2, 0, 1), "heun", (3, 2, 4)), ((1, 2, 0), "tsit5", None)]
)
def test_prop_3_3_strict(basis, order, solver, steps):
    """No group depends on the latent of a group generated after it: the derivative is 0, exactly."""
    index = np.arange(16).reshape(4, 4) * 3 // 16
    process = gdm.Process(gdm.groups.from_index(index), basis, strict=True)
    schedule = gdm.schedule.uniform(3, order=order)

    def generated(z_bar):
        z = basis.inverse(z_bar.reshape(1, 4, 4, 1))
        options = {"solver": solver, "steps": steps, "adjoint": diffrax.ForwardMode()}
        return gdm.ode.solve(mixing, process, schedule, z, forward=False, **options).x_bar.ravel()

    jacobian = np.asarray(jax.jacfwd(generated)(jax.random.normal(jax.random.key(2), (16,))))
    for n, group in enumerate(order[:-1]):
        own, later = index.ravel() == group, np.isin(index.ravel(), order[n + 1 :])
        assert (jacobian[np.ix_(own, later)] == 0).all()
        assert (jacobian[np.ix_(later, own)] != 0).any()


def test_prop_3_3_strict_by_value():
    """Other latents of the groups to come leave a finished group as it is, to the last bit, though the steps adapt."""
    process, schedule = gdm.Process(gdm.groups.from_index(np.arange(6) // 2), strict=True), gdm.schedule.uniform(3)
    z = jax.random.normal(jax.random.key(2), (1, 6))
    once, again = (
        gdm.generate(mixing, process, schedule, latent, solver="tsit5", steps=None)
        for latent in (z, z.at[:, 2:].add(5.0))
    )
    np.testing.assert_array_equal(once[:, :2], again[:, :2])
    assert (once[:, 2:] != again[:, 2:]).all()


def test_not_strict_leaks():
    """The same network without strict mode does look at groups not begun: the test above can fail."""
    process = vectors()
    f = lambda z: gdm.generate(mixing, process, gdm.schedule.uniform(3), z[None], solver="euler", steps=9)[0]  # noqa: E731
    jacobian = jax.jacrev(f)(jnp.ones(6))
    in_basis = process.basis.forward(process.basis.forward(jacobian).T).T
    assert jnp.abs(in_basis[:2, 2:]).max() > 1e-3


def test_prop_3_1_autoregression():
    """k = d, one Euler step an element: x_j = E[x_j | x_0 .. x_{j-1}], one after another, whatever z is."""
    cov, process = covariance(5), gdm.Process(gdm.groups.per_element((5,)), strict=True)
    z = jax.random.normal(jax.random.key(3), (2, 5))
    u = network(process, cov)
    x, along = gdm.generate(u, process, gdm.schedule.uniform(5), z, solver="euler", steps=5, frames=1)
    expected = np.array(z, np.float64)
    for j in range(5):
        weights = np.linalg.solve(cov[:j, :j], cov[:j, j]) if j else np.zeros(0)
        expected[:, j] = expected[:, :j] @ weights
        np.testing.assert_allclose(along.frames[j, 0], expected, atol=1e-5)
    np.testing.assert_allclose(x, expected, atol=1e-5)


def test_prop_3_2_cascade():
    """Two cascade groups: an ordinary diffusion of the coarse lattice, then one of the rest given the coarse image."""
    cov, groups = covariance(16), gdm.groups.cascade((4, 4), 2)
    process, steps = gdm.Process(groups, strict=True), (6, 8)
    z = np.asarray(jax.random.normal(jax.random.key(4), (2, 4, 4, 1)))
    x = gdm.generate(network(process, cov), process, gdm.schedule.uniform(2), z, solver="euler", steps=steps)

    def diffusion(mean, cov, y, steps):
        """Euler on the ordinary (k = 1) probability flow of N(mean, cov), written out."""
        for n in range(steps):
            a, b = n / steps, 1 - n / steps
            centred = np.linalg.solve(a * a * cov + b * b * np.eye(len(cov)), (y - a * mean).T).T
            y = y + (mean + centred @ (a * cov) - b * centred) / steps
        return y

    coarse, rest = groups.index.ravel() == 0, groups.index.ravel() == 1
    flat = z.reshape(2, 16).astype(np.float64)
    low = diffusion(np.zeros(coarse.sum()), cov[np.ix_(coarse, coarse)], flat[:, coarse], steps[0])
    gain = cov[np.ix_(rest, coarse)] @ np.linalg.inv(cov[np.ix_(coarse, coarse)])
    conditional = cov[np.ix_(rest, rest)] - gain @ cov[np.ix_(coarse, rest)]
    high = np.stack([diffusion(gain @ low[n], conditional, flat[n : n + 1, rest], steps[1])[0] for n in range(2)])
    np.testing.assert_allclose(np.reshape(x, (2, 16))[:, coarse], low, atol=2e-5)
    np.testing.assert_allclose(np.reshape(x, (2, 16))[:, rest], high, atol=2e-5)


@pytest.mark.parametrize("steps, taken", [(64, [13, 19, 32]), ((5, 7, 2), [5, 7, 2]), (3, [1, 1, 1])])
def test_steps_are_as_asked(steps, taken):
    """Steps in the order of generation; a total is shared out by length."""
    schedule = gdm.schedule.from_boundaries((0.5, 0.8))
    solution = gdm.ode.solve(mixing, vectors(), schedule, jnp.ones((2, 6)), forward=False, solver="heun", steps=steps)
    assert solution.steps.tolist() == taken
    forward = gdm.ode.solve(mixing, vectors(), schedule, jnp.ones((2, 6)), forward=True, solver="heun", steps=steps)
    assert forward.steps.tolist() == taken[::-1]


def test_many_groups_take_their_steps():
    schedule = gdm.schedule.uniform(29)
    process = gdm.Process(gdm.groups.per_element((29,)))
    counts = tuple(range(1, 30))
    solution = gdm.ode.solve(mixing, process, schedule, jnp.ones((1, 29)), forward=False, solver="euler", steps=counts)
    assert solution.steps.tolist() == list(counts)


def test_euler_is_the_plain_loop():
    """Eq. 13 with increments of alpha, step for step in NumPy."""
    process, schedule, n = vectors(), gdm.schedule.uniform(3), 4
    x = np.asarray(jax.random.normal(jax.random.key(5), (2, 6)))
    expected, alpha = x.copy(), np.zeros(3)
    for group in range(3):
        for _ in range(n):
            step = np.eye(3)[group] / n
            u = np.asarray(mixing(jnp.asarray(expected), jnp.broadcast_to(alpha, (2, 3))))
            expected = expected + np.asarray(process.diagonal(jnp.asarray(step, jnp.float32), u))
            alpha = alpha + step
    np.testing.assert_allclose(
        gdm.generate(mixing, process, schedule, x, solver="euler", steps=12), expected, atol=2e-5
    )


def test_frames():
    """Groups come one at a time; finished and waiting ones stand still exactly; the last frame is the result."""
    process = gdm.Process(gdm.groups.from_index(np.arange(6) // 2))
    z = jax.random.normal(jax.random.key(0), (2, 6))
    x, along = gdm.generate(mixing, process, gdm.schedule.uniform(3), z, solver="heun", steps=12, frames=2)
    assert along.frames.shape == (3, 2, 2, 6)
    np.testing.assert_allclose(along.t, [[5 / 6, 2 / 3], [1 / 2, 1 / 3], [1 / 6, 0]], atol=1e-6)
    np.testing.assert_array_equal(along.frames[-1, -1], x)
    np.testing.assert_array_equal(along.frames[0, -1, :, 2:], z[:, 2:])
    np.testing.assert_array_equal(along.frames[1, -1, :, :2], x[:, :2])
    np.testing.assert_allclose(along.frames[1, 0, :, :2], x[:, :2], atol=1e-6)


def test_other_intervals_same_end():
    """The increment of alpha is all that counts: other intervals with the same steps a group change nothing."""
    process, z = vectors(), jnp.ones((2, 6))
    results = [
        gdm.generate(mixing, process, gdm.schedule.from_boundaries(b), z, solver="heun", steps=(4, 4, 4))
        for b in [(0.1, 0.2), (0.6, 0.9)]
    ]
    np.testing.assert_allclose(*results, atol=1e-6)


def test_inverse_euler_undoes_euler():
    process, schedule = vectors(), gdm.schedule.uniform(3)
    u = lambda x_t, alpha: 0.3 * mixing(x_t, alpha)  # noqa: E731
    x = gdm.generate(u, process, schedule, jnp.ones((1, 6)), solver="euler", steps=30)
    z = gdm.encode(u, process, schedule, x, solver="inverse_euler", steps=30)
    np.testing.assert_allclose(z, jnp.ones((1, 6)), atol=1e-4)


def test_latents_depend_on_their_seed_alone():
    z = gdm.noise([5, 6, 7], (4, 4, 1))
    np.testing.assert_array_equal(z[1:2], gdm.noise([6], (4, 4, 1)))


@pytest.mark.parametrize("basis", [gdm.basis.dct(8), gdm.basis.gaussian_blur(8)])
def test_bases_hold_what_double_precision_asks_for(double, basis):
    x = jax.random.normal(jax.random.key(0), (2, 8, 8), jnp.float64)
    np.testing.assert_allclose(basis.inverse(basis.forward(x)), x, atol=1e-12)
