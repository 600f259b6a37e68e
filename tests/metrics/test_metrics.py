"""The Frechet distance against its textbook formula in 40 digits, and files of statistics."""

import inspect
import warnings

import numpy as np
import pytest
import scipy.linalg

from gdm_jax.evaluation.cache import load_statistics, save_statistics
from gdm_jax.metrics import Statistics, frechet_distance, statistics

mp = pytest.importorskip("mpmath", reason='the oracle counts in 40 digits; pip install "gdm-jax[test]"')


def oracle(a, b):
    """|mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a^{1/2} S_b S_a^{1/2})^{1/2}) from eigendecompositions in 40 digits."""
    with mp.workdps(40):
        s_a, s_b = (mp.matrix(s.sigma.tolist()) for s in (a, b))
        values, vectors = mp.eigsy(s_a)
        root = vectors * mp.diag([mp.sqrt(max(value, 0)) for value in values]) * vectors.T
        product = root * s_b * root
        cross = mp.fsum(mp.sqrt(max(value, 0)) for value in mp.eigsy((product + product.T) / 2, eigvals_only=True))
        shift = mp.fsum((mp.mpf(p) - mp.mpf(q)) ** 2 for p, q in zip(a.mu.tolist(), b.mu.tolist()))
        return float(shift + mp.fsum((s_a + s_b)[i, i] for i in range(len(a.mu))) - 2 * cross)


def made(rng, d, *, mix=None, rows=None, mean=0.0):
    """Statistics of d features with the covariance M M^T, M `[d, r]` random or `mix` times random `[rows, rows]`."""
    root = rng.normal(size=(d, rows or d)) if mix is None else mix @ rng.normal(size=(mix.shape[1],) * 2)
    sigma = root @ root.T
    return Statistics(mean * rng.normal(size=d), (sigma + sigma.T) / 2)


def pairs():
    """name -> (a, b), whose distance is anything but round."""
    rng = np.random.default_rng(0)
    for d in (1, 2, 3, 7, 16):
        yield f"regular {d}", (made(rng, d, mean=1), made(rng, d, mean=1))
    yield "singular both", (made(rng, 12, rows=4), made(rng, 12, rows=5))
    yield "singular one", (made(rng, 12, rows=3), made(rng, 12))
    shared = rng.normal(size=(12, 5))
    yield "shared null space", (made(rng, 12, mix=shared), made(rng, 12, mix=shared))
    turn = scipy.linalg.qr(rng.normal(size=(12, 12)))[0]
    yield "nothing shared", (made(rng, 12, mix=turn[:, :6]), made(rng, 12, mix=turn[:, 6:]))
    yield "one is a point", (made(rng, 6), Statistics(np.zeros(6), np.zeros((6, 6))))
    scales = np.diag(10.0 ** np.linspace(-6, 6, 12))
    yield "scales alike", (made(rng, 12, mix=scales), made(rng, 12, mix=scales))
    yield "scales opposed", (made(rng, 12, mix=scales), made(rng, 12, mix=scales[::-1]))
    yield "scales turned", (made(rng, 12, mix=turn @ scales), made(rng, 12, mix=turn @ scales[::-1]))
    yield "far apart in scale", (made(rng, 8, mix=1e5 * np.eye(8)), made(rng, 8, mix=1e-5 * np.eye(8)))
    near = made(rng, 12)
    for step in (1e-2, 1e-4, 1e-6):  # distances of 1e-5, 1e-9 and 1e-13 of the trace
        yield f"near by {step}", (near, Statistics(near.mu, (1 + step) * near.sigma))
        yield f"nearly off by {step}", (near, Statistics(near.mu, near.sigma + step * made(rng, 12).sigma))
    flat = made(rng, 12, rows=4)
    yield "near and singular", (flat, Statistics(flat.mu, 1.001 * flat.sigma))


PAIRS = dict(pairs())


