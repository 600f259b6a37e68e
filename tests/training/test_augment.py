"""Augmentation: the geometry against NumPy and closed forms, what the network is told, and the step that trains so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdm_jax import config as configs
from gdm_jax import loss
from gdm_jax.config import build
from gdm_jax.devices import parallel
from gdm_jax.networks import embedding
from gdm_jax.networks.unet import UNet
from gdm_jax.training import step as steps
from gdm_jax.training.augment import augment, draw, resample
from tests.runs import created, draws

P, KEYS = 0.3, 4000
PARTS = {"left": [0], "top": [1], "scale": [2], "turn": [3, 4], "stretch": [5, 6], "shift": [7, 8]}


def keys(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


@pytest.fixture(scope="module")
def drawn():
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(draw, (0, None)))(keys(KEYS), P))


# What is drawn


def test_share_of_each_transformation(drawn):
    """Half for the first mirror, p/2 for the second, p for the others; and each on its own."""
    applied = {name: (drawn.values[:, index] != 0).any(1) for name, index in PARTS.items()}
    for name, share in zip(applied, (1 / 2, P / 2, P, P, P, P)):
        assert applied[name].mean() == pytest.approx(share, abs=4 * (share * (1 - share) / KEYS) ** 0.5), name
    correlation = np.corrcoef(np.stack(list(applied.values()))) - np.eye(6)
    assert np.abs(correlation).max() < 4 / KEYS**0.5


def test_values_are_zero_exactly_where_nothing_is_done(drawn):
    values = drawn.values
    np.testing.assert_array_equal(values[:, :2], drawn.mirror)
    np.testing.assert_array_equal(drawn.moved, (values[:, 2:] != 0).any(1))
    still = (drawn.inverse == np.eye(2)).all((1, 2))
    np.testing.assert_array_equal(still, (values[:, 2:7] == 0).all(1))
    np.testing.assert_array_equal(drawn.shift, 0.125 * values[:, 7:])


def test_distribution_of_values(drawn):
    """Normal strengths of unit variance, angles uniform over the circle."""
    for index in ([2], [7], [8]):
        w = drawn.values[:, index][drawn.values[:, index] != 0]
        assert (w.mean(), w.std()) == pytest.approx((0, 1), abs=4 / (P * KEYS) ** 0.5)
    turned = drawn.values[(drawn.values[:, 3:5] != 0).any(1), 3:5] + [1, 0]
    np.testing.assert_allclose((turned**2).sum(1), 1, atol=1e-6)
    angle = np.sort(np.arctan2(turned[:, 1], turned[:, 0])) / (2 * np.pi) + 0.5
    assert np.abs(angle - np.linspace(0, 1, len(angle))).max() < 2 / len(angle) ** 0.5  # Kolmogorov-Smirnov
    stretched = drawn.values[(drawn.values[:, 5:7] != 0).any(1), 5:7]
    along = stretched[:, 1] == 0  # of the axis, half of them
    assert along.mean() == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(np.cov(stretched[~along].T), np.eye(2) / 2, atol=0.15)


def turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def maps(values):
    """The two maps M that nine values may stand for, built of rotations and axis scalings as the paper describes."""
    _, _, size, cos, sin, w_cos, w_sin, _, _ = values
    strength, r = np.hypot(w_cos, w_sin), np.arctan2(w_sin, w_cos)
    for w in (strength, -strength):
        stretch = turn(r) @ np.diag([2 ** (0.2 * w), 2 ** (-0.2 * w)]) @ turn(-r)
        yield stretch @ turn(np.arctan2(sin, cos + 1)) * 2 ** (0.2 * size)


def test_the_map_is_that_of_the_values(drawn):
    for values, inverse in zip(drawn.values[:500], drawn.inverse):
        assert min(np.abs(inverse @ m - np.eye(2)).max() for m in maps(values)) < 1e-5


# What becomes of the image


def smooth(height, width, inverse=((1, 0), (0, 1)), shift=(0, 0)):
    """Cosines that continue across the edges as their own mirror images, read at inverse (p - shift)."""
    y, x = np.mgrid[:height, :width] + 0.5
    p = np.stack([x - width / 2 - shift[0], y - height / 2 - shift[1]])
    x, y = np.einsum("ij,jhw->ihw", np.array(inverse, float), p)
    x, y = np.pi * (x / width + 0.5), np.pi * (y / height + 0.5)
    return np.stack([np.cos(x) * np.cos(2 * y), np.cos(3 * x) + 0.5 * np.cos(y)], axis=-1) / 1.5


@pytest.mark.parametrize("size", [(24, 24), (16, 24)])
@pytest.mark.parametrize(
    "inverse, shift",
    [
        (np.eye(2), (0, 0)),
        (np.eye(2), (3, -2)),
        (np.eye(2), (-40.3, 55.7)),
        (np.eye(2) / 2, (0, 0)),
        (np.eye(2) * 1.3, (1.5, 0.25)),
        (turn(0.7), (0, 0)),
        (turn(-2.5) @ np.array([[1.2, 0.1], [0.1, 0.8]]), (2.2, -1.1)),
    ],
)
def test_resampling_of_a_smooth_image(size, inverse, shift):
    """The closed form everywhere, also far beyond the edges."""
    x = jnp.asarray(smooth(*size), jnp.float32)
    found = resample(x, jnp.asarray(inverse, jnp.float32), jnp.asarray(shift, jnp.float32))
    np.testing.assert_allclose(found, smooth(*size, inverse, shift), atol=0.015)


def test_resampling_is_numpy_s():
    """A quarter turn, clockwise as it is seen, and a shift by whole pixels with reflection at the border."""
    x = smooth(16, 16)
    image = jnp.asarray(x, jnp.float32)
    turned = resample(image, jnp.asarray(turn(-np.pi / 2), jnp.float32), jnp.zeros(2))
    np.testing.assert_allclose(turned, np.rot90(x, -1), atol=0.01)
    shifted = np.asarray(resample(image, jnp.eye(2), jnp.array([3.0, -5.0])))
    np.testing.assert_allclose(shifted[:-5, 3:], np.roll(x, (-5, 3), (0, 1))[:-5, 3:], atol=0.01)
    np.testing.assert_allclose(shifted, np.pad(x, ((0, 5), (3, 0), (0, 0)), "symmetric")[5:, :16], atol=0.01)


def test_edges_are_mirrors():
    """An image among its own mirror images is resampled as it is alone, pixels of noise included."""
    x = jax.random.normal(jax.random.key(3), (8, 10, 1))
    among = jnp.asarray(np.pad(x, ((16, 16), (20, 20), (0, 0)), "symmetric"))
    inverse, shift = jnp.array([[0.9, -0.5], [0.6, 1.1]]), jnp.array([1.3, -2.2])
    found = resample(among, inverse, shift)[16:-16, 20:-20]
    np.testing.assert_allclose(resample(x, inverse, shift), found, atol=1e-4)


def test_nothing_aliases():
    """Stripes of 0.45 cycles a pixel, shrunk by 1.6, are finer than pixels can show: grey, not broader stripes."""
    x = np.broadcast_to(np.cos(2 * np.pi * 0.45 * np.arange(96))[None, :, None], (8, 96, 1))
    shrunk = resample(jnp.asarray(x, jnp.float32), jnp.diag(jnp.array([1.6, 1.0])), jnp.zeros(2))
    inner = shrunk[:, 20:-20]  # of the image itself; what lies beyond is its reflection
    assert np.std(inner) < 0.07 * np.std(x)


@pytest.fixture(scope="module")
def many():
    """(image, images, draws): one image of noise augmented in 64 ways."""
    x = jax.random.uniform(jax.random.key(1), (8, 10, 2), minval=-1)
    each = jax.jit(jax.vmap(augment, (0, None, None)))
    images, values = each(keys(64), x, P)
    np.testing.assert_array_equal(values, jax.jit(jax.vmap(draw, (0, None)))(keys(64), P).values)
    return np.asarray(x), np.asarray(images), np.asarray(values)


def test_images_only_mirrored_are_exact(many):
    x, images, values = many
    exact = np.flatnonzero((values[:, 2:] == 0).all(1))
    assert len(np.unique(values[exact, :2], axis=0)) == 4
    for n in exact:
        expected = x[:, ::-1] if values[n, 0] else x
        np.testing.assert_array_equal(images[n], expected[::-1] if values[n, 1] else expected)
    moved = np.setdiff1d(np.arange(64), exact)
    assert np.abs(images[moved] - x).max((1, 2, 3)).min() > 0.01


def test_probability_zero_mirrors_half():
    x = jax.random.normal(jax.random.key(2), (4, 4, 1))
    images, values = jax.jit(jax.vmap(augment, (0, None, None)))(keys(32), x, 0.0)
    assert set(values[:, 0].tolist()) == {0, 1} and not values[:, 1:].any()
    for image, value in zip(images, values):
        np.testing.assert_array_equal(image, x[:, ::-1] if value[0] else x)


def test_a_constant_stays_constant():
    images, values = jax.jit(jax.vmap(augment, (0, None, None)))(keys(64), jnp.full((6, 8, 1), 0.7), 0.9)
    assert (values != 0).any(0).all()
    np.testing.assert_allclose(images, 0.7, atol=1e-5)


def test_a_spot_moves_as_the_values_say():
    """Its centre of mass, over mirrors and all that follows, by a map built from the values in NumPy."""
    size, at = np.array([80, 64]), np.array([5.0, -3.0])
    across, down = (np.arange(n) + 0.5 - n / 2 for n in size)
    spot = np.exp(-((across[None, :] - at[0]) ** 2 + (down[:, None] - at[1]) ** 2) / 8)
    spot = jnp.asarray(spot, jnp.float32)[..., None]
    images, values = jax.jit(jax.vmap(augment, (0, None, None)))(keys(24), spot, 0.8)
    seen = 0
    for image, value in zip(np.asarray(images, float)[..., 0], np.asarray(values, float)):
        ways = [m @ (at * (1 - 2 * value[:2])) + 0.125 * size * value[7:] for m in maps(value)]
        if np.abs(ways).max() > 18:
            continue  # partly outside
        seen += 1
        errors = []
        for x, y in ways:  # the whole image may also hold reflections of the spot
            near = image * ((across[None, :] - x) ** 2 + (down[:, None] - y) ** 2 < 10**2)
            mass = max(near.sum(), 1e-3)
            errors.append(max(abs(near.sum(0) @ across / mass - x), abs(near.sum(1) @ down / mass - y)))
        assert min(errors) < 0.05
    assert seen > 12


# The network


SMALL = {"channels": 8, "multipliers": (1,), "blocks": 1, "attention": ()}


def test_parameters_of_ddpmpp_that_is_told():
    """Those of EDM's network of CIFAR-10: nine times 128 more."""
    x, alpha = jnp.zeros((1, 32, 32, 3)), jnp.zeros((1, 1))
    params = jax.eval_shape(UNet(augment=True).init, jax.random.key(0), x, alpha)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 55_733_891
    assert params.pop("augmentation")["kernel"].shape == (embedding.AUGMENTATION_VALUES, 128)
    plain = jax.eval_shape(UNet().init, jax.random.key(0), x, alpha)["params"]
    assert jax.tree.structure(plain) == jax.tree.structure(params)


