"""The mean of a field over a jump: its equation and its solver on a field whose flow is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import networks
from tests.ode.mixing import mixing, vectors

RATE = 0.7
ALPHA = np.array([0.1, 0.45, 0.8], np.float32)


def growth(process):
    """u = U (c alpha_g x_bar): an element grows by exp(c (beta^2 - alpha^2) / 2), which gives the mean of the field."""

    def u(x_t, alpha, label=None, beta=None):
        x_bar = process.basis.forward(x_t)
        start = process.spread(alpha, x_bar)
        if beta is None:
            return process.basis.inverse(RATE * start * x_bar)
        end = process.spread(beta, x_bar)
        moves = start != end
        way = jnp.where(moves, end - start, 1)
        mean = jnp.where(moves, jnp.expm1(RATE * (end**2 - start**2) / 2) / way, RATE * start)
        return process.basis.inverse(mean * x_bar)

    return u


def jumps(k, share):
    """alpha in the first group's interval and what a share of the rest of it leads to, `[3, k]` each."""
    alpha = np.zeros((3, k), np.float32)
    alpha[:, 0] = ALPHA
    beta = alpha.copy()
    beta[:, 0] += share * (1 - ALPHA)
    return alpha, beta


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_the_true_mean_leaves_nothing(process, pair, share):
    """w = u + D w, from whatever data and noise; of another mean something is left in every example."""
    alpha, beta = jumps(process.k, share)
    u = growth(process)
    np.testing.assert_allclose(gdm.loss.mean_flow(u, process, *pair, alpha, beta), 0, atol=1e-10)
    other = lambda x_t, alpha, beta=None: (1 if beta is None else 2) * u(x_t, alpha, beta=beta)  # noqa: E731
    assert (gdm.loss.mean_flow(other, process, *pair, alpha, beta) > 1e-4).all()


def test_no_gradient_reaches_the_field(process, pair):
    """Of two networks in one, only the one that jumps is taught; without a jump data and noise teach it."""
    alpha, beta = jumps(process.k, 0.5)
    u = growth(process)

    def loss(factors, beta):
        network = lambda x_t, alpha, beta=None: factors[int(beta is not None)] * u(x_t, alpha, beta=beta)  # noqa: E731
        return gdm.loss.mean_flow(network, process, *pair, alpha, beta).mean()

    for way in (beta, alpha):
        of_field, of_jump = jax.grad(loss)((1.0, 2.0), way)
        assert of_field == 0 and abs(of_jump) > 1e-3


def test_without_a_jump_it_is_the_plain_loss(process, pair):
    alpha, _ = jumps(process.k, 0)
    u = growth(process)
    expected = gdm.loss.unweighted(u, process, *pair, alpha)
    np.testing.assert_allclose(gdm.loss.mean_flow(u, process, *pair, alpha, alpha), expected, rtol=1e-5)


@pytest.mark.parametrize("more", [0, 1, 5])
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_any_number_of_jumps_ends_where_the_flow_does(overlap, more):
    process, schedule = vectors(), gdm.schedule.overlapping(3, overlap)
    z = jax.random.normal(jax.random.key(0), (4, 6))
    pieces = len(gdm.ode.path.of(schedule).t_start)
    x = gdm.generate(growth(process), process, schedule, z, solver="mean_flow", steps=pieces + more)
    np.testing.assert_allclose(x, z * np.exp(RATE / 2), atol=1e-5)


def test_given_groups_and_frames():
    """Held groups stay, and every frame that is the end of a jump is the flow's."""
    process, schedule = vectors(), gdm.schedule.uniform(3)
    x, z = jax.random.normal(jax.random.key(0), (2, 4, 6))
    options = {"keep": [0], "solver": "mean_flow", "steps": 3}
    found = gdm.generate_given(growth(process), process, schedule, x, z, **options)
    index = np.asarray(process.groups.index)
    of_x, of_z, in_basis = (np.asarray(process.basis.forward(part)) for part in (x, z, found))
    np.testing.assert_allclose(in_basis[:, index == 0], of_x[:, index == 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(in_basis[:, index > 0], of_z[:, index > 0] * np.exp(RATE / 2), rtol=1e-5, atol=1e-6)
    _, solution = gdm.generate(growth(process), process, schedule, z, solver="mean_flow", steps=6, frames=2)
    middle = np.asarray(process.basis.forward(solution.frames[0, 0]))
    np.testing.assert_allclose(middle[:, index == 0], of_z[:, index == 0] * np.exp(RATE / 8), rtol=1e-5)


def test_guidance_reaches_the_jump():
    process, schedule = vectors(), gdm.schedule.uniform(3)
    z = jax.random.normal(jax.random.key(0), (4, 6))
    base = growth(process)
    u = lambda x_t, alpha, label, beta=None: base(x_t, alpha, beta=beta) * (2 + label)[:, None]  # noqa: E731
    options = {"solver": "mean_flow", "steps": 3}
    plain = gdm.generate(gdm.guided(u, 0), process, schedule, z, **options)
    twice = gdm.generate(gdm.guided(u, 0, w=2.0), process, schedule, z, **options)
    mean = np.expm1(RATE / 2)
    np.testing.assert_allclose(plain, z * (1 + 2 * mean), atol=1e-5)  # label 0 doubles, none is the field itself
    np.testing.assert_allclose(twice, z * (1 + 3 * mean), atol=1e-5)


@pytest.mark.parametrize("call", ["encode", "log_likelihood"])
def test_it_only_generates(call):
    with pytest.raises(ValueError, match="mean_flow goes from noise to data alone; for data to noise take abm3"):
        getattr(gdm, call)(mixing, vectors(), gdm.schedule.uniform(3), jnp.ones((1, 6)), solver="mean_flow", steps=3)


@pytest.mark.parametrize("net", [networks.MLP(32, 1, jumps=True), networks.UNet(8, (1,), 1, (), jumps=True)])
def test_networks_that_know_jumps(net):
    """No jump is the field, to the last bit; and so is a jump, until the map of jumps has learnt something."""
    x = jax.random.normal(jax.random.key(0), (3, 4, 4, 1))
    alpha, beta = jumps(2, 0.5)
    rng = np.random.default_rng(0)
    params = net.init(jax.random.key(1), x, alpha)
    np.testing.assert_array_equal(net.apply(params, x, alpha, beta=beta), net.apply(params, x, alpha))
    params = jax.tree.map(lambda leaf: leaf + 0.3 * rng.normal(size=leaf.shape), params)
    np.testing.assert_array_equal(net.apply(params, x, alpha, beta=alpha), net.apply(params, x, alpha))
    assert np.abs(net.apply(params, x, alpha, beta=beta) - net.apply(params, x, alpha)).max((1, 2, 3)).min() > 1e-3