@pytest.mark.parametrize("name", PAIRS)
def test_against_the_formula(name):
    a, b = PAIRS[name]
    assert frechet_distance(a, b) == pytest.approx(oracle(a, b), rel=1e-6, abs=0)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-6, abs=0)


@pytest.mark.parametrize("members", [(500, 400), (21, 20), (12, 9), (2, 300)])
def test_features_against_the_formula(members):
    """Also where there are fewer members than features and the covariances are singular."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(20, 20))
    a, b = rng.normal(size=(members[0], 20)) @ mix, 0.5 + rng.normal(size=(members[1], 20))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        of_a, of_b = statistics(a), statistics(b)
    expected = oracle(of_a, of_b)
    for x, y in ((a, b), (of_a, b), (a, of_b), (of_a, of_b)):
        assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)


def test_one_dimension_by_hand():
    """Between N(m, s^2) and N(n, t^2): (m - n)^2 + (s - t)^2."""
    a, b = np.array([0.0, 2.0]), np.array([5.0, 9.0])
    assert frechet_distance(a, b) == pytest.approx(6.0**2 + (np.sqrt(2) - np.sqrt(8)) ** 2)


def test_diagonal_covariances_by_hand():
    """(mu_i - nu_i)^2 + (s_i - t_i)^2, summed; also where some spreads are zero."""
    rng = np.random.default_rng(3)
    mu, nu = rng.normal(size=(2, 40))
    s, t = rng.uniform(size=(2, 40)) * (rng.uniform(size=(2, 40)) > 0.3)
    expected = ((mu - nu) ** 2).sum() + ((s - t) ** 2).sum()
    assert frechet_distance(Statistics(mu, np.diag(s**2)), Statistics(nu, np.diag(t**2))) == pytest.approx(expected)


def test_is_a_distance():
    a, b = np.random.default_rng(1).normal(size=(2, 50, 4, 4, 1))
    assert 0 <= frechet_distance(a, a) < 1e-20
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a)) and frechet_distance(a, b) > 0
    assert frechet_distance(a, a + 1.0) == pytest.approx(16.0)
    rotated = scipy.linalg.qr(np.random.default_rng(2).normal(size=(16, 16)))[0]
    turned = frechet_distance(a.reshape(50, 16) @ rotated, b.reshape(50, 16) @ rotated)
    assert turned == pytest.approx(frechet_distance(a, b), rel=1e-9)


@pytest.mark.parametrize("name", PAIRS)
def test_same_set_and_translation(name):
    a, _ = PAIRS[name]
    size = np.trace(a.sigma)
    assert 0 <= frechet_distance(a, a) < 1e-12 * size
    moved = a._replace(mu=a.mu + np.arange(1.0, len(a.mu) + 1))
    assert frechet_distance(a, moved) == pytest.approx((np.arange(1.0, len(a.mu) + 1) ** 2).sum(), abs=1e-12 * size)


def test_halves_of_real_data():
    """Two halves of the digits are nearer to each other than to noise of their own mean and spread."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn carries the digits")
    rng = np.random.default_rng(0)
    x = rng.permutation(datasets.load_digits().images / 8 - 1)
    floor = frechet_distance(x[:898], x[898:])
    noise = x.mean() + x.std() * rng.normal(size=(898, 8, 8))
    assert 0 < floor < 0.05 * frechet_distance(noise, x[898:])
    assert floor == pytest.approx(frechet_distance(statistics(x[:898]), statistics(x[898:])), rel=1e-6)


def test_statistics():
    x = np.random.default_rng(0).normal(size=(30, 2, 3)).astype(np.float32)
    mu, sigma, count = statistics(x)
    assert mu.dtype == sigma.dtype == np.float64 and count == 30
    flat = x.reshape(30, 6).astype(np.float64)
    np.testing.assert_allclose(mu, flat.mean(0), rtol=1e-12)
    np.testing.assert_allclose(sigma, np.cov(flat, rowvar=False), rtol=1e-12)
    np.testing.assert_array_equal(sigma, sigma.T)


