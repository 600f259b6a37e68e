"""The groupwise ODE: measured orders across boundaries, exactness of what stands still, Props. 3.1 to 3.3."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from tests.gaussian import covariance, network
from tests.runs import compilations


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


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


@functools.cache
def reference(schedule):
    """The exact flow of `mixing` from one noise, in double precision."""
    z = jax.random.normal(jax.random.key(0), (1, 6))
    exact = gdm.generate(mixing, vectors(), SCHEDULES[schedule], z, solver="dopri8", steps=None, rtol=1e-12, atol=1e-12)
    return z, exact


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    "solver, order, steps", [("euler", 1, 240), ("heun", 2, 60), ("midpoint", 2, 60), ("bosh3", 3, 60), ("rk4", 4, 60)]
)
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


def test_adaptive_does_not_depend_on_the_batch():
    process, schedule = vectors(), gdm.schedule.uniform(3)
    z = jax.random.normal(jax.random.key(6), (5, 6)) * jnp.array([[0.1], [1.0], [5.0], [1.0], [0.3]])
    together = gdm.generate(mixing, process, schedule, z, solver="tsit5", steps=None)
    alone = gdm.generate(mixing, process, schedule, z[2:3], solver="tsit5", steps=None)
    np.testing.assert_allclose(together[2:3], alone, atol=1e-5)


@pytest.mark.parametrize("adjoint", [diffrax.RecursiveCheckpointAdjoint(), diffrax.DirectAdjoint()])
def test_reverse_mode(adjoint):
    process, schedule = vectors(), gdm.schedule.uniform(3)
    z, direction = jax.random.normal(jax.random.key(7), (2, 1, 6))

    def total(z):
        return jnp.sin(gdm.generate(mixing, process, schedule, z, solver="heun", steps=6, adjoint=adjoint)).sum()

    numeric = (total(z + 1e-2 * direction) - total(z - 1e-2 * direction)) / 2e-2
    assert float(jnp.vdot(jax.grad(total)(z), direction)) == pytest.approx(float(numeric), rel=1e-2)


def test_gradient_with_respect_to_the_network():
    process, schedule = vectors(), gdm.schedule.uniform(3)

    def total(scale):
        u = functools.partial(lambda s, x_t, alpha: s * jnp.tanh(x_t), scale)
        return gdm.generate(u, process, schedule, jnp.ones((1, 6)), solver="euler", steps=6).sum()

    assert jax.grad(total)(0.7) == pytest.approx(float(total(0.71) - total(0.69)) / 0.02, rel=1e-3)


def test_new_parameters_reuse_the_compilation():
    process, schedule = vectors(), gdm.schedule.uniform(3)

    def apply(scale, x_t, alpha):
        return scale * x_t

    for count, scale in enumerate(jnp.array([0.1, 0.2, 0.3])):
        with compilations() as made:
            gdm.generate(functools.partial(apply, scale), process, schedule, jnp.ones((2, 6)), solver="euler", steps=6)
        assert bool(made) == (count == 0)


def test_solver_objects_and_vmap():
    process, schedule, z = vectors(), gdm.schedule.uniform(3), jnp.ones((2, 6))
    named = gdm.generate(mixing, process, schedule, z, solver="ralston", steps=6)
    given = gdm.generate(mixing, process, schedule, z, solver=diffrax.Ralston(), steps=6)
    np.testing.assert_array_equal(named, given)
    mapped = jax.vmap(lambda z: gdm.generate(mixing, process, schedule, z, solver="ralston", steps=6))(z[:, None])
    np.testing.assert_allclose(mapped[:, 0], named, atol=1e-6)


def test_inverse_euler_undoes_euler():
    process, schedule = vectors(), gdm.schedule.uniform(3)
    u = lambda x_t, alpha: 0.3 * mixing(x_t, alpha)  # noqa: E731
    x = gdm.generate(u, process, schedule, jnp.ones((1, 6)), solver="euler", steps=30)
    z = gdm.encode(u, process, schedule, x, solver="inverse_euler", steps=30)
    np.testing.assert_allclose(z, jnp.ones((1, 6)), atol=1e-4)


def test_latents_depend_on_their_seed_alone():
    z = gdm.noise([5, 6, 7], (4, 4, 1))
    np.testing.assert_array_equal(z[1:2], gdm.noise([6], (4, 4, 1)))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"solver": "eular", "steps": 9}, "solver: must be one of euler"),
        ({"solver": "euler", "steps": 2}, "at least one per segment, 3 here, got 2"),
        ({"solver": "euler", "steps": (1, 2)}, "a total or 3 positive numbers"),
        ({"solver": "euler", "steps": (1, 0, 3)}, "a total or 3 positive numbers"),
        ({"solver": "euler", "steps": None}, "Euler cannot adapt its steps"),
        ({"solver": "euler", "steps": (3, 3, 3), "schedule": gdm.schedule.overlapping(3, 0.5)}, "one at a time"),
        ({"steps": 9, "schedule": gdm.schedule.uniform(2)}, "2 intervals but the process has 3 groups"),
        ({"steps": 9, "z": jnp.full((1, 6), jnp.nan)}, "z holds NaN"),
        ({"steps": 9, "z": jnp.ones((1, 5))}, "expected data of shape"),
        ({"steps": 9, "schedule": gdm.schedule.uniform(3).reorder([[0, 1, 2], [1, 2, 0]])}, "one schedule for"),
        ({"solver": "euler", "steps": 9.5}, "whole numbers"),
        ({"solver": "tsit5", "steps": None, "rtol": -1.0}, "must not be negative"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input(change, message):
    change = {"schedule": gdm.schedule.uniform(3), "z": jnp.ones((1, 6)), **change}
    schedule, z = change.pop("schedule"), change.pop("z")
    with pytest.raises(ValueError, match=message):
        gdm.generate(mixing, vectors(), schedule, z, **change)


def test_too_many_adaptive_steps_are_an_error():
    """Named example by example outside jit, and raised inside it."""
    options = {"solver": "tsit5", "steps": None, "max_steps": 2}
    process, schedule, z = vectors(), gdm.schedule.uniform(3), jnp.ones((2, 6))
    with pytest.raises(RuntimeError, match=r"Tsit5 did not finish example\(s\) 0, 1: .*max_steps=2"):
        gdm.generate(mixing, process, schedule, z, **options)
    with pytest.raises(RuntimeError, match="the solver failed"):
        jax.jit(lambda z: gdm.generate(mixing, process, schedule, z, **options))(z).block_until_ready()


# Composition


@pytest.mark.parametrize("call", ["generate", "encode", "log_likelihood", "invert"])
def test_inside_jit_with_data_from_outside(quick_compilation, call):
    """The ordinary way to differentiate through a solve: the network's parameters are traced, the data are not."""
    process, schedule, x = vectors(), gdm.schedule.uniform(3), jax.random.normal(jax.random.key(0), (2, 6)) / 3

    @jax.jit
    def total(scale):
        u = functools.partial(lambda scale, x_t, alpha: jnp.tanh(scale * x_t), scale)
        options = {"steps": 3} | ({} if call == "invert" else {"solver": "euler"})
        found = getattr(gdm, call)(u, process, schedule, x, **options)
        return found.sum() if isinstance(found, jax.Array) else jax.tree.leaves(found)[0].sum()

    slope = (total(0.5 + 1e-2) - total(0.5 - 1e-2)) / 2e-2
    assert jax.jit(jax.grad(total))(0.5) == pytest.approx(float(slope), rel=1e-2)


