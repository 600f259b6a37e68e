"""Filling and variations: some groups kept, the others drawn anew."""

import dataclasses

import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import latent
from tests.model.digits import ORDERS, SHAPE, bands, first_digits


@pytest.mark.parametrize("keep", [[0], [0, 1], [2], [0, 2]])
def test_fill_keeps_these_groups_and_draws_the_others(model, digits, keep):
    """Of every order trained on; the same z, other data or another seed give another rest."""
    rest = [j for j in range(3) if j not in keep]
    x = model.fill(digits, keep)
    assert (x.shape, x.dtype) == (digits.shape, np.float32)
    np.testing.assert_allclose(bands(model, x, keep), bands(model, digits, keep), atol=1e-5)
    assert np.abs(bands(model, x, rest) - bands(model, digits, rest)).max(1).min() > 1e-2
    np.testing.assert_array_equal(model.fill(digits, keep, z=latent.noise(np.arange(8), SHAPE, "fill")), x)
    other = model.fill(digits, keep, seeds=np.arange(1, 9))
    assert np.abs(bands(model, other, rest) - bands(model, x, rest)).max(1).min() > 1e-2
    negative = model.fill(-digits, keep)
    assert np.abs(bands(model, negative, rest) - bands(model, x, rest)).max() > 1e-3


def test_what_a_filling_ignores(model, digits):
    """The groups of the data that are not kept, and the groups of the noise that are."""
    z = latent.noise(np.arange(8), SHAPE)
    x = model.fill(digits, [0], z=z)
    others = latent.swap(model.process, -digits, digits, [0]), latent.swap(model.process, z, -digits, [0])
    np.testing.assert_allclose(model.fill(others[0], [0], z=others[1]), x, atol=1e-5)


def test_a_filling_depends_on_its_seed_alone(model):
    """Not on the batch, nor on what else is in it."""
    digits = first_digits(model, 12)
    x = model.fill(digits, [0], seeds=np.arange(30, 42))
    np.testing.assert_allclose(model.fill(digits, [0], seeds=np.arange(30, 42), batch=8), x, atol=1e-5)
    np.testing.assert_allclose(model.fill(digits[[7, 2]], [0], seeds=[37, 32]), x[[7, 2]], atol=1e-5)


@pytest.mark.parametrize("keep", [[0], [0, 1], [2]])
def test_variations_are_samples_of_noise_combined(model, keep):
    """In strict mode, where the shared part cannot see the rest; also in an order other than the first."""
    seeds = [3, 1, 4, 15, 9]
    x = model.variations(7, seeds, keep)
    assert x.shape == (5, *SHAPE)
    shared = bands(model, x, keep)
    np.testing.assert_allclose(shared, np.broadcast_to(shared[:1], shared.shape), atol=1e-5)
    way = model.under(order=next(order for order in ORDERS if set(order[: len(keep)]) == set(keep)))
    combined = latent.swap(model.process, latent.noise(seeds, SHAPE, "fill"), latent.noise([7], SHAPE), keep)
    np.testing.assert_allclose(x, way.decode(combined), atol=1e-5)


def test_variations_as_a_film(model):
    x, times, states = model.variations(7, [3, 1], [0], frames=2)
    assert states.shape == (1 + 2 * 2, 2, *SHAPE) and len(times) == len(states)
    assert (np.diff(times) < 0).all() and times[-1] == 0
    np.testing.assert_allclose(states[-1], x, atol=1e-6)
    for state in states:
        np.testing.assert_allclose(bands(model, state, [0]), bands(model, x, [0]), atol=1e-5)


def test_a_label_for_each_variation(model):
    """The shared part is drawn for each label; one label for all gives what it alone would."""
    x = model.variations(7, [3, 1, 4], [0], label=[1, 2, 1])
    alone = model.variations(7, [3, 4], [0], label=1)
    np.testing.assert_allclose(x[[0, 2]], alone, atol=1e-5)
    np.testing.assert_allclose(x[1:2], model.variations(7, [1], [0], label=2), atol=1e-5)
    with pytest.raises(ValueError, match="label: must be a whole number, or one for each of 3"):
        model.variations(7, [3, 1, 4], [0], label=[1, 2])


def test_samples_filled_are_not_themselves(model):
    """The rest is drawn anew although the seeds, 0, 1, ..., are those of the samples."""
    x = model.sample(4)
    rest = bands(model, model.fill(x, [0]), [1, 2]) - bands(model, x, [1, 2])
    assert np.abs(rest).max(1).min() > 1e-2


def test_nan_where_a_filling_does_not_look(model):
    """Groups of pixels: what is not kept may be anything; what is kept may not."""
    halves = dataclasses.replace(model, process=gdm.Process(gdm.groups.bottom_to_top((8, 8), 3)))
    x = np.ones((2, *SHAPE), np.float32)
    expected = halves.fill(x, [0])
    x[:, 0] = np.nan
    np.testing.assert_array_equal(halves.fill(x, [0]), expected)
    x[:, 7] = np.nan
    with pytest.raises(ValueError, match="x holds NaN or infinite values"):
        halves.fill(x, [0])
