"""The optimizer and the averaged parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdm_jax.training import state as states


def test_ema_decay(tiny):
    """0.5^(batch / half-life), the half-life rising to its full length with the images seen."""
    config = tiny(ema_halflife_images=160, ema_ramp=0.5)
    for step in range(40):
        halflife = min(160, 0.5 * step * 16)
        expected = 0.5 ** (16 / halflife) if halflife else 0
        assert states.ema_decay(config.training, step) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    after = np.prod([states.ema_decay(config.training, step) for step in range(30, 40)])
    assert after == pytest.approx(0.5, rel=1e-5)  # ten steps of 16 are one half-life


@pytest.mark.parametrize("decay", ["constant", "cosine"])
def test_warm_up_and_decay(tiny, decay):
    """Under a constant gradient Adam moves by exactly the learning rate."""
    config = tiny(decay=decay, learning_rate=0.1)
    optimizer = states.optimizer(config.training)
    params = {"w": jnp.zeros(1)}
    opt_state, rates = optimizer.init(params), []
    for _ in range(12):
        updates, opt_state = optimizer.update({"w": jnp.ones(1)}, opt_state, params)
        rates.append(-float(updates["w"][0]))
    after = 0.1 * (np.ones(8) if decay == "constant" else (1 + np.cos(np.pi * np.arange(8) / 8)) / 2)
    np.testing.assert_allclose(rates, [0, 0.025, 0.05, 0.075, *after], rtol=1e-4, atol=1e-7)


def test_clipping_bounds_the_gradient(tiny):
    optimizer = states.optimizer(tiny(clip=1.0, betas=(0.0, 0.0), warmup_images=0, learning_rate=1.0).training)
    clipped = optimizer.update({"w": jnp.array([3e3, 4e3])}, optimizer.init({"w": jnp.zeros(2)}))[1]
    moment = next(leaf for leaf in jax.tree.leaves(clipped) if leaf.shape == (2,))
    np.testing.assert_allclose(moment, [0.6, 0.8], rtol=1e-5)


@pytest.mark.parametrize("steps", [6, 100])
def test_the_learning_rate_does_not_depend_on_when_a_run_ends(tiny, steps):
    """Its warm-up does not end with the run; where it falls to the end, the end is fixed."""
    warm = tiny(warmup_images=16 * 50, steps=steps).training
    rates = [float(states.learning_rate(warm)(n)) for n in range(6)]
    np.testing.assert_allclose(rates, warm.learning_rate * np.arange(6) / 50, rtol=1e-5)


def test_numbers_of_images_beyond_32_bits(tiny):
    config = tiny(ema_halflife_images=2**40, warmup_images=2**40)
    assert 0 < float(states.ema_decay(config.training, jnp.int32(5))) < 1
    assert float(states.learning_rate(config.training)(jnp.int32(5))) < 1e-9
