"""What the mean and the variance of the data tell of the field, against regression on samples."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import data, training
from gdm_jax.config import build
from gdm_jax.networks import Preconditioned
from tests.runs import created, same

MEAN, DEVIATION = np.array([0.8, -0.5, 0.1]), np.array([0.9, 0.9, 0.05])
GROUPS = gdm.groups.from_index([0, 0, 1])


class Says:
    """A network without parameters that answers by a function of what it sees."""

    def __init__(self, function):
        self.function = function

    def init(self, key, x, alpha, *rest):
        return {}

    def apply(self, params, x, alpha):
        return self.function(x)


def fitted(answer, process, x):
    net = Preconditioned(Says(answer), process)
    params = net.fit(net.init(jax.random.key(0), x[:1], jnp.zeros((1, process.k))), x)
    return lambda x_t, alpha: np.asarray(net.apply(params, x_t, alpha))


@pytest.mark.parametrize("interpolant", ["linear", "variance_preserving"])
@pytest.mark.parametrize("alpha", [(0.0, 0.0), (0.3, 0.9), (0.5, 0.02), (1.0, 0.6)])
def test_it_is_linear_regression_of_the_target(interpolant, alpha):
    """Slope, intercept and what is left over, of each element by itself; F sees mean 0 and variance 1."""
    process = gdm.Process(GROUPS, interpolant=interpolant)
    draws = np.random.default_rng(0).standard_normal((2, 40_000, 3)).astype(np.float32)
    x, z, alpha = (MEAN + DEVIATION * draws[0]).astype(np.float32), draws[1], np.array(alpha, np.float32)
    x_t, target = np.asarray(process.perturb(x, z, alpha)), np.asarray(process.target(x, z, alpha))
    each = np.tile(alpha, (len(x), 1))
    linear = fitted(jnp.zeros_like, process, x)(x_t, each)
    left_over = fitted(jnp.ones_like, process, x)(x_t, each) - linear
    out = left_over[0]
    seen = (fitted(lambda seen: seen, process, x)(x_t, each) - linear) / left_over
    for n in range(3):
        slope, intercept = np.polyfit(x_t[:, n], target[:, n], 1)
        np.testing.assert_allclose(linear[:, n], slope * x_t[:, n] + intercept, atol=0.06)
        assert np.std(target[:, n] - linear[:, n]) == pytest.approx(out[n], rel=0.02, abs=2e-3)
    np.testing.assert_allclose(seen.mean(0), 0, atol=0.02)
    np.testing.assert_allclose(seen.std(0), 1, atol=0.02)


def test_statistics_are_those_of_the_coefficients():
    """The mean of each coefficient, and the variance about it over the coefficients of a group."""
    basis = gdm.basis.dct(4)
    process = gdm.Process(gdm.groups.frequency_bands(basis.rank, (2, 6)), basis)
    x = np.random.default_rng(0).normal(0.3, 1, (50, 4, 4, 2)).astype(np.float32)
    x_bar, index = np.asarray(basis.forward(x)), np.asarray(process.groups.index)
    net = Preconditioned(Says(jnp.zeros_like), process)
    found = net.fit({}, x)["data"]
    np.testing.assert_allclose(found["mean"], x_bar.mean(0), atol=1e-5)
    away = x_bar - x_bar.mean(0)
    of_group = [np.concatenate([away[:, a, b] for a, b in np.argwhere(index == j)]) for j in range(3)]
    expected = [max(np.mean(x**2), (np.mean(x**4) / 3) ** 0.5) for x in of_group]
    np.testing.assert_allclose(found["variance"], expected, rtol=1e-5)


def test_rare_values_do_not_reach_the_network_as_huge_ones():
    """One in a thousand is white where all others are black: 32 deviations from the mean, of which 7 are left."""
    process, x = gdm.Process(GROUPS), np.full((4000, 3), -1, np.float32)
    x[::1000, 2] = 1
    seen = []
    fitted(lambda x: seen.append(np.abs(x).max()) or x, process, x)(x, np.ones((4000, 2), np.float32))
    assert abs(x[:, 2] - x[:, 2].mean()).max() > 31 * x[:, 2].std() and 6 < seen[0] < 8


def test_constant_data_give_a_finite_field():
    process = gdm.Process(GROUPS)
    u = fitted(lambda seen: seen, process, np.full((5, 3), 0.25, np.float32))
    for alpha in (0.0, 0.5, 1.0):
        values = u(np.array([[0.25, 0.25 + 1e-6, -3]], np.float32), np.full((1, 2), alpha, np.float32))
        assert np.isfinite(values).all() and np.abs(values).max() < 200


def changed(config, model, **training):
    model, training = dataclasses.replace(config.model, **model), dataclasses.replace(config.training, **training)
    return dataclasses.replace(config, model=model, training=training)


@pytest.fixture(scope="module")
def learnt(tiny, tmp_path_factory):
    """Config, workdir and last state of a short run that was interrupted once."""
    workdir, config = tmp_path_factory.mktemp("run"), changed(tiny(), {"precondition": True}, steps=6)
    training.train(changed(config, {}, steps=3), workdir, progress=False)
    return config, workdir, training.train(config, workdir, progress=False)


def test_training_measures_the_statistics_once_and_keeps_them(learnt):
    config, workdir, state = learnt
    source = data.open_source(config.data)
    x, _ = data.examples(source, np.arange(len(source)))
    net = build.network(config, build.process(config))
    expected = net.fit(created(config, net, 4).params, x)["data"]
    same(state.params["data"], expected)
    same(state.ema["data"], expected)
    z = gdm.noise([0, 1], config.data.shape)
    np.testing.assert_allclose(gdm.load(workdir).u(z, jnp.zeros((2, 4))), net.apply(state.ema, z, jnp.zeros((2, 4))))


@pytest.mark.parametrize("jumps", [False, True])
def test_a_run_begun_from_it_keeps_them(learnt, tmp_path, jumps):
    config, workdir, state = learnt
    loss = "mean_flow" if jumps else "unweighted"
    config = changed(config, {"jumps": jumps}, start_from=str(workdir), loss=loss, steps=1)
    params = training.train(config, tmp_path, progress=False).params
    for part in params.values() if jumps else [params]:
        same(part["data"], state.ema["data"])
