"""log p(x) by group: Gaussian data against the closed form, any network against the Jacobian of encode."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal

import gdm_jax as gdm
from tests.gaussian import covariance, network
from tests.runs import compilations

COV = covariance(9)
THIRDS = gdm.groups.bottom_to_top((3, 3), 3)
BASES = {"identity": gdm.basis.identity(), "dct": gdm.basis.dct(3)}
ORDERS = {"default": (0, 1, 2), "other": (2, 0, 1)}
FINE = {"solver": "rk4", "steps": 60}
COARSE = {"solver": "euler", "steps": 6}
ADAPTIVE = {"solver": "tsit5", "steps": None, "rtol": 1e-5, "atol": 1e-5}


@functools.cache
def gaussian(basis="identity", interpolant="linear"):
    """3x3 images whose coefficients are N(0, COV): the process, its optimal network, and three of the images."""
    process = gdm.Process(THIRDS, BASES[basis], interpolant=interpolant)
    x_bar = np.random.default_rng(1).multivariate_normal(np.zeros(9), COV, size=3).astype(np.float32)
    return process, network(process, COV), process.basis.inverse(x_bar.reshape(3, 3, 3, 1))


def coefficients(process, x):
    return np.asarray(process.basis.forward(x), np.float64).reshape(len(x), -1)


def conditional_log_density(x_bar, of, given):
    """log p(x_of | x_given) of N(0, COV), from the regression of one on the other."""
    if not given.any():
        return multivariate_normal.logpdf(x_bar[:, of], cov=COV[np.ix_(of, of)])
    gain = COV[np.ix_(of, given)] @ np.linalg.inv(COV[np.ix_(given, given)])
    cov = COV[np.ix_(of, of)] - gain @ COV[np.ix_(given, of)]
    return multivariate_normal.logpdf(x_bar[:, of] - x_bar[:, given] @ gain.T, cov=cov)


@pytest.mark.parametrize("basis, interpolant", [("identity", "linear"), ("dct", "variance_preserving")])
@pytest.mark.parametrize("order", ORDERS)
def test_gaussian_data(basis, interpolant, order):
    """The total is the density; each term is the density of the group given those generated before it."""
    process, u, x = gaussian(basis, interpolant)
    found = gdm.log_likelihood(u, process, gdm.schedule.uniform(3, order=ORDERS[order]), x, **FINE)
    x_bar, index = coefficients(process, x), THIRDS.index.ravel()
    np.testing.assert_allclose(found.total, multivariate_normal.logpdf(x_bar, cov=COV), atol=1e-4)
    for n, j in enumerate(ORDERS[order]):
        expected = conditional_log_density(x_bar, index == j, np.isin(index, ORDERS[order][:n]))
        np.testing.assert_allclose(found.groups[:, j], expected, atol=1e-4)
    np.testing.assert_allclose(found.groups.sum(1), found.total, atol=1e-5)
    np.testing.assert_array_equal(found.error, 0)


def test_gaussian_data_with_overlapping_intervals():
    """Terms are no conditionals then, but the total is the density."""
    process, u, x = gaussian()
    schedule = gdm.schedule.overlapping(3, 0.5)
    found = gdm.log_likelihood(u, process, schedule, x, **FINE)
    np.testing.assert_allclose(found.total, multivariate_normal.logpdf(coefficients(process, x), cov=COV), atol=1e-4)


@functools.cache
def exact(order=ORDERS["default"]):
    """Exact likelihood of the three images on a coarse grid; estimates on the same grid share its error."""
    process, u, x = gaussian()
    return gdm.log_likelihood(u, process, gdm.schedule.uniform(3, order=order), x, **COARSE)


@functools.cache
def estimates(probes=4, copies=600):
    """Of the first image alone, with independent keys."""
    process, u, x = gaussian()
    many, keys = jnp.repeat(x[:1], copies, axis=0), jax.random.split(jax.random.key(2), copies)
    return gdm.log_likelihood(u, process, gdm.schedule.uniform(3), many, probes=probes, key=keys, **COARSE)


def test_hutchinson_is_unbiased():
    """In the total and in every group, to 4 standard errors of the mean over the keys."""
    found = estimates()
    for truth, values in ((exact().total[0], found.total[:, None]), (exact().groups[0], found.groups)):
        values = np.asarray(values, np.float64)
        spread = values.std(0, ddof=1)
        assert (spread > 0.01).all()  # it is an estimate
        assert (np.abs(values.mean(0) - truth) < 4 * spread / len(values) ** 0.5).all()
    np.testing.assert_allclose(found.z, np.broadcast_to(exact().z[:1], found.z.shape), atol=1e-5)


def test_hutchinson_s_error_is_the_spread_over_keys():
    found = estimates()
    expected = np.asarray(found.total, np.float64).std(ddof=1)
    assert np.mean(np.square(found.error, dtype=np.float64)) ** 0.5 == pytest.approx(expected, rel=0.15)
    beyond = np.abs(found.total - exact().total[0]) > 4 * found.error  # Student's t of four probes: 2.8 per cent
    assert 0.005 < beyond.mean() < 0.07


def test_hutchinson_with_more_probes():
    process, u, x = gaussian()
    order = ORDERS["other"]
    schedule = gdm.schedule.uniform(3, order=order)
    found = gdm.log_likelihood(u, process, schedule, x, probes=8, key=jax.random.key(0), **COARSE)
    assert (np.abs(found.total - exact(order).total) < 4 * found.error).all() and (found.error > 0).all()


def test_keys_of_examples():
    """An example's estimate depends on its own key, not on the batch; one probe says nothing of its error."""
    process, u, x = gaussian()
    schedule, keys = gdm.schedule.uniform(3), jax.random.split(jax.random.key(5), 3)
    estimate = functools.partial(gdm.log_likelihood, u, process, schedule, probes=1, **COARSE)
    together, alone = estimate(x, key=keys), estimate(x[1:2], key=keys[1:2])
    np.testing.assert_allclose(together.groups[1:2], alone.groups, atol=1e-5)
    assert np.isnan(together.error).all() and np.isfinite(together.total).all()
    np.testing.assert_array_equal(estimate(x, key=jax.random.key(5)).total, together.total)  # one key is split
    assert len(np.unique(estimate(jnp.repeat(x[:1], 3, axis=0), key=keys).total)) > 1