def test_nan_is_refused_inside_jit_too():
    process, schedule, x = vectors(), gdm.schedule.uniform(3), jnp.full((1, 6), jnp.nan)
    with pytest.raises(ValueError, match="z holds NaN or infinite values"):
        jax.jit(lambda scale: gdm.generate(lambda x_t, a: scale * x_t, process, schedule, x, steps=6))(0.5)


def test_a_schedule_and_a_process_made_inside_jit():
    z = jax.random.normal(jax.random.key(0), (2, 6))
    options = {"solver": "euler", "steps": 6}
    expected = gdm.generate(mixing, vectors(), gdm.schedule.from_boundaries((0.2, 0.5), order=(2, 0, 1)), z, **options)

    @jax.jit
    def inside(z):
        schedule = gdm.schedule.uniform(3).reorder((2, 0, 1))
        schedule = gdm.schedule.from_boundaries((0.2, 0.5)).reorder(np.argsort(-schedule.t_start))
        return gdm.generate(mixing, vectors(), schedule, z, **options)

    np.testing.assert_allclose(inside(z), expected, atol=1e-5)
    taken = jax.jit(lambda process, z: gdm.generate(mixing, process, SCHEDULES["uniform"], z, **options))
    np.testing.assert_allclose(
        taken(vectors(), z), gdm.generate(mixing, vectors(), SCHEDULES["uniform"], z, **options), atol=1e-5
    )