@pytest.mark.parametrize("members, short", [(2, 4), (5, 1), (6, None)])
def test_few_members_are_warned_of(members, short):
    """Up to d = 5 of them; d + 1 span every direction."""
    x = np.random.default_rng(0).normal(size=(members, 5))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, sigma, _ = inspect.unwrap(statistics)(x)  # without the tests' check of types, which would be its caller
        frechet_distance(x, x)
    rank = np.linalg.matrix_rank(sigma)
    if short is None:
        assert not caught and rank == 5
        return
    assert rank == members - 1
    (warning,) = caught
    assert warning.category is UserWarning and warning.filename == __file__
    assert f"{members} members are too few for 5 features" in str(warning.message)
    assert f"at least {short} more" in str(warning.message) and "\n" not in str(warning.message)


@pytest.mark.parametrize(
    "x, message",
    [
        (np.ones((1, 2)), "at least two members, got 1"),
        (np.ones((0, 2)), r"\[n, \.\.\.\], got \(0, 2\)"),
        (1.0, r"\[n, \.\.\.\], got \(\)"),
        (np.array([[1.0, 2], [np.nan, 3], [np.inf, 4]]), "2 of 3 members hold NaN"),
    ],
)
def test_bad_features(x, message, unchecked):
    for function in (statistics, lambda x: frechet_distance(np.ones((3, 2)), x)):
        with pytest.raises(ValueError, match=message):
            function(x)


EYE = Statistics(np.zeros(2), np.eye(2))
BAD = [
    ({"sigma": np.eye(3)}, r"got \(2,\) and \(3, 3\)"),
    ({"sigma": np.ones((2, 3))}, r"got \(2,\) and \(2, 3\)"),
    ({"mu": np.zeros((2, 1))}, r"got \(2, 1\) and \(2, 2\)"),
    ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, r"got \(0,\) and \(0, 0\)"),
    ({"mu": np.array([0, np.nan])}, "NaN or infinity"),
    ({"sigma": np.diag([1, np.inf])}, "NaN or infinity"),
    ({"sigma": np.array([[1, 0.5], [0.4, 1]])}, "symmetric, got entries that differ by 0.1"),
    ({"mu": np.array(["a", "b"])}, "real numbers, got <U1 and float64"),
    ({"sigma": 1j * np.eye(2)}, "real numbers, got float64 and complex128"),
    ({"count": 1}, "at least two members, got count = 1"),
]