def test_single_elements_need_one_probe():
    """Where one element moves at a time its trace is e^2 J = J: the estimate is exact."""
    process = gdm.Process(gdm.groups.per_element((3,)))
    u, x = network(process, covariance(3)), jax.random.normal(jax.random.key(0), (2, 3))
    exact, found = (
        gdm.log_likelihood(u, process, gdm.schedule.uniform(3), x, probes=probes, key=jax.random.key(1), **COARSE)
        for probes in (0, 1)
    )
    np.testing.assert_allclose(found.groups, exact.groups, atol=1e-5)


def bending(x_t, alpha):
    """A nonlinear network in which every output depends on every input and on alpha."""
    flat = x_t.reshape(len(x_t), -1)
    weight = jnp.sin(1 + jnp.arange(flat.shape[-1] ** 2, dtype=x_t.dtype)).reshape(flat.shape[-1], -1)
    return jnp.tanh(0.7 * flat @ weight + alpha @ jnp.arange(1.0, 1 + alpha.shape[-1])[:, None]).reshape(x_t.shape)


HALVES = np.array([[0, 1], [2, 1]])  # 2x2 images of two channels, groups of 2, 4 and 2 elements
ORDER = (1, 0, 2)


def halves():
    """The process in strict mode, its schedule and two images."""
    process = gdm.Process(gdm.groups.from_index(HALVES), strict=True)
    return process, gdm.schedule.uniform(3, order=ORDER), jax.random.normal(jax.random.key(4), (2, 2, 2, 2))


@functools.cache
def strict():
    process, schedule, x = halves()
    return gdm.log_likelihood(bending, process, schedule, x, **FINE)


def test_change_of_variables():
    """log N(z) + log |det dz/dx|, and each term the same of its group's block: in strict mode z_j has no other part."""
    process, schedule, x = halves()
    found = strict()

    def encode(x):
        z = gdm.encode(bending, process, schedule, x[None], adjoint=diffrax.ForwardMode(), **FINE)[0]
        return z, z

    jacobian, z = jax.vmap(jax.jacfwd(encode, has_aux=True))(x)
    jacobian = jacobian.reshape(2, 8, 8)
    normal = np.asarray(-0.5 * (z**2 + np.log(2 * np.pi))).reshape(2, 8)
    log_det = np.linalg.slogdet(np.asarray(jacobian, np.float64))[1]
    assert (np.abs(log_det) > 0.05).all()
    np.testing.assert_allclose(found.total, normal.sum(1) + log_det, atol=1e-4)
    np.testing.assert_allclose(found.z, z, atol=1e-5)
    index = np.repeat(HALVES.ravel(), 2)
    for j in range(3):
        block = np.asarray(jacobian, np.float64)[:, index == j][:, :, index == j]
        expected = normal[:, index == j].sum(1) + np.linalg.slogdet(block)[1]
        np.testing.assert_allclose(found.groups[:, j], expected, atol=1e-4)