def test_the_network_hears_the_values():
    """Zeros are none; every one of the nine moves the output, of its own example alone."""
    net, x = UNet(**SMALL, augment=True), jax.random.normal(jax.random.key(0), (10, 4, 4, 1))
    alpha = jnp.full((10, 2), 0.5)
    params = jax.jit(net.init)(jax.random.key(1), x, alpha)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.2, leaf.shape).astype(np.float32), params)
    none, zeros, told = jax.jit(
        lambda: [
            net.apply(params, x, alpha, augmentation=values) for values in (None, jnp.zeros((10, 9)), jnp.eye(10, 9))
        ]
    )()
    np.testing.assert_array_equal(zeros, none)
    changed = np.abs(told - none).max((1, 2, 3))
    assert changed[:9].min() > 1e-3 and changed[9] < 1e-6


# The step


def config(**data):
    training = {"augment": 0.5, "batch": 8, "warmup_images": 0, "ema_halflife_images": 100}
    model = SMALL | {"multipliers": [1], "attention": []}
    return configs.from_dict({"data": {"shape": [8, 8, 1]} | data, "model": model, "training": training})


@pytest.fixture(scope="module")
def batch():
    x = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1)).astype(np.uint8)
    return {"x": x, "label": np.zeros(8, np.int32), "position": np.arange(8, dtype=np.int32)}


