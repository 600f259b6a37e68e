"""Some groups given: what is kept stays, what is generated has the conditional distribution, the rest is refused."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from tests.gaussian import covariance, network

COV = covariance(4, seed=2)
INDEX = np.array([0, 1, 2, 0])
Q = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
BASES = {"identity": gdm.basis.identity(), "orthogonal": gdm.basis.orthogonal(Q)}
HEUN = {"solver": "heun", "steps": 12}


@functools.cache
def gaussian(basis="identity"):
    """Vectors whose coefficients are N(0, COV), three groups of 2, 1 and 1, and the optimal network."""
    process = gdm.Process(gdm.groups.from_index(INDEX), BASES[basis])
    return process, network(process, COV)


def noise(count, seed=0):
    return jax.random.normal(jax.random.key(seed), (count, 4))


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize(
    "order, keep", [((0, 1, 2), [0]), ((0, 1, 2), [0, 1]), ((2, 0, 1), [2]), ((2, 0, 1), [0, 2]), ((1, 2, 0), [1])]
)
def test_gaussian_data(order, keep, basis):
    """x_rest = m + T z is affine in z, so that the mean m and covariance T T^T of all samples are found exactly."""
    process, u = gaussian(basis)
    schedule = gdm.schedule.uniform(3, order=order)
    kept = np.isin(INDEX, keep)
    x_bar = np.random.default_rng(3).normal(size=(1, 4)).astype(np.float32)
    z_bar = np.concatenate([np.zeros((1, 4)), np.eye(4)]).astype(np.float32)
    x, z = process.basis.inverse(x_bar), process.basis.inverse(z_bar)
    found = gdm.generate_given(u, process, schedule, x, z, keep=keep, solver="rk4", steps=60)
    found = np.asarray(process.basis.forward(found), np.float64)
    mean, columns = found[0, ~kept], (found[1:] - found[:1])[:, ~kept]
    gain = COV[np.ix_(~kept, kept)] @ np.linalg.inv(COV[np.ix_(kept, kept)])
    np.testing.assert_allclose(mean, gain @ x_bar[0, kept], atol=1e-4)
    expected = COV[np.ix_(~kept, ~kept)] - gain @ COV[np.ix_(kept, ~kept)]
    np.testing.assert_allclose(columns.T @ columns, expected, atol=1e-4)
    assert np.abs(columns[kept]).max() < 1e-5  # the noise of kept groups is not used


def test_samples_have_the_conditional_moments():
    """The same by sampling: mean and covariance of 4,000 continuations of one x, to 5 standard errors."""
    process, u = gaussian()
    x = jnp.array([[1.5, 9.0, 9.0, -1.0]])  # 9 where it is not kept
    found = gdm.generate_given(u, process, gdm.schedule.uniform(3), x, noise(4000), keep=[0], **HEUN)
    rest, kept = np.array([1, 2]), np.array([0, 3])
    gain = COV[np.ix_(rest, kept)] @ np.linalg.inv(COV[np.ix_(kept, kept)])
    cov = COV[np.ix_(rest, rest)] - gain @ COV[np.ix_(kept, rest)]
    found = np.asarray(found, np.float64)
    bound = 5 * np.sqrt(np.diag(cov) / len(found))
    assert (np.abs(found[:, rest].mean(0) - gain @ np.array([1.5, -1.0])) < bound).all()
    spread = np.sqrt((np.outer(np.diag(cov), np.diag(cov)) + cov**2) / len(found))
    assert (np.abs(np.cov(found[:, rest].T) - cov) < 5 * spread + 0.01).all()  # 0.01: twelve steps
    np.testing.assert_array_equal(found[:, kept], np.broadcast_to([1.5, -1.0], (4000, 2)))


@pytest.mark.parametrize("basis", ["identity", "dct"])
def test_what_is_kept_stays(basis):
    """Bit for bit in pixels, to rounding in a basis; and NaN in unknown pixels is never looked at."""
    index = np.arange(16).reshape(4, 4) * 3 // 16
    process = gdm.Process(gdm.groups.from_index(index), gdm.basis.dct(4) if basis == "dct" else gdm.basis.identity())
    x, z = jax.random.normal(jax.random.key(1), (2, 2, 4, 4, 2))
    u = lambda x_t, alpha: jnp.tanh(x_t[:, ::-1]) + x_t.sum(-1, keepdims=True)  # noqa: E731
    generate = functools.partial(gdm.generate_given, u, process, gdm.schedule.uniform(3), keep=[0, 1], **HEUN)
    found = generate(x, z)
    kept = index < 2
    before, after = (np.asarray(process.basis.forward(v)) for v in (x, found))
    np.testing.assert_allclose(after[:, kept], before[:, kept], atol=1e-5)
    assert (np.abs(after - before)[:, ~kept] > 1e-4).all()
    if basis == "identity":
        np.testing.assert_array_equal(found[:, kept], x[:, kept])
        np.testing.assert_array_equal(generate(jnp.where(kept[None, :, :, None], x, jnp.nan), z), found)


@pytest.mark.parametrize("keep", [[1], [1, 2]])
def test_a_prefix_and_then_the_rest(keep):
    """In two parts, from the same noise, is the whole; after the first part what waits is still noise."""
    process, u = gaussian("orthogonal")
    schedule, z = gdm.schedule.uniform(3, order=(1, 2, 0)), noise(3)
    prefix = gdm.conditional.generate_prefix(u, process, schedule, z, groups=keep, **HEUN)
    whole = gdm.generate(u, process, schedule, z, **HEUN)
    found = gdm.generate_given(u, process, schedule, prefix, z, keep=keep, **HEUN)
    np.testing.assert_allclose(found, whole, atol=1e-5)
    waiting = ~np.isin(INDEX, keep)
    bars = [np.asarray(process.basis.forward(v)) for v in (prefix, z, whole)]
    np.testing.assert_allclose(bars[0][:, waiting], bars[1][:, waiting], atol=1e-5)
    np.testing.assert_allclose(bars[0][:, ~waiting], bars[2][:, ~waiting], atol=1e-5)


def test_variations():
    """As each generated whole, from the shared groups' noise and its own in the others; none without the other."""
    process, u = gaussian("orthogonal")
    schedule, z, others = gdm.schedule.uniform(3), noise(1), noise(3, seed=5)
    found = gdm.conditional.variations(u, process, schedule, z, others, keep=[0], **HEUN)
    z_bar, others_bar = process.basis.forward(z), process.basis.forward(others)
    combined = process.basis.inverse(jnp.where(INDEX == 0, z_bar, others_bar))
    np.testing.assert_allclose(found, gdm.generate(u, process, schedule, combined, **HEUN), atol=1e-5)
    bar = np.asarray(process.basis.forward(found))
    assert np.ptp(bar[:, INDEX == 0], axis=0).max() < 1e-5
    assert (np.diff(np.sort(bar[:, INDEX > 0], axis=0), axis=0) > 1e-3).all()


