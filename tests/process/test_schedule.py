"""The path alpha(t) against Eq. 10 written out, its derivative against autodiff, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm

SCHEDULES = {
    "scalar": gdm.schedule.scalar(),
    "uniform": gdm.schedule.uniform(4),
    "ordered": gdm.schedule.uniform(3, order=(2, 0, 1)),
    "boundaries": gdm.schedule.from_boundaries((0.1, 0.2, 0.5)),
    "overlapping": gdm.schedule.overlapping(3, 0.5),
    "simultaneous": gdm.schedule.overlapping(3, 1.0),
    "paused": gdm.schedule.from_intervals((0.7, 0.1), (0.9, 0.4)),
}


@pytest.fixture(params=SCHEDULES)
def schedule(request):
    return SCHEDULES[request.param]


def eq_10(t, start, end):
    return 1.0 if t < start else 0.0 if t >= end else (end - t) / (end - start)


def test_alpha_is_eq_10(schedule):
    times = np.linspace(0, 1, 41)
    start, end = np.asarray(schedule.t_start, np.float64), np.asarray(schedule.t_end, np.float64)
    expected = [[eq_10(t, a, b) for a, b in zip(start, end)] for t in times]
    np.testing.assert_allclose(schedule.alpha(times), expected, atol=2e-6)


def test_ends(schedule):
    np.testing.assert_array_equal(schedule.alpha(0.0), np.ones(schedule.k))
    np.testing.assert_array_equal(schedule.alpha(1.0), np.zeros(schedule.k))


def test_rate_is_the_derivative(schedule):
    times = jax.random.uniform(jax.random.key(1), (50,))
    derivative = jax.vmap(jax.jacfwd(schedule.alpha))(times)
    np.testing.assert_allclose(schedule.rate(times), derivative, rtol=1e-5)


def test_rate_integrates_to_minus_one(schedule):
    grid = (np.arange(20_000) + 0.5) / 20_000
    np.testing.assert_allclose(schedule.rate(grid).mean(0), -np.ones(schedule.k), atol=2e-3)


def test_pieces_meet_and_alpha_is_straight_on_them(schedule):
    times = np.linspace(0, 1, 50, endpoint=False)
    start, end = schedule.piece(times)
    edges = {0.0, 1.0, *schedule.t_start.tolist(), *schedule.t_end.tolist()}
    assert (start <= times).all() and (times < end).all()
    assert {*np.unique(start).tolist(), *np.unique(end).tolist()} == edges
    middle = (schedule.alpha(start) + schedule.alpha(end)) / 2
    np.testing.assert_allclose(schedule.alpha((start + end) / 2), middle, atol=1e-6)


def test_first_generated_has_the_last_interval():
    assert gdm.schedule.uniform(3, order=(2, 0, 1)).t_end.tolist() == pytest.approx([2 / 3, 1 / 3, 1])
    highest_band = gdm.schedule.from_boundaries((0.1, 0.2, 0.5))
    assert highest_band.t_start.tolist() == pytest.approx([0.5, 0.2, 0.1, 0.0])


def test_reorder_for_each_example():
    orders = jnp.array([[0, 1, 2], [2, 0, 1], [1, 2, 0]])
    batched = gdm.schedule.from_boundaries((0.2, 0.5)).reorder(orders)
    t = jnp.array([0.1, 0.3, 0.9])
    for n, order in enumerate(orders.tolist()):
        one = gdm.schedule.from_boundaries((0.2, 0.5), order=order)
        np.testing.assert_allclose(batched.alpha(t)[n], one.alpha(t[n]), rtol=1e-6)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: gdm.schedule.from_boundaries((0.5, 0.2)), "rise strictly"),
        (lambda: gdm.schedule.from_boundaries((0.5, 1.0)), "rise strictly"),
        (lambda: gdm.schedule.uniform(0), "k must be at least 1"),
        (lambda: gdm.schedule.uniform(3, order=(0, 1, 1)), r"order: expected a permutation of 3 groups, 0\.\.2, got"),
        (lambda: gdm.schedule.overlapping(3, 1.5), "between 0"),
        (lambda: gdm.schedule.overlapping(0, 0.5), "k must be at least 1"),
        (lambda: gdm.schedule.uniform(3).reorder([[0, 1, 2], [0, 0, 1]]), "expected a permutation of 3 groups"),
        (lambda: gdm.schedule.from_intervals((0.5,), (0.5,)), "interval 0 must satisfy"),
        (lambda: gdm.schedule.from_intervals((0.0, 0.5), (0.5, float("nan"))), "interval 1 must satisfy"),
    ],
)
def test_bad_schedules(build, message):
    with pytest.raises(ValueError, match=message):
        build()