class Linear:
    """A network that compiles in no time; the U-Net takes a step in tests/config/test_experiments.py."""

    def init(self, key, x, alpha):
        return {"x": jnp.ones(x.shape[1:]), "augmentation": jax.random.normal(key, (9, *x.shape[1:]))}

    def apply(self, params, x, alpha, augmentation):
        return params["x"] * x + jnp.tensordot(augmentation, params["augmentation"], 1)


def step_of(chosen, net):
    process = build.process(chosen)
    return steps.make_step(chosen, net, process, build.family(chosen, process.k)), created(chosen, net, process.k)


def test_eight_devices_equal_one(batch):
    """Losses, gradients and parameters of two steps, in which other values are drawn."""
    assert jax.device_count() == 8
    step, start = step_of(config(), Linear())
    ends, metrics = [], []
    for run in (jax.jit(step), parallel.over_devices(step)):
        state = jax.tree.map(jnp.copy, start)
        for _ in range(2):
            state, values = run(state, batch)
            metrics.append([float(values["loss"]), float(values["grad_norm"])])
        ends.append(state.params)
    assert np.isfinite(metrics).all() and np.ptp(metrics[:2], axis=0).min() > 1e-2
    np.testing.assert_allclose(metrics[2:], metrics[:2], rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), *ends)