def test_variations_with_frames():
    """Frames are of the part that differs."""
    process, u = gaussian("orthogonal")
    schedule, z, others = gdm.schedule.uniform(3), noise(1), noise(3, seed=5)
    alone = gdm.conditional.variations(u, process, schedule, z, others, keep=[0], **HEUN)
    found, along = gdm.conditional.variations(u, process, schedule, z, others, keep=[0], frames=1, **HEUN)
    np.testing.assert_allclose(found, alone, atol=1e-6)
    assert along.frames.shape == (2, 1, 3, 4)


@pytest.mark.parametrize("steps, taken", [(12, [6]), ((3, 8), [8])])
def test_only_the_rest_is_computed(steps, taken):
    """Steps are those of the whole schedule; of the network's calls only those of the rest are made."""
    process, schedule, calls = gdm.Process(gdm.groups.from_index([0, 0, 1])), gdm.schedule.uniform(2), []

    def u(x_t, alpha):
        jax.debug.callback(lambda alpha: calls.append(np.asarray(alpha[0])), alpha)
        return x_t

    x = jnp.ones((2, 3))
    options = {"solver": "euler", "steps": steps, "frames": 1}
    _, along = gdm.generate_given(u, process, schedule, x, x, keep=[0], **options)
    jax.effects_barrier()
    assert along.steps.tolist() == taken and len(calls) == sum(taken)
    np.testing.assert_array_equal(np.stack(calls)[:, 0], 1)
    np.testing.assert_allclose(np.sort(np.stack(calls)[:, 1]), np.arange(taken[0]) / taken[0], atol=1e-6)
    assert along.frames.shape == (1, 1, 2, 3)


