"""Orthogonality, and the paper's facts about the blur basis, against matrices formed in full."""

import numpy as np
import pytest
import scipy.fft

import gdm_jax as gdm


def full_matrix(basis, size):
    """U as r^2 x r^2, column i the image of coefficient i."""
    units = np.eye(size * size, dtype=np.float32).reshape(-1, size, size, 1)
    return np.asarray(basis.inverse(units)).reshape(-1, size * size).T


def blur_matrix(size, sigma):
    """W of App. A.4 for one axis: zero-padded Toeplitz of the normalised Gaussian kernel."""
    offset = np.arange(size)[:, None] - np.arange(size)[None, :]
    reach = np.arange(-(size - 1), size)
    return np.exp(-(offset**2) / (2 * sigma**2)) / np.exp(-(reach**2) / (2 * sigma**2)).sum()


@pytest.mark.parametrize("size", [3, 8])
@pytest.mark.parametrize("build", [gdm.basis.dct, gdm.basis.gaussian_blur])
def test_orthogonal(build, size):
    u = full_matrix(build(size), size)
    np.testing.assert_allclose(u.T @ u, np.eye(size * size), atol=1e-6)


@pytest.mark.parametrize("build", [gdm.basis.identity, lambda: gdm.basis.dct((4, 6)), lambda: gdm.basis.dct((5,))])
def test_round_trip(build):
    basis = build()
    shape = (2, *basis.shape, 3) if len(basis.shape) == 2 else (2, *(basis.shape or (7,)))
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_allclose(basis.inverse(basis.forward(x)), x, atol=1e-6)
    np.testing.assert_allclose(basis.forward(basis.inverse(x)), x, atol=1e-6)


def test_dct_is_scipys():
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    expected = scipy.fft.dctn(x.astype(np.float64), axes=(1, 2), norm="ortho")
    np.testing.assert_allclose(gdm.basis.dct(8).forward(x), expected, atol=2e-6)


def test_whole_numbers_are_not_rounded_away():
    x = np.arange(16).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(gdm.basis.dct(4).forward(x), gdm.basis.dct(4).forward(x.astype(np.float32)))


def test_blur_diagonalises_the_blur():
    """W = U D U^T with D falling along the rank: the paper's matrix, formed in full from its definition."""
    size, sigma = 6, 0.4
    one = blur_matrix(size, sigma)
    blur = np.kron(one, one)
    basis = gdm.basis.gaussian_blur(size, sigma)
    u = full_matrix(basis, size).astype(np.float64)
    d = u.T @ blur @ u
    np.testing.assert_allclose(d, np.diag(np.diag(d)), atol=1e-6)
    by_rank = np.diag(d)[np.argsort(basis.rank.ravel())]
    assert (np.diff(by_rank) <= 1e-6).all()
    np.testing.assert_allclose(by_rank, np.sort(np.linalg.eigvalsh(blur))[::-1], atol=1e-6)


def test_blur_is_the_sine_basis():
    """At 0.4 pixels the blur's eigenvectors are the type-I sines up to sign, to the kernel's second neighbours."""
    n = 64
    i = np.arange(1, n + 1)
    sines = np.sqrt(2 / (n + 1)) * np.sin(np.pi * np.outer(i, i) / (n + 1))
    ours = np.asarray(gdm.basis.gaussian_blur((n,), 0.4).matrices[0])
    assert np.abs(np.abs(ours.T @ sines) - np.eye(n)).max() < 1e-2


def test_energy_of_a_constant_image():
    """No constant vector in the blur basis: 67.7% in index 0 at 64x64, 95.8% in the first 100; the cosines have one."""
    flat = np.ones((1, 64, 64, 1), np.float32)
    for build, first, hundred in [(gdm.basis.gaussian_blur, 0.677, 0.958), (gdm.basis.dct, 1.0, 1.0)]:
        basis = build(64)
        energy = np.asarray(basis.forward(flat)).ravel() ** 2 / 64**2
        assert energy[basis.rank.ravel() == 0].sum() == pytest.approx(first, abs=1e-3)
        assert energy[basis.rank.ravel() < 100].sum() == pytest.approx(hundred, abs=1e-3)


def test_equal_bases_hash_alike():
    """And so do processes; another basis or rank is another."""
    a, b = (gdm.basis.dct(4) for _ in range(2))
    assert a == b and hash(a) == hash(b)
    others = [gdm.basis.gaussian_blur(4), gdm.basis.dct(5), gdm.basis.identity(), gdm.basis.orthogonal(*a.matrices)]
    for other in others:
        assert a != other
    groups = gdm.groups.right_to_left((4, 4), 2)
    assert gdm.Process(groups, a) == gdm.Process(groups, b) != gdm.Process(groups, b, strict=True)
    assert hash(gdm.Process(groups, a)) == hash(gdm.Process(groups, b))


@pytest.mark.parametrize("build", [gdm.basis.dct, gdm.basis.gaussian_blur])
def test_rank_is_a_permutation(build):
    assert sorted(build(5).rank.ravel()) == list(range(25)) and build(5).rank[0, 0] == 0


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: gdm.basis.gaussian_blur(8, -1.0), "sigma must be positive"),
        (lambda: gdm.basis.gaussian_blur(8, 0.01), "equal to rounding"),
        (lambda: gdm.basis.orthogonal(np.ones((2, 2))), "not orthogonal"),
        (lambda: gdm.basis.orthogonal(np.ones((2, 3))), "must be square"),
        (lambda: gdm.basis.dct((2, 2, 2)), "size must be"),
    ],
)
def test_bad_bases(build, message):
    with pytest.raises(ValueError, match=message):
        build()