def test_shared_channels():
    """Groups shared by the channels are the groups that name every channel's elements."""
    _, schedule, x = halves()
    process = gdm.Process(gdm.groups.from_index(np.repeat(HALVES[..., None], 2, axis=2)), strict=True)
    found = gdm.log_likelihood(bending, process, schedule, x, **FINE)
    np.testing.assert_allclose(found.groups, strict().groups, atol=1e-5)
    np.testing.assert_allclose(strict().groups.sum(1), strict().total, atol=1e-5)


def test_adaptive_steps():
    """Steps that adapt to each example, in whatever batch, find what a fine grid finds."""
    process, schedule, x = halves()
    found = gdm.log_likelihood(bending, process, schedule, x, **ADAPTIVE)
    np.testing.assert_allclose(found.groups, strict().groups, atol=2e-4)
    alike = gdm.log_likelihood(bending, process, schedule, x.at[1].multiply(9), **ADAPTIVE)
    np.testing.assert_allclose(found.groups[0], alike.groups[0], atol=1e-6)


@pytest.mark.parametrize("options", [FINE, ADAPTIVE], ids=["fixed", "adaptive"])
def test_strict_terms_look_at_no_later_group(options):
    """Other data in a group change its own term and those of later groups; terms before it stay, to the last bit."""
    process, schedule, x = halves()
    x = 0.01 * x  # so small that an adaptive solver's first step would notice the traces of other groups
    before = gdm.log_likelihood(bending, process, schedule, x, **options).groups
    for n, j in enumerate(ORDER):
        later = (HALVES == j)[None, :, :, None] * 3.0
        after = gdm.log_likelihood(bending, process, schedule, x + later, **options).groups
        np.testing.assert_array_equal(after[:, ORDER[:n]], before[:, ORDER[:n]])
        assert (np.abs(after - before)[:, ORDER[n:]] > 1e-3).all()


def test_not_strict_leaks():
    """The same network without strict mode does look at later groups: the test above can fail."""
    process, schedule, x = halves()
    process = gdm.Process(process.groups)
    before, after = (gdm.log_likelihood(bending, process, schedule, v, **COARSE) for v in (x, x.at[:, 1, 0].add(3.0)))
    assert (np.abs(after.groups - before.groups)[:, ORDER[0]] > 1e-3).all()


def test_one_compilation_for_all_orders_and_data():
    process, _, x = halves()
    u = lambda x_t, alpha: bending(x_t, alpha)  # noqa: E731, its own programs
    for count, order in enumerate([(0, 1, 2), (2, 1, 0), (1, 2, 0)]):
        x = x + 1
        with compilations() as made:
            gdm.log_likelihood(u, process, gdm.schedule.uniform(3, order=order), x, **COARSE)
        assert not made or count == 0


@pytest.mark.parametrize("levels", [2, 16, 256])
def test_bits_per_dimension(levels):
    """A density uniform over the cells of all levels takes log2 L bits, of one element or many."""
    width = 2 / (levels - 1)
    elements = np.array([1, 64, 3072])
    bits = gdm.pixels.bits_per_dimension(-elements * np.log(levels * width), elements, levels)
    np.testing.assert_allclose(bits, np.log2(levels))
    surer = gdm.pixels.bits_per_dimension(elements * (np.log(2) - np.log(levels * width)), elements, levels)
    np.testing.assert_allclose(surer, np.log2(levels) - 1)  # twice the density: one bit less