def test_the_state_holds_the_map():
    chosen = config()
    net = build.network(chosen, build.process(chosen))
    state = jax.eval_shape(lambda: created(chosen, net, 1))
    for params in (state.params, state.ema):
        assert params["params"]["augmentation"]["kernel"].shape == (9, 8)


@pytest.mark.parametrize("dequantise", [False, True])
def test_what_the_loss_is_given(batch, monkeypatch, dequantise):
    """The augmented images in [-1, 1], with the jitter of dequantisation on top, and their values."""
    chosen, net = config(dequantise=dequantise), Linear()
    weights = np.random.default_rng(1).normal(size=(8, 8, 8, 1)).astype(np.float32)

    def weighed(u, process, x, z, alpha):
        return (weights * u(x, alpha)).sum((1, 2, 3))

    monkeypatch.setitem(loss.LOSSES, "unweighted", weighed)
    step, state = step_of(chosen, net)
    _, metrics = jax.jit(step)(state, batch)
    chance = draws(chosen, 0, jnp.arange(8), (8, 8, 1))
    pixels = jnp.asarray(batch["x"] / 127.5 - 1, jnp.float32)
    images, values = jax.jit(jax.vmap(augment, (0, 0, None)))(chance.augmentation, pixels, 0.5)
    images += dequantise * chance.jitter * 2 / 255
    expected = images + np.einsum("nv,v...->n...", values, state.params["augmentation"])
    np.testing.assert_allclose(metrics["loss"], (weights * expected).sum() / 8, rtol=1e-4)


def test_keys_depend_on_the_position_alone():
    chosen = config()

    @jax.jit
    def drawn(position, step):
        return jax.random.key_data(draws(chosen, step, position, (1,)).augmentation)

    whole, later = (drawn(jnp.arange(8), step) for step in (3, 4))
    np.testing.assert_array_equal(drawn(jnp.array([5, 2]), 3), whole[jnp.array([5, 2])])
    assert len({tuple(key) for key in np.concatenate([whole, later]).tolist()}) == 16


# The config


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"data": {"flip": True}},
            "data.flip: must be False where training.augment is above 0: an augmentation mirrors by itself, and tells "
            "the network, got True",
        ),
        ({"model": {"name": "mlp"}}, "training.augment: must be 0 for the mlp, got 0.1"),
        ({"training": {"augment": 1.0}}, "training.augment: must be in [0, 1), got 1.0"),
        ({"training": {"augment": -0.1}}, "training.augment: must be in [0, 1), got -0.1"),
        ({"training": {"augment": float("nan")}}, "training.augment: must be in [0, 1), got nan"),
    ],
)
def test_refused(changes, message):
    with pytest.raises(ValueError) as caught:
        configs.from_dict({"training": {"augment": 0.1}} | changes)
    assert str(caught.value) == message
