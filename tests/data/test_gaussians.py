"""The mixture's densities against NumPy and SciPy, and its draws."""

import numpy as np
import pytest
from scipy.stats import norm

from gdm_jax import data

MIXTURE = data.Mixture.default(size=100_000)
AXIS = np.linspace(-4, 4, 401)
CELL = AXIS[1] - AXIS[0]


def test_density_is_the_sum_of_its_components():
    x = np.random.default_rng(0).normal(size=(50, 2))
    parts = [w * norm.pdf(x, mean, std).prod(-1) for w, mean, std in zip(MIXTURE.weights, MIXTURE.means, MIXTURE.stds)]
    np.testing.assert_allclose(np.exp(MIXTURE.log_density(x)), sum(parts), rtol=1e-10)


def test_densities_integrate_to_one():
    grid = np.stack(np.meshgrid(AXIS, AXIS), -1).reshape(-1, 2)
    assert np.exp(MIXTURE.log_density(grid)).sum() * CELL**2 == pytest.approx(1, abs=1e-6)
    for axis in (0, 1):
        assert np.exp(MIXTURE.log_marginal(AXIS, axis)).sum() * CELL == pytest.approx(1, abs=1e-6)
        given = np.full_like(AXIS, 0.3)
        assert np.exp(MIXTURE.log_conditional(AXIS, given, axis)).sum() * CELL == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_chain_rule(axis):
    x = np.random.default_rng(1).normal(size=(50, 2))
    value, given = x[:, axis], x[:, 1 - axis]
    total = MIXTURE.log_marginal(given, 1 - axis) + MIXTURE.log_conditional(value, given, axis)
    np.testing.assert_allclose(total, MIXTURE.log_density(x), rtol=1e-10)


def test_draws_follow_the_density():
    x = np.stack([MIXTURE[i]["x"] for i in range(len(MIXTURE))])
    mean = MIXTURE.weights @ MIXTURE.means
    centred = MIXTURE.means - mean
    covariance = np.diag(MIXTURE.weights @ MIXTURE.stds**2) + (MIXTURE.weights[:, None] * centred).T @ centred
    np.testing.assert_allclose(x.mean(0), mean, atol=0.02)
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=0.02)
    for axis in (0, 1):
        share, edges = np.histogram(x[:, axis], bins=30, range=(-2, 2))
        cdf = norm.cdf(edges[:, None], MIXTURE.means[:, axis], MIXTURE.stds[:, axis]) @ MIXTURE.weights
        np.testing.assert_allclose(share / len(x), np.diff(cdf), atol=0.005)


def test_an_example_is_always_the_same_draw():
    again, held_out = data.Mixture.default(size=100_000), data.Mixture.default(seed=1, size=10)
    np.testing.assert_array_equal(MIXTURE[5]["x"], again[5]["x"])
    assert len(held_out) == 10 and (held_out[5]["x"] != again[5]["x"]).all()
