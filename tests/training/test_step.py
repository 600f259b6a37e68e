"""The training step on a tiny MLP of digits: one device and eight, and what chance decides."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import data, pixels
from gdm_jax.config import build
from gdm_jax.devices import parallel
from gdm_jax.training.step import make_step
from tests.runs import Ramp, created, draws, same


def parts(config):
    process = build.process(config)
    return build.network(config, process), process, build.family(config, process.k)


def steps(config, mapped, count=5):
    """Losses, gradient norms and the final state of some steps from the start, on one device or mapped over eight."""
    net, process, family = parts(config)
    step = make_step(config, net, process, family)
    mesh = jax.sharding.Mesh(jax.devices(), (parallel.AXIS,))
    ways = {"pmap": parallel.over_devices, "mesh": lambda step: parallel.over_mesh(step, mesh)}
    step = ways[mapped](step) if mapped else jax.jit(step)
    state = created(config, net, process.k)
    batches = data.stream(data.open_source(config.data), seed=config.seed, batch=config.training.batch)
    metrics = []
    for _ in range(count):
        batch = next(batches)
        state, values = step(state, {name: batch[name] for name in ("x", "label", "position")})
        metrics.append((float(values["loss"]), float(values["grad_norm"])))
    return metrics, state


@pytest.fixture(scope="module")
def on_one(tiny):
    return steps(tiny(), mapped="")


@pytest.mark.parametrize("mapped", ["pmap", "mesh"])
def test_eight_devices_equal_one(tiny, on_one, mapped):
    """The same noise and the same mean gradient: the same losses, and parameters but for rounding under Adam."""
    assert jax.device_count() == 8
    metrics, state = steps(tiny(), mapped=mapped)
    np.testing.assert_allclose(metrics, on_one[0], rtol=1e-5)
    same(state.params, on_one[1].params, atol=1e-4)
    same(state.ema, on_one[1].ema, atol=1e-4)
    assert np.ptp([loss for loss, _ in metrics]) > 1e-2


def test_accumulation_equals_one_big_batch(tiny, on_one):
    metrics, state = steps(tiny(accumulate=4), mapped="")
    np.testing.assert_allclose(metrics, on_one[0], rtol=1e-5)
    same(state.params, on_one[1].params, atol=1e-4)


def labelled(config, **changes):
    """The same config told the digit; keyword arguments change fields of config.data."""
    network, source = dataclasses.replace(config.model, classes=10), dataclasses.replace(config.data, **changes)
    return dataclasses.replace(config, model=network, data=source)


def test_eight_devices_equal_one_with_labels(tiny):
    """Also which labels are withheld, and the noise of dequantisation."""
    config = labelled(tiny(label_dropout=0.5), dequantise=True, levels=17)
    (one, state), (eight, mapped) = (steps(config, mapped=mapped, count=3) for mapped in ("", "pmap"))
    np.testing.assert_allclose(eight, one, rtol=1e-5)
    same(mapped.params, state.params, atol=1e-4)


SCHEDULES = {
    "one": {},
    "random_order": {"random_order": True},
    "random_orders": {"random_orders": 5},
    "orders": {"order": ((0, 1, 2, 3), (3, 2, 1, 0)), "overlap": (0.0, 0.5, 1.0)},
    "boundaries": {"boundaries": ((0.25, 0.5, 0.75), (0.1, 0.2, 0.3))},
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_what_chance_decides_depends_on_the_position_alone(tiny, schedule):
    """A device's share of the draws is that share of the whole batch's; other steps and seeds draw others."""
    config = dataclasses.replace(tiny(label_dropout=0.5), schedule=configs.Intervals(**schedule))

    def drawn(position, step=3, config=config):
        found = draws(config, step, jnp.asarray(position), (8, 8, 1))
        alpha, keys = found.schedule.alpha(found.t), jax.random.key_data(found.keys)
        chance = {"jitter": found.jitter, "labelled": found.labelled}
        return {"t": found.t, "z": found.z, "alpha": alpha, "keys": keys, **chance}

    whole = drawn(np.arange(16))
    part = {name: value[jnp.array([9, 2, 14])] for name, value in whole.items()}
    same(drawn([9, 2, 14]), part, rtol=1e-6, atol=1e-6)  # a batch of another length is rounded in another way
    for other in (drawn(np.arange(16), step=4), drawn(np.arange(16), config=dataclasses.replace(config, seed=1))):
        assert all((other[name] != whole[name]).any() for name in whole)
    np.testing.assert_allclose(np.diff(np.sort(whole["t"])), 1 / 16, atol=1e-6)
    assert len({z.tobytes() for z in np.asarray(whole["z"])}) == 16


def test_every_order_and_overlap_is_drawn_alike(tiny):
    """Each example draws one of two orders and, independently, one of three overlaps, uniformly."""
    config = dataclasses.replace(tiny(), schedule=configs.Intervals(**SCHEDULES["orders"]))
    family = build.family(config, 4)
    drawn = draws(config, 0, jnp.arange(3000), (1,)).schedule
    found = np.concatenate([drawn.t_start, drawn.t_end], axis=1).round(4)
    possible = [family.schedule(order, intervals=n) for order in config.schedule.order for n in range(3)]
    expected = np.unique([np.concatenate([s.t_start, s.t_end]).round(4) for s in possible], axis=0)
    schedules, counts = np.unique(found, axis=0, return_counts=True)
    np.testing.assert_allclose(schedules, expected, atol=1e-4)
    shares = np.where(np.ptp(schedules[:, :4], axis=1) < 1e-3, 1 / 3, 1 / 6)  # all at once has no order
    assert len(schedules) == 5
    np.testing.assert_allclose(counts / 3000, shares, atol=4 * np.sqrt(shares * (1 - shares) / 3000).max())


def test_shifted_times_are_drawn(tiny):
    """The median of each band's noise to signal is its shift. Bands keep their shares, and the noise is the same."""
    shift = (0.7, 0.5, 2.0, 0.1)
    uniform, shifted = (draws(tiny(shift=chosen), 0, jnp.arange(4000), (1,)) for chosen in ((), shift))
    np.testing.assert_array_equal(uniform.z, shifted.z)
    for group in range(4):
        for drawn, median in ((uniform, 1), (shifted, shift[group])):
            alpha = np.asarray(drawn.schedule.alpha(drawn.t))[:, group]
            alpha = alpha[(alpha > 0) & (alpha < 1)]
            assert len(alpha) == pytest.approx(1000, abs=2)
            assert np.median((1 - alpha) / alpha) == pytest.approx(median, rel=0.1)


