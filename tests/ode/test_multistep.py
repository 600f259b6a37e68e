"""Multistep solvers against the plain loop of their formulas, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax.ode.multistep import Adams
from tests import precision
from tests.ode.mixing import mixing, vectors

# The newest value of the field first, by how many earlier ones are known.
BASHFORTH = ([1], [1.5, -0.5], [23 / 12, -16 / 12, 5 / 12])
MOULTON = ([1], [0.5, 0.5], [5 / 12, 8 / 12, -1 / 12])


def walked(solver, z, steps):
    """Adams' formulas as a loop over one group after another; the state at the end and the calls it took."""
    process, calls = vectors(), 0
    x = process.basis.forward(z)

    def field(x, alpha):
        nonlocal calls
        calls += 1
        return process.basis.forward(mixing(process.basis.inverse(x), jnp.broadcast_to(alpha, (len(x), 3))))

    for j, n in enumerate(steps):
        moves = np.asarray(process.groups.index) == j
        alpha = np.array([float(i < j) for i in range(3)])
        fields, last = [], None
        for step in range(n):
            f = field(x, alpha + np.eye(3)[j] * step / n)
            fields = [f, *fields]
            if solver.corrected and step:
                weights = MOULTON[min(step, 2)]
                x = last + moves / n * sum(w * f for w, f in zip(weights, fields))
            last = x
            weights = BASHFORTH[min(step, solver.values - 1)]
            slopes = fields
            if solver.start == "midpoint" and not step:
                slopes = [field(x + moves / n / 2 * f, alpha + np.eye(3)[j] / n / 2)]
            x = x + moves / n * sum(w * f for w, f in zip(weights, slopes))
    return process.basis.inverse(x), calls


@pytest.mark.parametrize("steps", [(1, 2, 7), (5, 4, 3)])
@pytest.mark.parametrize(
    "solver", [Adams(2), Adams(3), Adams(3, start="midpoint"), Adams(2, corrected=True), Adams(3, True, "midpoint")]
)
def test_the_formulas(solver, steps):
    z = jax.random.normal(jax.random.key(0), (2, 6))
    expected, calls = walked(solver, z, steps)
    found = gdm.generate(mixing, vectors(), gdm.schedule.uniform(3), z, solver=solver, steps=steps)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert gdm.ode.calls(solver, np.array(steps)) == calls


def test_names():
    made = {name: gdm.ode.SOLVERS[name]() for name in ("ab2", "ab3", "abm3")}
    assert made == {"ab2": Adams(2), "ab3": Adams(3), "abm3": Adams(2, corrected=True)}


def test_frames_between_steps():
    """Of third order, as the solver: the error falls eightfold when the steps are halved."""
    z, schedule = jax.random.normal(jax.random.key(0), (1, 6)), gdm.schedule.uniform(3)
    with precision.double():
        z = z.astype(jnp.float64)

        def frames(solver, steps):
            return gdm.generate(mixing, vectors(), schedule, z, solver=solver, steps=steps, frames=7)[1].frames

        exact = frames("dopri8", 600)
        errors = [np.abs(frames("abm3", n) - exact).max() for n in (30, 60)]
    assert errors[0] / errors[1] > 6


def test_gradient():
    """Through every step: the derivative is that of finite differences."""
    process, schedule, z = vectors(), gdm.schedule.uniform(3), jnp.ones((1, 6)) / 3
    with precision.double():
        z = z.astype(jnp.float64)
        value = lambda z: gdm.generate(mixing, process, schedule, z, solver="abm3", steps=9).sum()  # noqa: E731
        found = jax.grad(value)(z)[0, 0]
        step = jnp.zeros((1, 6)).at[0, 0].set(1e-5)
        np.testing.assert_allclose(found, (value(z + step) - value(z - step)) / 2e-5, rtol=1e-5)


def test_held_groups_stay():
    process, schedule = vectors(), gdm.schedule.uniform(3)
    z = jax.random.normal(jax.random.key(0), (2, 6))
    solution = gdm.ode.solve(mixing, process, schedule, z, forward=False, solver="abm3", steps=12, done=(0,))
    still = np.asarray(process.groups.index) == 0
    np.testing.assert_array_equal(solution.x_bar[:, still], process.basis.forward(z)[:, still])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Adams(4), "values: must be 2 or 3, got 4"),
        (lambda: Adams(2, start="rk4"), "start: must be one of euler, midpoint, got 'rk4'"),
        (
            lambda: gdm.generate(mixing, vectors(), gdm.schedule.uniform(3), jnp.ones((1, 6)), solver="ab2"),
            "ode: Adams cannot adapt its steps; pass steps=N, or take tsit5",
        ),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
