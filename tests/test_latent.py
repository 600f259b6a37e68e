"""Swapping groups of latents: an involution that touches only what is named."""

import jax
import numpy as np
import pytest

import gdm_jax as gdm


def test_swap(process, pair):
    z, donor = pair
    chosen = [0, process.k - 1]
    swapped = gdm.latent.swap(process, z, donor, chosen)
    bars = [np.asarray(process.basis.forward(v)) for v in (swapped, z, donor)]
    index = np.broadcast_to(process.groups.index.reshape(4, 4, -1), z.shape[1:])
    taken = np.isin(index, chosen)
    np.testing.assert_allclose(bars[0][:, taken], bars[2][:, taken], atol=1e-5)
    np.testing.assert_allclose(bars[0][:, ~taken], bars[1][:, ~taken], atol=1e-5)


def test_swap_all_and_nothing():
    process = gdm.Process(gdm.groups.bottom_to_top((4, 4), 2))
    z, donor = jax.random.normal(jax.random.key(0), (2, 3, 4, 4, 1))
    np.testing.assert_allclose(gdm.latent.swap(process, z, donor, [0, 1]), donor, atol=1e-6)
    np.testing.assert_array_equal(gdm.latent.swap(process, z, donor, []), z)


def test_bad_groups():
    process = gdm.Process(gdm.groups.bottom_to_top((4, 4), 2))
    z = np.zeros((1, 4, 4, 1), np.float32)
    with pytest.raises(ValueError, match=r"group 2 is out of range; there are groups 0..1"):
        gdm.latent.swap(process, z, z, [2])
    with pytest.raises(ValueError, match="of one shape"):
        gdm.latent.swap(process, z, z[:, :2], [0])