def test_shares_and_density_of_the_config_are_drawn(tiny):
    """Each band gets its share of the examples, and there the logit of the noise has the width that was asked for."""
    shares, width = (0.1, 0.4, 0.3, 0.2), 0.5
    config = tiny(shares=shares, density="logit_normal", width=width, batch=4000)
    drawn = draws(config, 0, jnp.arange(4000), (1,))
    for group, share in enumerate(shares):
        alpha = np.asarray(drawn.schedule.alpha(drawn.t), np.float64)[:, group]
        alpha = alpha[(alpha > 0) & (alpha < 1)]
        assert len(alpha) == pytest.approx(4000 * share, abs=2)
        assert np.std(np.log((1 - alpha) / alpha)) == pytest.approx(width, rel=0.05)
    drawn = draws(tiny(density="logit_normal", width=width, tails=0.5, batch=4000), 0, jnp.arange(4000), (1,))
    alpha = np.asarray(drawn.schedule.alpha(drawn.t), np.float64)
    alpha = alpha[(alpha > 0) & (alpha < 1)]
    in_tails = np.mean(np.abs(np.log((1 - alpha) / alpha)) > 3)  # where the narrow density has none
    assert in_tails == pytest.approx(0.5 * 2 / (1 + np.exp(3)), rel=0.05)


