"""The convolution whose kernel's gradient is a sum of products has the derivatives of JAX's own; so has the network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdm_jax.devices.platform import platform, written_for
from gdm_jax.networks.convolution import TRANSPOSES, convolution
from gdm_jax.networks.unet import UNet

FIRST = [  # u of the network below, every 61st number, by the first version of this network (ee2d436) in float64
    -0.3317403793334961, -0.43475139141082764, -0.6119259595870972, -0.5551672577857971, -0.49690574407577515,
    -0.36979976296424866, -0.16723522543907166,
]  # fmt: skip
NUMBERS = ("NHWC", "HWIO", "NHWC")
NORMS = {"u": 8.642355918884277, "x": 3.7962094010235634, "parameters": 58.889750876529966}


def plain(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=NUMBERS)


def ours(x, kernel):
    return convolution(x, kernel, (1, 1), "SAME", dimension_numbers=NUMBERS)


def gradients(f):
    return jax.value_and_grad(lambda x, w: jnp.sin(f(x, w)).sum(), (0, 1))


def both_forward(f):
    return lambda x, w: jax.jvp(f, (x, w), (jnp.cos(x), w**2))


def one_forward(f):
    return lambda x, w: (jax.jvp(lambda x: f(x, w), (x,), (x**2,)), jax.jvp(lambda w: f(x, w), (w,), (w**2,)))


def of_each_example(f):
    return lambda x, w: jax.vmap(jax.grad(lambda x, w: jnp.sin(f(x[None], w)).sum(), 1), (0, None))(x, w)


def second(f):
    return lambda x, w: jax.jvp(jax.grad(lambda w: jnp.sin(f(x, w)).sum()), (w,), (w**2,))


@pytest.mark.parametrize(
    "derivative, shape",
    [(gradients, shape) for shape in ((1, 3, 5, 2), (1, 9, 11, 2), (6, 8, 8, 3), (7, 16, 16, 2), (2, 40, 32, 1))]
    + [(derivative, (7, 16, 16, 2)) for derivative in (both_forward, one_forward, of_each_example, second)],
)
def test_derivatives_are_those_of_jax(derivative, shape, double):
    """Of few images and many, also where their number has no divisor and where one image is more than a share."""
    random = np.random.default_rng(0)
    x, w = random.normal(size=shape), random.normal(size=(3, 3, shape[-1], 4))
    found, expected = jax.jit(derivative(ours))(x, w), jax.jit(derivative(plain))(x, w)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), found, expected)


def test_other_devices_have_their_own():
    """What is written for a TPU calls the convolution of JAX, also in its gradient; what is written for a CPU loops."""
    x, w = jnp.ones((2, 32, 64, 1)), jnp.ones((3, 3, 1, 1))

    def text():
        return str(jax.make_jaxpr(jax.grad(lambda w: ours(x, w).sum()))(w))

    with written_for("tpu"):
        assert platform() == "tpu" and "scan" not in text()
    with written_for("cpu"):
        assert platform() == "cpu" and ("scan" in text()) == TRANSPOSES
    assert platform() == jax.default_backend()


def test_the_network_is_what_it_was(double):
    """Values and gradients in float64 for the same parameters; the last step of u is in float32."""
    net = UNet(channels=8, multipliers=(1, 2), blocks=1, attention=(4,), classes=3, augment=True, dtype=jnp.float64)
    random = np.random.RandomState(0)
    x, alpha, label = random.randn(2, 8, 8, 3), random.rand(2, 3), np.array([1, -1])
    augmentation = random.randn(2, 9)
    shapes = jax.eval_shape(net.init, jax.random.key(0), x, alpha, label)
    names = sorted((jax.tree_util.keystr(path), leaf.shape) for path, leaf in jax.tree.leaves_with_path(shapes))
    values = {name: random.randn(*shape) * 0.2 for name, shape in names}
    params = jax.tree.map_with_path(lambda path, _: values[jax.tree_util.keystr(path)], shapes)
    weights = random.randn(*x.shape)

    def of(params, x):
        u = net.apply(params, x, alpha, label, None, augmentation)
        return (u * weights).sum(), u

    (of_params, of_x), u = jax.jit(jax.grad(of, (0, 1), has_aux=True))(params, x)
    np.testing.assert_allclose(np.ravel(u)[::61], FIRST, rtol=2e-7)
    every = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(of_params)])
    for name, value in {"u": u, "x": of_x, "parameters": every}.items():
        np.testing.assert_allclose(np.linalg.norm(value), NORMS[name], rtol=2e-7)