@pytest.mark.parametrize("change, message", BAD)
def test_bad_statistics(change, message, tmp_path):
    bad = EYE._replace(**change)
    for function in (lambda: frechet_distance(EYE, bad), lambda: save_statistics(tmp_path / "bad.npz", bad)):
        with pytest.raises(ValueError, match=message):
            function()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "a, b, message",
    [
        (np.ones((3, 2)), np.ones((3, 4)), "2 and 4 features"),
        (EYE, np.ones((3, 4)), "2 and 4 features"),
        (EYE, EYE._replace(sigma=np.diag([2.0, -0.5])), "no negative eigenvalue, got -0.5 beside 2"),
        (EYE, EYE._replace(sigma=-np.eye(2)), "no negative eigenvalue, got -1 beside 1"),
    ],
)
def test_pairs_that_do_not_fit(a, b, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(a, b)


def flat_and_full():
    """Features of 5 directions in 80 dimensions, and of all 80."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(400, 5)) @ rng.normal(size=(5, 80)), rng.normal(size=(400, 80))


def test_zero_eigenvalues_are_dropped():
    """Two ways to one distance, 1e-5 of the trace: from the features themselves, and through a singular covariance.

    Were eigenvalues of rounding kept, it would be off by 1e-5 of itself.
    """
    flat, full = flat_and_full()
    near = flat + 0.01 * full
    expected = frechet_distance(flat, near)
    assert expected < 1e-4 * np.trace(statistics(flat).sigma)
    assert frechet_distance(statistics(flat), statistics(near)) == pytest.approx(expected, rel=1e-8)


def test_single_precision_covariance():
    """As some public files have it: what its rounding makes of zero eigenvalues is neither refused nor counted."""
    flat, full = (statistics(x) for x in flat_and_full())
    rounded = flat._replace(sigma=flat.sigma.astype(np.float32))
    assert np.linalg.eigvalsh(rounded.sigma.astype(np.float64))[0] < -1e-7
    assert frechet_distance(rounded, full) == pytest.approx(frechet_distance(flat, full), rel=1e-6)


@pytest.mark.parametrize("name", ["reference.npz", "reference", "digits.train"])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_round_trip(tmp_path, name, kind):
    stats = statistics(np.random.default_rng(0).normal(size=(9, 4)))
    path = kind(tmp_path / name)
    save_statistics(path, stats)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    mu, sigma, count = load_statistics(path)
    np.testing.assert_array_equal(mu, stats.mu)
    np.testing.assert_array_equal(sigma, stats.sigma)
    assert count == 9 and type(count) is int


def test_public_file(tmp_path):
    """mu and sigma alone, or beside arrays that mean nothing here; single precision is widened."""
    sigma = np.array([[2.0, 1.0], [1.0, 3.0]])
    np.savez_compressed(tmp_path / "a.npz", mu=np.ones(2, np.float32), sigma=sigma.astype(np.float32), mu_s=np.ones(9))
    stats = load_statistics(tmp_path / "a.npz")
    assert stats.count is None and stats.mu.dtype == stats.sigma.dtype == np.float64
    np.testing.assert_array_equal(stats.sigma, sigma)
    save_statistics(tmp_path / "b.npz", stats)
    assert set(np.load(tmp_path / "b.npz").files) == {"mu", "sigma"}
    assert load_statistics(tmp_path / "b.npz").count is None


def test_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    save_statistics(tmp_path / "a.npz", EYE)

    def fail(out, **_):
        out.write(b"half of it")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="no space"):
        save_statistics(tmp_path / "a.npz", EYE._replace(mu=np.ones(2)))
    np.testing.assert_array_equal(load_statistics(tmp_path / "a.npz").mu, EYE.mu)


def test_only_statistics_are_saved(tmp_path, unchecked):
    with pytest.raises(ValueError, match=r"got ndarray; statistics\(features\)"):
        save_statistics(tmp_path / "a.npz", np.ones((3, 2)))


def damaged(path):
    np.savez(path, **EYE._replace(mu=np.full(2, 7.0), count=5)._asdict())
    content = path.read_bytes()
    path.write_bytes(content.replace(np.full(2, 7.0).tobytes(), np.full(2, 8.0).tobytes()))


@pytest.mark.parametrize(
    "write, message",
    [
        (lambda path: None, "is not a file"),
        (lambda path: path.mkdir(), "is not a file"),
        (lambda path: path.write_text("mu, sigma"), "is not an .npz archive"),
        (lambda path: path.write_bytes(b""), "is not an .npz archive"),
        (lambda path: np.save(path.open("wb"), np.ones(3)), "is not an .npz archive"),
        (lambda path: np.savez(path, mu=np.ones(2)), "no arrays mu and sigma"),
        (lambda path: np.savez(path, mu=np.array([{}, {}]), sigma=np.eye(2)), "can not be read .*allow_pickle"),
        (damaged, "can not be read .*CRC"),
        (lambda path: np.savez(path, **EYE._asdict() | {"count": np.array([5, 6])}), r"one integer, got int64 .*\(2,"),
        (lambda path: np.savez(path, **EYE._asdict() | {"count": np.array(5.0)}), "one integer, got float64"),
        *((lambda path, c=c: np.savez(path, **EYE._replace(count=9)._asdict() | c), message) for c, message in BAD),
    ],
)
def test_bad_files(tmp_path, write, message):
    path = tmp_path / "statistics.npz"
    write(path)
    with pytest.raises(ValueError, match=message) as raised:
        load_statistics(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
