"""The networks: DDPM++'s published sizes, and the laws that a network of this library keeps."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax.networks import unet
from gdm_jax.networks.mlp import MLP
from gdm_jax.networks.unet import UNet

HALVES = gdm.groups.bottom_to_top((8, 8), 2)
SMALL = {"channels": 8, "multipliers": (1, 2), "blocks": 1, "attention": (4,)}


def count(net, size, k):
    params = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, size, size, 3)), jnp.zeros((1, k)))
    return sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize(
    "options, size, parameters",
    [
        ({}, 32, 55_732_739),
        ({"alpha_channels": gdm.groups.single((32, 32))}, 32, 55_736_195),
        ({"alpha_channels": gdm.groups.single((64, 64)), "multipliers": (1, 2, 2, 2)}, 64, 61_807_875),
    ],
)
def test_parameters_of_ddpmpp(options, size, parameters):
    """Those of EDM's SongUNet at 128 channels, with 3 input channels or with x_t and A(t) side by side."""
    assert count(UNet(**options), size, 1) == parameters


@pytest.fixture(scope="module")
def inputs():
    x = jax.random.normal(jax.random.key(1), (3, 8, 8, 2))
    alpha = jax.random.uniform(jax.random.key(2), (3, 2))
    return x, alpha


@pytest.fixture(scope="module")
def fresh(inputs):
    return jax.jit(UNet(**SMALL).init)(jax.random.key(0), *inputs)


@pytest.fixture(scope="module")
def params(fresh):
    """As if trained: at the start the last convolutions hide what happens inside."""
    leaves, structure = jax.tree.flatten(fresh)
    keys = jax.random.split(jax.random.key(3), len(leaves))
    return structure.unflatten([leaf + 0.1 * jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves)])


@functools.cache
def applied(**options):
    return jax.jit(UNet(**{**SMALL, **options}).apply)


def run(params, *args, keys=None, **options):
    return applied(**options)(params, *args, keys=keys)


def test_shape_and_a_start_near_zero(inputs, fresh):
    u = run(fresh, *inputs)
    assert (u.shape, u.dtype) == (inputs[0].shape, jnp.float32)
    assert 0 < np.abs(u).max() < 1e-3


def test_each_example_is_mapped_on_its_own(inputs, params):
    x, alpha = inputs
    whole = run(params, x, alpha)
    assert np.abs(whole).max() > 0.1
    for n in range(3):
        others = run(params, jnp.ones_like(x).at[n].set(x[n]), jnp.zeros_like(alpha).at[n].set(alpha[n]))
        np.testing.assert_allclose(others[n], whole[n], atol=1e-5)
    np.testing.assert_allclose(run(params, x[::-1], alpha[::-1]), whole[::-1], atol=1e-5)


def test_alpha_matters(inputs, params):
    x, alpha = inputs
    for j in range(2):
        assert np.abs(run(params, x, alpha.at[:, j].set(0.9)) - run(params, x, alpha)).max() > 1e-2


@pytest.mark.parametrize("groups", [HALVES, gdm.groups.from_index(np.arange(128).reshape(8, 8, 2) % 2)])
def test_alpha_channels_are_the_diagonal_of_a(inputs, groups):
    """A first convolution that reads only the added channels sees A(t), element by element."""
    x, alpha = inputs
    net = UNet(**SMALL, alpha_channels=groups)
    params = jax.eval_shape(net.init, jax.random.key(0), x, alpha)
    params = jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), params)
    kernel = params["params"]["conv_in"]["kernel"]
    assert kernel.shape == (3, 3, 4, 8)
    kernel[1, 1, 2, 0] = kernel[1, 1, 3, 1] = 1

    @jax.jit  # and all that follows the first convolution is compiled away
    def first_convolution(x, alpha):
        _, seen = net.apply(params, x, alpha, capture_intermediates=lambda module, _: module.name == "conv_in")
        return seen["intermediates"]["conv_in"]["__call__"][0][..., :2]

    expected = gdm.Process(groups).diagonal(alpha, jnp.ones_like(x))
    np.testing.assert_allclose(first_convolution(x, alpha), expected, atol=1e-6)


def test_bfloat16_computes_in_half_and_keeps_whole_parameters(inputs, params):
    net = UNet(**SMALL, dtype=jnp.bfloat16)
    made = jax.eval_shape(net.init, jax.random.key(0), *inputs)
    assert {leaf.dtype for leaf in jax.tree.leaves(made)} == {jnp.dtype("float32")}
    exact, rough = run(params, *inputs), run(params, *inputs, dtype=jnp.bfloat16)
    assert rough.dtype == jnp.float32
    error = np.linalg.norm(rough - exact) / np.linalg.norm(exact)
    assert 1e-4 < error < 5e-2


def test_remat_changes_nothing(inputs):
    """With dropout, whose masks must be the same when drawn again in the backward pass."""
    options = {**SMALL, "multipliers": (1,), "attention": (), "dropout": 0.3}
    keys = jax.random.split(jax.random.key(4), 3)
    like = jax.eval_shape(UNet(**options).init, jax.random.key(0), *inputs)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda s: rng.normal(0, 0.2, s.shape).astype(s.dtype), like)

    def value_and_grad(remat):
        net = UNet(**options, remat=remat)
        return jax.jit(jax.value_and_grad(lambda p: (net.apply(p, *inputs, keys=keys) ** 2).mean()))(params)

    (value, grads), (value_remat, grads_remat) = value_and_grad(False), value_and_grad(True)
    assert value_remat == pytest.approx(float(value), rel=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), grads, grads_remat)


