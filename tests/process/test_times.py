"""Times of training: how many fall into each group's interval, and how the noise is spread over it."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import gdm_jax as gdm
from gdm_jax.process.schedule import Schedule
from gdm_jax.process.times import logit_normal, times

N = 20_000
V = (np.arange(N) + 0.5) / N
SCHEDULES = {
    "adjacent": gdm.schedule.from_boundaries((0.2, 0.5)),
    "other order": gdm.schedule.uniform(3, order=(2, 0, 1)),
    "overlapping": gdm.schedule.overlapping(3, 0.3),
}


def many(schedule):
    """The schedule, once for each example."""
    return Schedule(np.broadcast_to(schedule.t_start, (N, 3)), np.broadcast_to(schedule.t_end, (N, 3)))


def mixture(t, schedule, shares, of_noise):
    """The distribution function of t: a share of each group, and that of the noise in its interval."""
    start, end = np.asarray(schedule.t_start), np.asarray(schedule.t_end)
    noise = np.clip((t[:, None] - start) / (end - start), 0, 1)
    return sum(shares[j] * of_noise(noise[:, j], j) for j in range(3))


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("width, tails", [(0.0, 0.0), (0.7, 0.0), (0.7, 0.25)])
def test_times_follow_their_mixture(schedule, width, tails):
    """The empirical distribution is the mixture's, and evenly spread numbers meet it within a few of their steps."""
    shares, shift = (0.2, 0.5, 0.3), (0.5, 1.0, 3.0)

    def of_noise(s, j):
        with np.errstate(divide="ignore"):
            logit = np.log(s) - np.log1p(-s) - np.log(shift[j])
        plain = scipy.stats.logistic.cdf(logit)
        return (1 - tails) * scipy.stats.norm.cdf(logit / width) + tails * plain if width else plain

    how = {"density": functools.partial(logit_normal, width=width), "tails": tails} if width else {}
    t = np.sort(times(V, many(schedule), shares=shares, shift=shift, **how)).astype(np.float64)
    assert 0 <= t.min() and t.max() < 1
    np.testing.assert_allclose(mixture(t, schedule, shares, of_noise), V, atol=1e-3)


def test_nothing_asked_for_is_uniform():
    np.testing.assert_array_equal(times(V, many(SCHEDULES["overlapping"])), jnp.asarray(V))


def test_factors_of_one_change_nothing_where_intervals_are_adjacent():
    np.testing.assert_allclose(np.sort(times(V, many(SCHEDULES["adjacent"]), shift=(1.0, 1.0, 1.0))), V, atol=1e-6)


def test_shares_need_not_sum_to_one():
    schedule = many(SCHEDULES["other order"])
    alike = [times(V, schedule, shares=shares) for shares in ((0.1, 0.5, 0.4), (1.0, 5.0, 4.0))]
    np.testing.assert_allclose(*alike, atol=1e-6)
