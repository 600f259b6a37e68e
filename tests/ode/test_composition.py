"""The groupwise ODE among other functions: gradients, jit, vmap, what compiles again, and what is refused."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from tests.ode.mixing import SCHEDULES, mixing, vectors
from tests.runs import compilations


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


@pytest.mark.parametrize(
    "change, message",
    [
        ({"solver": "eular", "steps": 9}, "solver: must be one of euler"),
        ({"solver": "euler", "steps": 2}, "at least one for each piece of the path, 3 here, got 2"),
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


@pytest.mark.parametrize("call", ["generate", "encode", "log_likelihood", "invert"])
def test_inside_jit_with_data_from_outside(call):
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


def test_the_gradient_does_not_depend_on_what_is_kept_of_it():
    """Many more steps than states are kept: the derivative is that of `DirectAdjoint`, which keeps all."""
    process, schedule = gdm.Process(gdm.groups.single((6,))), gdm.schedule.scalar()
    z = jax.random.normal(jax.random.key(0), (1, 6)) / 3

    def gradient(**options):
        options |= {"solver": "euler", "steps": 300}
        return jax.grad(lambda z: gdm.generate(mixing, process, schedule, z, **options).sum())(z)

    np.testing.assert_allclose(gradient(), gradient(adjoint=diffrax.DirectAdjoint()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"frames": -1}, "frames: must be a whole number of at least 0, got -1"),
        ({"frames": 1.5}, "frames: must be a whole number of at least 0, got 1.5"),
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