def test_dequantise():
    """Uniform within half a level, from each example's own key."""
    levels = 5
    x = jnp.broadcast_to(jnp.linspace(-1, 1, levels)[:, None, None, None], (levels, 12, 12, 2))
    keys = jax.random.split(jax.random.key(3), levels)
    noisy = gdm.pixels.dequantise(x, keys, levels)
    moved = np.asarray(noisy - x, np.float64) * (levels - 1) / 2
    assert np.abs(moved).max() <= 0.5 + 1e-6
    assert kstest(moved.ravel() + 0.5, "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(jnp.round((noisy + 1) * (levels - 1) / 2), jnp.round((x + 1) * (levels - 1) / 2))
    np.testing.assert_array_equal(gdm.pixels.dequantise(x[2:3], keys[2:3], levels), noisy[2:3])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": jnp.full((1, 2, 2, 2), jnp.nan)}, "x holds NaN"),
        ({"x": jnp.ones((1, 3, 2, 2))}, "expected data of shape"),
        ({"probes": 2}, "probes must be 0 .exact. or more, with a key, got probes=2, key=None"),
        ({"probes": -1, "key": jax.random.key(0)}, "probes must be 0 .exact. or more, with a key, got probes=-1"),
        ({"solver": "inverse_euler"}, "inverse_euler solves for x alone; for likelihoods choose an explicit solver"),
        ({"solver": "eular"}, "solver: must be one of euler"),
        ({"steps": 2}, "at least one for each piece of the path, 3 here, got 2"),
        ({"schedule": gdm.schedule.uniform(2)}, "2 intervals but the process has 3 groups"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input(change, message):
    process, schedule, x = halves()
    options = {"u": bending, "process": process, "schedule": schedule, "x": x, **COARSE, **change}
    with pytest.raises(ValueError, match=message) as raised:
        gdm.log_likelihood(
            options.pop("u"), options.pop("process"), options.pop("schedule"), options.pop("x"), **options
        )
    assert "\n" not in str(raised.value)


def test_an_unfinished_solve_is_an_error():
    """As of `ode.solve`: named by example outside jit, raised inside it, and left to the caller without throw."""
    process, schedule, x = halves()
    options = {"solver": "tsit5", "steps": None, "max_steps": 2}
    with pytest.raises(RuntimeError, match=r"Tsit5 did not finish example\(s\) 0, 1: .*max_steps=2"):
        gdm.log_likelihood(bending, process, schedule, x, **options)
    gdm.log_likelihood(bending, process, schedule, x, throw=False, **options)
    with pytest.raises(RuntimeError, match="the solver failed"):
        jax.jit(lambda x: gdm.log_likelihood(bending, process, schedule, x, **options).total)(x).block_until_ready()


@pytest.mark.parametrize("d", [1, 64, 1024, 4096])
def test_adaptive_error_of_an_element_does_not_grow_with_their_number(d):
    """u = x (5 + 5 cos 60 alpha) in closed form: x = z exp(-c), c = 5 + 5 sin(60) / 60 for each element.

    The Jacobian is diagonal, so that one probe gives the exact trace.
    """
    process = gdm.Process(gdm.groups.single((d,)))
    u = lambda x_t, alpha: x_t * (5 + 5 * jnp.cos(60 * alpha))  # noqa: E731
    x = jnp.linspace(-1, 1, d)[None] if d > 1 else jnp.ones((1, 1))
    options = {"solver": "bosh3", "steps": None, "rtol": 1e-5, "atol": 1e-5, "probes": 1, "key": jax.random.key(0)}
    found = gdm.log_likelihood(u, process, gdm.schedule.scalar(), x, **options)
    growth = -(5 + 5 * np.sin(60) / 60)  # log z / x, as alpha falls from 1 to 0
    z = np.asarray(x, np.float64) * np.exp(growth)
    exact = (-0.5 * (z**2 + np.log(2 * np.pi)) + growth).sum()
    assert abs(found.total[0] - exact) / d < 5e-5


def test_a_small_group_is_held_to_the_tolerance_as_a_large_one():
    """Two elements beside a thousand: the term of each group, by its elements."""
    process = gdm.Process(gdm.groups.from_index((np.arange(1002) < 1000).astype(int)))
    u = lambda x_t, alpha: x_t * (5 + 5 * jnp.cos(60 * alpha.sum(-1, keepdims=True)))  # noqa: E731
    options = {"solver": "bosh3", "steps": None, "probes": 1, "key": jax.random.key(0)}
    found = gdm.log_likelihood(u, process, gdm.schedule.uniform(2), jnp.zeros((1, 1002)), **options)
    # Group 0 is encoded last: alpha_0 + alpha_1 falls from 2 to 1 for group 1, and then to 0.
    growth = -np.array([5 + 5 * np.sin(60) / 60, 5 + 5 * (np.sin(120) - np.sin(60)) / 60])
    exact = process.groups.sizes * (growth - 0.5 * np.log(2 * np.pi))
    assert (np.abs(found.groups[0] - exact) / process.groups.sizes < 5e-5).all()


@pytest.mark.parametrize("done", [[1], [0, 2], [0, 1, 2]])
def test_only_sets_that_the_schedule_finishes_first_can_be_given(done):
    """Those that `generate_given` refuses have no likelihood either."""
    process, _, x = halves()
    schedule = gdm.schedule.uniform(3)
    with pytest.raises(ValueError, match="keep: "):
        gdm.generate_given(bending, process, schedule, x, x, keep=done, steps=6)
    with pytest.raises(ValueError, match="done: "):
        gdm.log_likelihood(bending, process, schedule, x, done=done, **COARSE)


def test_a_process_that_is_traced(tmp_path):
    """Passed through jit as an argument, it gives what it gives outside."""
    process, schedule, x = halves()
    expected = gdm.log_likelihood(bending, process, schedule, x, **COARSE).groups
    found = jax.jit(lambda process: gdm.log_likelihood(bending, process, schedule, x, **COARSE).groups)(process)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_no_examples():
    process, schedule, x = halves()
    u = lambda x_t, alpha: x_t**2  # noqa: E731
    for options in ({}, {"probes": 2, "key": jax.random.key(0)}):
        found = gdm.log_likelihood(u, process, schedule, x[:0], **COARSE, **options)
        assert found.total.shape == (0,) and found.groups.shape == (0, 3)
