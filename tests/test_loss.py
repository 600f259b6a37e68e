"""The losses against NumPy written from Eqs. 7, 8 and 16."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm

T = jnp.array([0.1, 0.45, 0.8])


def u(x_t, alpha):
    return jnp.sin(2 * x_t) * alpha.mean(-1)[:, None, None, None]


def residual_bar(process, x, z, alpha):
    x_t = process.perturb(x, z, alpha)
    return np.asarray(process.basis.forward(process.target(x, z, alpha) - u(x_t, alpha)), np.float64)


def groups_of(process, like):
    return np.broadcast_to(process.groups.index.reshape(4, 4, -1), like.shape[1:])


def test_unweighted(process, pair):
    """Eq. 8; by Eq. 16 the norm is the same in the basis and in pixels."""
    alpha = gdm.schedule.uniform(process.k).alpha(T)
    expected = (residual_bar(process, *pair, alpha) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(gdm.loss.unweighted(u, process, *pair, alpha), expected, rtol=1e-5)


def test_weighted(process, pair):
    """Eq. 7: A'(t) multiplies the residual."""
    schedule = gdm.schedule.uniform(process.k)
    r = residual_bar(process, *pair, schedule.alpha(T))
    rate = np.asarray(schedule.rate(T))[:, groups_of(process, r)]
    expected = ((rate * r) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(gdm.loss.weighted(u, process, schedule, *pair, T), expected, rtol=1e-5)


def test_moving(process, pair):
    schedule = gdm.schedule.uniform(process.k)
    r = residual_bar(process, *pair, schedule.alpha(T))
    active = np.asarray(schedule.rate(T) != 0)[:, groups_of(process, r)]
    expected = [(r[n][active[n]] ** 2).mean() for n in range(len(r))]
    np.testing.assert_allclose(gdm.loss.moving(u, process, *pair, schedule.alpha(T)), expected, rtol=1e-5)


@pytest.mark.parametrize("strict", [False, True])
def test_rao_blackwell_is_the_mean_over_noise_that_x_t_does_not_hold(process, pair, strict):
    """x_t stays as it is if this noise changes sign: the mean of Eq. 8 over both, less the noise's mean square."""
    process = dataclasses.replace(process, strict=strict)
    x, z = pair
    alpha = gdm.schedule.uniform(process.k).alpha(T)
    unheld = np.asarray((alpha >= 1) | (strict & (alpha <= 0)))
    part = np.asarray(process.diagonal(unheld.astype(np.float32), z))
    both = [gdm.loss.unweighted(u, process, x, noise, alpha) for noise in (z, z - 2 * part)]
    rate = np.asarray(process.target(0 * x, part, alpha))  # what this noise contributes to -d x_t / d s
    expected = (both[0] + both[1]) / 2 - (rate**2).mean((1, 2, 3))
    np.testing.assert_allclose(gdm.loss.rao_blackwell(u, process, x, z, alpha), expected, rtol=1e-4)


def test_one_group_makes_all_alike(pair):
    process, schedule = gdm.Process(gdm.groups.single((4, 4))), gdm.schedule.scalar()
    alpha = schedule.alpha(T)
    values = [
        gdm.loss.unweighted(u, process, *pair, alpha),
        gdm.loss.rao_blackwell(u, process, *pair, alpha),
        gdm.loss.moving(u, process, *pair, alpha),
        gdm.loss.weighted(u, process, schedule, *pair, T),
    ]
    np.testing.assert_allclose(values[1:], [values[0]] * 3, rtol=1e-6)


@pytest.mark.parametrize("name", ["unweighted", "moving"])
def test_a_perfect_network_has_no_loss(pair, name):
    process = gdm.Process(gdm.groups.bottom_to_top((4, 4), 2), gdm.basis.dct(4))
    x, z = pair
    perfect = lambda x_t, alpha: x - z  # noqa: E731
    value = getattr(gdm.loss, name)(perfect, process, x, z, gdm.schedule.uniform(2).alpha(T))
    np.testing.assert_allclose(value, 0, atol=1e-10)


def test_strict_hides_before_the_network_sees(pair):
    process = gdm.Process(gdm.groups.bottom_to_top((4, 4), 2), strict=True)
    alpha = jnp.array([[0.5, 0.0]] * 3)  # group 1, the top, has not begun

    def value(z):
        return gdm.loss.unweighted(lambda x_t, a: x_t, process, jnp.zeros_like(z), z, alpha)

    x, z = pair
    # With x = 0 and u = what is seen, the top half's residual is -z - 0, the bottom's -z - z/2.
    expected = ((z[:, :2] ** 2).sum((1, 2, 3)) + (1.5**2 * z[:, 2:] ** 2).sum((1, 2, 3))) / z[0].size
    np.testing.assert_allclose(value(z), expected, rtol=1e-5)


def test_gradients_flow_through_a_closure(pair):
    process = gdm.Process(gdm.groups.single((4, 4)))
    alpha = gdm.schedule.scalar().alpha(T)

    def mean(scale):
        return gdm.loss.unweighted(lambda x_t, a: scale * x_t, process, *pair, alpha).mean()

    numeric = (mean(1.0 + 1e-2) - mean(1.0 - 1e-2)) / 2e-2
    assert jax.grad(mean)(1.0) == pytest.approx(float(numeric), rel=1e-3)


def test_a_network_of_another_shape_is_refused(pair):
    process = gdm.Process(gdm.groups.single((4, 4)))
    with pytest.raises(ValueError, match="u must return an array like x_t"):
        gdm.loss.unweighted(lambda x_t, a: x_t[..., :1], process, *pair, gdm.schedule.scalar().alpha(T))