@pytest.mark.parametrize("generate", ["generate_given", "generate_prefix", "variations"])
@pytest.mark.parametrize(
    "schedule, keep, message",
    [
        (gdm.schedule.uniform(3, order=(2, 0, 1)), [0], r"does not finish groups \[0\] .*possible are \[2\], \[0, 2\]"),
        (gdm.schedule.uniform(3), [0, 2], r"possible are \[0\], \[0, 1\]"),
        (gdm.schedule.uniform(3), [], "name at least one of 3 groups and not all"),
        (gdm.schedule.uniform(3), [0, 1, 2], "name at least one of 3 groups and not all"),
        (gdm.schedule.uniform(3), [3], "3 is out of range; there are groups 0..2"),
        (gdm.schedule.uniform(3), [-1], "-1 is out of range; there are groups 0..2"),
        (gdm.schedule.overlapping(3, 0.4), [0], "possible are none, since its groups overlap"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_refused(generate, schedule, keep, message):
    process, u = gaussian()
    z = noise(1)
    arguments, name = {
        "generate_given": ((z, z), "keep"),
        "generate_prefix": ((z,), "groups"),
        "variations": ((z, z), "keep"),
    }[generate]
    with pytest.raises(ValueError, match=message) as raised:
        getattr(gdm.conditional, generate)(u, process, schedule, *arguments, **{name: keep}, **HEUN)
    assert "\n" not in str(raised.value)


def test_keep_is_a_set():
    """Repetition and order say nothing."""
    assert gdm.schedule.check_prefix(gdm.schedule.uniform(3), (1, 0, 1)) == [0, 1]
    pauses = gdm.schedule.from_intervals([0.7, 0.0, 0.0], [0.9, 0.5, 0.4])
    assert gdm.schedule.check_prefix(pauses, [0]) == [0]
    with pytest.raises(ValueError, match=r"possible are \[0\]$"):
        gdm.schedule.check_prefix(pauses, [0, 1])


def test_groups_of_mask():
    process = gdm.Process(gdm.groups.bottom_to_top((4, 4), 4))
    rows = np.arange(4)[:, None].repeat(4, 1)  # group 3 is the row at the top
    assert gdm.conditional.groups_of_mask(process, rows >= 2) == [0, 1]
    assert gdm.conditional.groups_of_mask(process, (rows == 0) | (rows == 2)) == [1, 3]
    assert gdm.conditional.groups_of_mask(process, (rows == 1).astype(int).tolist()) == [2]
    for bad, message in [
        ((rows >= 2) ^ (np.arange(16).reshape(4, 4) == 4), r"cuts through group 2, of which it knows 1 of 4 elements"),
        (np.eye(4, dtype=bool), r"cuts through group 0, of which it knows 1 of 4"),
        (np.ones((4, 4, 1), bool), r"must be of shape \(4, 4\), that of the groups, got \(4, 4, 1\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            gdm.conditional.groups_of_mask(process, bad)