def test_a_search_compiles_once():
    """Over shares of a budget, orders and intervals of one total, tolerances and budgets: all are data."""
    process, z = vectors(), jax.random.normal(jax.random.key(0), (2, 6))
    u = mixing
    rng = np.random.default_rng(0)
    shares = [1 + rng.multinomial(13, rng.dirichlet(np.ones(3))) for _ in range(40)]
    gdm.generate(u, process, gdm.schedule.uniform(3), z, solver="euler", steps=shares[0])
    with compilations() as made:
        for steps in shares:
            gdm.generate(u, process, gdm.schedule.uniform(3), z, solver="euler", steps=steps)
        for steps in (5, 16, 40):
            schedule = gdm.schedule.from_boundaries((0.1, 0.7), order=(1, 0, 2))
            gdm.generate(u, process, schedule, z, solver="euler", steps=steps)
    assert not made and len({tuple(steps) for steps in shares}) > 30
    gdm.generate(u, process, gdm.schedule.uniform(3), z, solver="tsit5", steps=None)
    with compilations() as made:
        gdm.generate(u, process, gdm.schedule.uniform(3), z, solver="tsit5", steps=None, rtol=1e-3, atol=1e-4)
    assert not made


def test_the_gradient_does_not_depend_on_what_is_kept_of_it(quick_compilation):
    """Many more steps than states are kept: the derivative is that of `DirectAdjoint`, which keeps all."""
    process, schedule = gdm.Process(gdm.groups.single((6,))), gdm.schedule.scalar()
    z = jax.random.normal(jax.random.key(0), (1, 6)) / 3

    def gradient(**options):
        options |= {"solver": "euler", "steps": 300}
        return jax.grad(lambda z: gdm.generate(mixing, process, schedule, z, **options).sum())(z)

    np.testing.assert_allclose(gradient(), gradient(adjoint=diffrax.DirectAdjoint()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("basis", [gdm.basis.dct(8), gdm.basis.gaussian_blur(8)])
def test_bases_hold_what_double_precision_asks_for(double, basis):
    x = jax.random.normal(jax.random.key(0), (2, 8, 8), jnp.float64)
    np.testing.assert_allclose(basis.inverse(basis.forward(x)), x, atol=1e-12)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"frames": -1}, "frames must be a whole number of at least 0, got -1"),
        ({"frames": 1.5}, "frames must be a whole number of at least 0, got 1.5"),
        ({"z": np.ones((2, 6), np.complex64)}, "expected real numbers, got complex64"),
        ({"z": np.ones((2, 6), np.uint8)}, "expected real numbers, got uint8; bring bytes to"),
        ({"z": np.ones((2, 6), int)}, "expected real numbers, got int32; bring bytes to"),
        ({"solver": "inverse_euler"}, "inverse_euler is for encode"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_is_no_solve(change, message):
    options = {"z": jnp.ones((2, 6)), "solver": "euler", "steps": 6} | change
    with pytest.raises(ValueError, match=message):
        gdm.generate(mixing, vectors(), gdm.schedule.uniform(3), options.pop("z"), **options)


@pytest.mark.parametrize("call", ["unweighted", "moving", "weighted", "encode", "invert", "log_likelihood"])
@pytest.mark.usefixtures("unchecked")
def test_bytes_are_no_data(call):
    process, schedule, x = vectors(), gdm.schedule.uniform(3), np.full((2, 6), 200, np.uint8)
    z, t = np.zeros((2, 6), np.float32), np.array([0.2, 0.7], np.float32)
    with pytest.raises(ValueError, match="expected real numbers, got uint8; bring bytes to"):
        if call in ("unweighted", "moving"):
            getattr(gdm.loss, call)(mixing, process, x, z, schedule.alpha(t))
        elif call == "weighted":
            gdm.loss.weighted(mixing, process, schedule, x, z, t)
        else:
            getattr(gdm, call)(mixing, process, schedule, x, steps=6)


@pytest.mark.parametrize("keep", [[0.7], [True], ["a"], [[0]]])
@pytest.mark.usefixtures("unchecked")
def test_groups_are_whole_numbers(keep):
    x = jnp.ones((1, 6))
    with pytest.raises(ValueError, match="groups: must be whole numbers"):
        gdm.generate_given(mixing, vectors(), gdm.schedule.uniform(3), x, x, keep=keep, steps=3)


def test_no_examples_have_no_losses():
    process, schedule, none = vectors(), gdm.schedule.uniform(3), jnp.zeros((0, 6))
    u = lambda x_t, alpha: x_t * alpha[:, :1]  # noqa: E731
    for found in (
        gdm.loss.unweighted(u, process, none, none, schedule.alpha(jnp.zeros(0))),
        gdm.loss.moving(u, process, none, none, schedule.alpha(jnp.zeros(0))),
        gdm.loss.weighted(u, process, schedule, none, none, jnp.zeros(0)),
    ):
        assert found.shape == (0,)