def test_share_of_labels_withheld(tiny, share=0.3):
    config = tiny(label_dropout=share)
    told = draws(config, 0, jnp.arange(2000), (1,)).labelled
    assert 1 - told.mean() == pytest.approx(share, abs=4 * (share * (1 - share) / 2000) ** 0.5)


def first_batch(config):
    """Parts of the config, the first state with a last layer that is not zero, and the first batch."""
    net, process, family = parts(config)
    state = created(config, net, process.k)
    params = jax.tree.map(lambda leaf: leaf + 0.01, state.params)
    batch = next(data.stream(data.open_source(config.data), seed=config.seed, batch=config.training.batch))
    return net, process, family, dataclasses.replace(state, params=params), batch


def test_a_withheld_label_moves_nothing(tiny):
    """Where every label is withheld their map has no gradient, so that Adam leaves it where it was."""
    config = labelled(tiny(label_dropout=1.0, warmup_images=0))
    net, process, family, state, batch = first_batch(config)
    new, _ = jax.jit(make_step(config, net, process, family))(state, batch)
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), state.params, new.params)["params"]
    assert moved.pop("Label_0")["map"]["kernel"] == 0
    assert min(jax.tree.leaves(moved)) > 0


def test_only_the_labels_of_the_batch_are_learnt(tiny):
    """Rows of the map that belong to digits that are not in the batch stay as they are."""
    config = labelled(tiny(label_dropout=0.0, warmup_images=0))
    net, process, family, state, batch = first_batch(config)
    batch = {**batch, "label": np.array([2, 7] * 8, np.int32)}
    new, _ = jax.jit(make_step(config, net, process, family))(state, batch)
    before, after = (s.params["params"]["Label_0"]["map"]["kernel"] for s in (state, new))
    assert np.flatnonzero(np.abs(after - before).max(1)).tolist() == [2, 7]


def test_dequantisation_moves_by_at_most_half_a_level(tiny, monkeypatch):
    """What the loss is given differs from the data by uniform noise as wide as the distance between two levels."""
    config = dataclasses.replace(tiny(), data=dataclasses.replace(tiny().data, dequantise=True, levels=17))
    net, process, family, state, batch = first_batch(config)
    weights = np.random.default_rng(0).normal(size=(16, 8, 8, 1)).astype(np.float32)

    def weighed(u, process, x, z, alpha):
        return (weights * x).reshape(len(x), -1).sum(-1) + 0 * u(x, alpha).sum()

    monkeypatch.setitem(gdm.loss.LOSSES, "unweighted", weighed)
    _, metrics = jax.jit(make_step(config, net, process, family))(state, batch)
    jitter = draws(config, 0, jnp.arange(16), (8, 8, 1)).jitter
    moved = pixels.to_model_range(batch["x"]) + jitter * (2 / 16)
    np.testing.assert_allclose(metrics["loss"], (weights * moved).sum() / 16, rtol=1e-4)
    assert np.abs(jitter).max() <= 0.5
    quantiles = np.quantile(jitter, [0.1, 0.25, 0.5, 0.75, 0.9])
    np.testing.assert_allclose(quantiles, [-0.4, -0.25, 0, 0.25, 0.4], atol=0.06)  # of 1,024 draws


def test_ema_starts_at_the_parameters_and_follows(tiny):
    (_, one), (_, two) = (steps(tiny(), mapped="", count=n) for n in (1, 2))
    same(one.ema, one.params)
    decay = 0.5 ** (16 / (0.5 * 16))
    same(two.ema, jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, one.ema, two.params), atol=1e-6)


def test_sixteen_bits_train_as_eight_do(tiny, monkeypatch):
    """65,535 is white: the same picture of either type gives the same loss."""
    found = []
    for dtype in (np.uint8, np.uint16):
        monkeypatch.setattr(data, "open_source", lambda *_, dtype=dtype, **__: Ramp((8, 8, 1), dtype))
        found.append(steps(tiny(), mapped="", count=2)[0])
    np.testing.assert_allclose(*found, rtol=2e-2)