def test_dropout_depends_on_each_examples_own_key(inputs, params):
    x, alpha = inputs
    keys = jax.random.split(jax.random.key(5), 3)
    dropped = functools.partial(run, params, dropout=0.5)
    whole = dropped(x, alpha, keys=keys)
    np.testing.assert_allclose(dropped(x[::-1], alpha[::-1], keys=keys[::-1]), whole[::-1], atol=1e-5)
    changed = np.abs(dropped(x, alpha, keys=keys[::-1]) - whole).max((1, 2, 3))
    assert (changed > 1e-2).tolist() == [True, False, True]


def test_dropout_keeps_the_mean_and_differs_between_blocks():
    h, keys = jnp.ones((2, 64, 64, 4)), jax.random.split(jax.random.key(6), 2)
    first, second = (unet._dropout(h, keys, 0.25, salt) for salt in (("enc_0_0",), ("enc_0_1",)))
    np.testing.assert_allclose(np.unique(first), [0, 4 / 3], rtol=1e-6)
    assert first.mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(unet._dropout(h, None, 0.25, ("enc_0_0",)), h)
    assert (first * second != 0).mean() == pytest.approx(0.75**2, abs=0.02)


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_fold_is_a_bijection(patch):
    x = jnp.arange(2 * 8 * 4 * 3).reshape(2, 8, 4, 3)
    folded = unet._fold(x, patch)
    assert folded.shape == (2, 8 // patch, 4 // patch, 3 * patch**2)
    np.testing.assert_array_equal(np.sort(folded[0, 0, 0]), np.sort(x[0, :patch, :patch].ravel()))
    np.testing.assert_array_equal(unet._unfold(folded, patch), x)


def test_patches_keep_the_shape(inputs):
    net = UNet(**{**SMALL, "patch": 2})
    u, params = jax.eval_shape(net.init_with_output, jax.random.key(0), *inputs)
    assert u.shape == inputs[0].shape
    assert params["params"]["conv_in"]["kernel"].shape == (3, 3, 8, 8)


@pytest.mark.parametrize(
    "options, shape, divisor",
    [
        ({"multipliers": (1, 1, 1)}, (6, 8, 3), 4),
        ({"multipliers": (1, 1)}, (8, 9, 3), 2),
        ({"multipliers": (1, 1), "patch": 2}, (6, 6, 1), 4),
    ],
)
def test_sizes_that_do_not_halve(options, shape, divisor):
    net = UNet(**{**SMALL, **options})
    with pytest.raises(ValueError, match=f"divisible by {divisor}, got"):
        jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, *shape)), jnp.zeros((1, 1)))


@pytest.mark.parametrize("shape", [(2,), (4, 4, 1)])
def test_mlp(shape):
    """Zero at the start; then each example is mapped on its own, and alpha matters."""
    net = MLP(width=16, layers=2)
    apply = jax.jit(net.apply)
    x, alpha = jax.random.normal(jax.random.key(0), (3, *shape)), jax.random.uniform(jax.random.key(1), (3, 2))
    params = jax.jit(net.init)(jax.random.key(2), x, alpha)
    np.testing.assert_array_equal(apply(params, x, alpha), jnp.zeros_like(x))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape).astype(np.float32), params)
    u = apply(params, x, alpha)
    assert (u.shape, u.dtype) == (x.shape, jnp.float32)
    np.testing.assert_allclose(apply(params, jnp.ones_like(x).at[1].set(x[1]), alpha)[1], u[1], atol=1e-5)
    assert np.abs(apply(params, x, 1 - alpha) - u).max() > 1e-3


def test_positional_embedding():
    """Cosines, then sines, of alpha at frequencies falling geometrically from 32 to 0.32; k values side by side."""
    from gdm_jax.networks.embedding import positional

    alpha = np.array([[0.0, 0.7], [1.0, 0.2]])
    angle = alpha[..., None] * np.geomspace(32, 0.32, 5)
    expected = np.concatenate([np.cos(angle), np.sin(angle)], -1).reshape(2, 20)
    np.testing.assert_allclose(positional(jnp.array(alpha), 10), expected, atol=1e-5)


def test_group_norm_is_flax_s():
    """The same parameters and values as flax.linen.GroupNorm, also with a mean far from zero."""
    x = 3 * jax.random.normal(jax.random.key(0), (3, 8, 8, 96)) + 5
    ours, theirs = unet.GroupNorm(jnp.float32), nn.GroupNorm(num_groups=24, epsilon=1e-6)
    params = jax.tree.map(lambda leaf: leaf + jnp.arange(96.0) / 96, theirs.init(jax.random.key(1), x))
    np.testing.assert_allclose(ours.apply(params, x), theirs.apply(params, x), atol=2e-5)
    assert unet.GroupNorm(jnp.bfloat16).apply(params, x).dtype == jnp.bfloat16
