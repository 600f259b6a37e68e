"""The Frechet distance against its textbook formula in extended precision."""

import numpy as np
import pytest
import scipy.linalg

from gdm_jax.metrics import frechet_distance


def oracle(a, b):
    """|mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a^{1/2} S_b S_a^{1/2})^{1/2}) from eigendecompositions."""
    (mu_a, s_a), (mu_b, s_b) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(s_a)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ s_b @ root), 0, None)).sum()
    return ((mu_a - mu_b) ** 2).sum() + np.trace(s_a) + np.trace(s_b) - 2 * cross


@pytest.mark.parametrize("members", [(500, 400), (12, 9)])
def test_against_the_formula(members):
    """Also where there are fewer members than features and the covariances are singular."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(20, 20))
    a, b = rng.normal(size=(members[0], 20)) @ mix, 0.5 + rng.normal(size=(members[1], 20))
    assert frechet_distance(a, b) == pytest.approx(oracle(a, b), rel=1e-5)


def test_one_dimension_by_hand():
    """Between N(m, s^2) and N(n, t^2): (m - n)^2 + (s - t)^2."""
    a, b = np.array([0.0, 2.0]), np.array([5.0, 9.0])
    assert frechet_distance(a, b) == pytest.approx(6.0**2 + (np.sqrt(2) - np.sqrt(8)) ** 2)


def test_is_a_distance():
    a, b = np.random.default_rng(1).normal(size=(2, 50, 4, 4, 1))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a)) and frechet_distance(a, b) > 0
    assert frechet_distance(a, a + 1.0) == pytest.approx(16.0)
    rotated = scipy.linalg.qr(np.random.default_rng(2).normal(size=(16, 16)))[0]
    turned = frechet_distance(a.reshape(50, 16) @ rotated, b.reshape(50, 16) @ rotated)
    assert turned == pytest.approx(frechet_distance(a, b), rel=1e-9)


@pytest.mark.parametrize(
    "a, b, message", [(np.ones((3, 2)), np.ones((3, 4)), "2 and 4 features"), (np.ones((1, 2)), np.ones((3, 2)), "two")]
)
def test_bad_sets(a, b, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(a, b)
