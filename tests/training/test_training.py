"""Training on a tiny MLP of digits: one device and eight, what chance decides, and whole runs."""

import dataclasses
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import data, pixels, training
from gdm_jax.config import build
from gdm_jax.devices import parallel
from gdm_jax.training import loop
from gdm_jax.training import state as states
from gdm_jax.training.step import draw, make_step
from gdm_jax.workdir import checkpoint, log
from tests.runs import listing, losses, same

pytestmark = pytest.mark.usefixtures("compile_once")


def created(config, net, k):
    return states.create(net, config.data.shape, k, training=config.training, seed=config.seed)


def draws_of(config, step, position, shape):
    chance = {"seed": config.seed, "batch": config.training.batch, "label_dropout": config.training.label_dropout}
    return draw(build.family(config, 4), step, position, shape, **chance)


def parts(config):
    process = build.process(config)
    return build.network(config, process), process, build.family(config, process.k)


# The step


def steps(config, mapped, count=5):
    """Losses, gradient norms and the final state of some steps from the start."""
    net, process, family = parts(config)
    step = make_step(config, net, process, family)
    step = parallel.over_devices(step) if mapped else jax.jit(step)
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
    return steps(tiny(), mapped=False)


def test_eight_devices_equal_one(tiny, on_one):
    """The same noise and the same mean gradient: the same losses, and parameters but for rounding under Adam."""
    assert jax.device_count() == 8
    metrics, state = steps(tiny(), mapped=True)
    np.testing.assert_allclose(metrics, on_one[0], rtol=1e-5)
    same(state.params, on_one[1].params, atol=1e-4)
    same(state.ema, on_one[1].ema, atol=1e-4)
    assert np.ptp([loss for loss, _ in metrics]) > 1e-2


def test_accumulation_equals_one_big_batch(tiny, on_one):
    metrics, state = steps(tiny(accumulate=4), mapped=False)
    np.testing.assert_allclose(metrics, on_one[0], rtol=1e-5)
    same(state.params, on_one[1].params, atol=1e-4)


def labelled(config, **changes):
    """The same config told the digit; keyword arguments change fields of config.data."""
    network, source = dataclasses.replace(config.model, classes=10), dataclasses.replace(config.data, **changes)
    return dataclasses.replace(config, model=network, data=source)


def test_eight_devices_equal_one_with_labels(tiny):
    """Also which labels are withheld, and the noise of dequantisation."""
    config = labelled(tiny(label_dropout=0.5), dequantise=True, levels=17)
    (one, state), (eight, mapped) = (steps(config, mapped=mapped, count=3) for mapped in (False, True))
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
        draws = draws_of(config, step, jnp.asarray(position), (8, 8, 1))
        alpha, keys = draws.schedule.alpha(draws.t), jax.random.key_data(draws.keys)
        chance = {"jitter": draws.jitter, "labelled": draws.labelled}
        return {"t": draws.t, "z": draws.z, "alpha": alpha, "keys": keys, **chance}

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
    drawn = draws_of(config, 0, jnp.arange(3000), (1,)).schedule
    found = np.concatenate([drawn.t_start, drawn.t_end], axis=1).round(4)
    possible = [family.schedule(order, intervals=n) for order in config.schedule.order for n in range(3)]
    expected = np.unique([np.concatenate([s.t_start, s.t_end]).round(4) for s in possible], axis=0)
    schedules, counts = np.unique(found, axis=0, return_counts=True)
    np.testing.assert_allclose(schedules, expected, atol=1e-4)
    shares = np.where(np.ptp(schedules[:, :4], axis=1) < 1e-3, 1 / 3, 1 / 6)  # all at once has no order
    assert len(schedules) == 5
    np.testing.assert_allclose(counts / 3000, shares, atol=4 * np.sqrt(shares * (1 - shares) / 3000).max())


def test_share_of_labels_withheld(tiny, share=0.3):
    config = tiny(label_dropout=share)
    told = draws_of(config, 0, jnp.arange(2000), (1,)).labelled
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
    jitter = draws_of(config, 0, jnp.arange(16), (8, 8, 1)).jitter
    moved = pixels.to_model_range(batch["x"]) + jitter * (2 / 16)
    np.testing.assert_allclose(metrics["loss"], (weights * moved).sum() / 16, rtol=1e-4)
    assert np.abs(jitter).max() <= 0.5
    quantiles = np.quantile(jitter, [0.1, 0.25, 0.5, 0.75, 0.9])
    np.testing.assert_allclose(quantiles, [-0.4, -0.25, 0, 0.25, 0.4], atol=0.06)  # of 1,024 draws


def test_ema_decay(tiny):
    """0.5^(batch / half-life), the half-life rising to its full length with the images seen."""
    config = tiny(ema_halflife_images=160, ema_ramp=0.5)
    for step in range(40):
        halflife = min(160, 0.5 * step * 16)
        expected = 0.5 ** (16 / halflife) if halflife else 0
        assert states.ema_decay(config.training, step) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    after = np.prod([states.ema_decay(config.training, step) for step in range(30, 40)])
    assert after == pytest.approx(0.5, rel=1e-5)  # ten steps of 16 are one half-life


def test_ema_starts_at_the_parameters_and_follows(tiny):
    (_, one), (_, two) = (steps(tiny(), mapped=False, count=n) for n in (1, 2))
    same(one.ema, one.params)
    decay = 0.5 ** (16 / (0.5 * 16))
    same(two.ema, jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, one.ema, two.params), atol=1e-6)


@pytest.mark.parametrize("decay", ["constant", "cosine"])
def test_warm_up_and_decay(tiny, decay):
    """Under a constant gradient Adam moves by exactly the learning rate."""
    config = tiny(decay=decay, learning_rate=0.1)
    optimizer = states.optimizer(config.training)
    params = {"w": jnp.zeros(1)}
    opt_state, rates = optimizer.init(params), []
    for _ in range(12):
        updates, opt_state = optimizer.update({"w": jnp.ones(1)}, opt_state, params)
        rates.append(-float(updates["w"][0]))
    after = 0.1 * (np.ones(8) if decay == "constant" else (1 + np.cos(np.pi * np.arange(8) / 8)) / 2)
    np.testing.assert_allclose(rates, [0, 0.025, 0.05, 0.075, *after], rtol=1e-4, atol=1e-7)


def test_clipping_bounds_the_gradient(tiny):
    optimizer = states.optimizer(tiny(clip=1.0, betas=(0.0, 0.0), warmup_images=0, learning_rate=1.0).training)
    clipped = optimizer.update({"w": jnp.array([3e3, 4e3])}, optimizer.init({"w": jnp.zeros(2)}))[1]
    moment = next(leaf for leaf in jax.tree.leaves(clipped) if leaf.shape == (2,))
    np.testing.assert_allclose(moment, [0.6, 0.8], rtol=1e-5)


# The run


def test_what_a_run_leaves(run, tiny):
    workdir, state = run
    assert int(state.step) == 12
    assert configs.from_json((workdir / "config.json").read_text()) == tiny()
    assert [step for step, *_ in losses(workdir)] == list(range(1, 13))
    assert checkpoint.Checkpoints(workdir, create=False).steps() == [3, 6, 9, 12]
    assert [file.name for file in (workdir / "samples").iterdir()] == ["00000012.png"]
    (board,) = (workdir / "tensorboard").iterdir()
    shown = dict(scalars(board))
    assert {name for name, _ in scalars(board)} >= {"loss", "grad_norm", "images_per_second", "samples"}
    assert shown["loss"] == pytest.approx(losses(workdir)[-1][1], rel=1e-6)


def scalars(path):
    """(tag, value) of an event file: records of a length, its checksum, a message and its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    content, at = path.read_bytes(), 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        for value in Event.FromString(content[at + 12 : at + 12 + length]).summary.value:
            yield value.tag, value.simple_value
        at += length + 16


def test_an_interrupted_run_equals_an_uninterrupted_one(run, tiny, tmp_path, monkeypatch):
    """Ended at step 6, continued, cut short after step 10 with the last checkpoint at 9, continued: bit for bit."""
    training.train(tiny(steps=6), tmp_path, progress=False)
    write = log.Log.write

    def cut(self, step, **values):
        write(self, step, **values)
        if step == 10:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(log.Log, "write", cut)
        training.train(tiny(), tmp_path, progress=False)
    assert [step for step, *_ in losses(tmp_path)] == list(range(1, 11))
    state = training.train(tiny(), tmp_path, progress=False)
    same(state, run[1])
    assert losses(tmp_path) == losses(run[0])


def test_a_finished_run_is_left_alone(run, tiny, workdir):
    before = losses(workdir)
    same(training.train(tiny(), workdir, progress=False), run[1])
    assert losses(workdir) == before


def test_a_non_finite_loss_stops_the_run(tiny, tmp_path):
    """The first step throws the parameters far away; the second has no finite loss and is not saved."""
    config = tiny(learning_rate=1e30, warmup_images=0, save_every=1, log_every=5)
    with pytest.raises(training.NonFiniteLoss, match="step 2 is not finite; the last checkpoint is intact"):
        training.train(config, tmp_path, progress=False)
    assert checkpoint.Checkpoints(tmp_path, create=False).steps() == [1]
    leaves = jax.tree.leaves(gdm.load(tmp_path).u)
    assert all(np.isfinite(leaf).all() for leaf in leaves)


def test_a_workdir_of_another_config_is_refused(tiny, workdir):
    before = listing(workdir)
    other = dataclasses.replace(tiny(learning_rate=0.5), seed=1)
    with pytest.raises(ValueError, match="belongs to another config; seed, training.learning_rate differ"):
        training.train(other, workdir, progress=False)
    assert listing(workdir) == before


@pytest.mark.parametrize(
    "change, message",
    [
        ({"batch": 12}, "training.batch: 12 does not divide over 8 device.s. in 1 micro-batch.es.; 16 does"),
        ({"batch": 24, "accumulate": 2}, "training.batch: 24 does not divide over 8 device.s. in 2 micro-batch"),
    ],
)
def test_a_batch_that_devices_do_not_divide(tiny, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        training.train(tiny(**change), tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()


# What a run is held to


def of_classes(tiny, classes):
    config = tiny()
    return dataclasses.replace(config, model=dataclasses.replace(config.model, classes=classes))


def test_more_classes_in_the_data_than_in_the_model_are_refused(tiny, tmp_path):
    """Half of the digits would train as if they had no label."""
    with pytest.raises(ValueError, match="model.classes: the data have labels up to 9, got 5; set it to 10"):
        training.train(of_classes(tiny, 5), tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()


def test_labels_that_only_a_batch_shows(tiny, tmp_path, monkeypatch):
    """Of a data set too large to be read at once, whose features name no classes."""
    opened = data.open_source

    def unknown(settings, **options):
        source = opened(settings, **options)
        source.classes = None
        return source

    monkeypatch.setattr(data, "open_source", unknown)
    with pytest.raises(ValueError, match="model.classes: the data have labels up to [5-9], got 5; set it to"):
        training.train(of_classes(tiny, 5), tmp_path, progress=False)


def folder_of(images, folder):
    folder.mkdir()
    for n, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{n}.png")
    return folder


@pytest.fixture
def pictures(tmp_path):
    """Noise in a folder, 16 images of 8x8."""
    return folder_of(np.random.default_rng(0).integers(0, 256, (16, 8, 8), np.uint8), tmp_path / "pictures")


def of_folder(tiny, path, tmp_path, **changes):
    settings = {"name": "folder", "path": str(path), "dir": str(tmp_path / "prepared")}
    return dataclasses.replace(tiny(**changes), data=configs.Data(**settings))


def test_a_run_goes_on_with_its_own_data_alone(tiny, pictures, tmp_path):
    """Wherever they lie by then, but no others; nothing is written when it is refused."""
    training.train(of_folder(tiny, pictures, tmp_path, steps=3), tmp_path / "run", progress=False)
    other = folder_of(np.random.default_rng(1).integers(0, 256, (16, 8, 8), np.uint8), tmp_path / "other")
    before = listing(tmp_path / "run")
    with pytest.raises(ValueError, match="data.path: the run in .* began with other examples than these 16"):
        training.train(of_folder(tiny, other, tmp_path, steps=6), tmp_path / "run", progress=False)
    assert [entry for entry in listing(tmp_path / "run") if entry[0] != "lock"] == [e for e in before if e[0] != "lock"]
    moved = pictures.rename(tmp_path / "moved")
    training.train(of_folder(tiny, moved, tmp_path, steps=6), tmp_path / "run", progress=False)
    assert checkpoint.Checkpoints(tmp_path / "run", create=False).steps()[-1] == 6


@pytest.mark.parametrize("steps", [6, 100])
def test_the_learning_rate_does_not_depend_on_when_a_run_ends(tiny, steps):
    """Its warm-up does not end with the run; where it falls to the end, the end is fixed."""
    warm = tiny(warmup_images=16 * 50, steps=steps).training
    rates = [float(states.learning_rate(warm)(n)) for n in range(6)]
    np.testing.assert_allclose(rates, warm.learning_rate * np.arange(6) / 50, rtol=1e-5)


def test_steps_of_a_falling_rate_are_the_run_s(tiny, workdir, tmp_path):
    training.train(tiny(steps=14), workdir, progress=False)  # constant: longer at will
    falling = tiny(decay="cosine", steps=3)
    training.train(falling, tmp_path, progress=False)
    before = listing(tmp_path)
    with pytest.raises(ValueError, match="training.steps, by which the learning rate falls, differ"):
        training.train(tiny(decay="cosine", steps=6), tmp_path, progress=False)
    assert listing(tmp_path) == before


def test_a_run_that_left_no_checkpoint_holds_no_workdir(run, tiny, tmp_path, monkeypatch):
    """It may be tried again with another config, as after the device had no room for the first."""

    def no_room(*_, **__):
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "make_step", lambda *_: no_room)
        with pytest.raises(MemoryError):
            training.train(tiny(batch=32), tmp_path, progress=False)
    assert (tmp_path / "config.json").is_file()
    same(training.train(tiny(), tmp_path, progress=False), run[1])
    assert losses(tmp_path) == losses(run[0])


def test_numbers_of_images_beyond_32_bits(tiny):
    config = tiny(ema_halflife_images=2**40, warmup_images=2**40)
    assert 0 < float(states.ema_decay(config.training, jnp.int32(5))) < 1
    assert float(states.learning_rate(config.training)(jnp.int32(5))) < 1e-9


class Ramp:
    """Two channels, or any type: a data set of 32 images."""

    classes = 1

    def __init__(self, shape, dtype=np.uint8):
        self.shape, self.dtype = shape, dtype

    def __len__(self):
        return 32

    def __getitem__(self, numbers):
        x = np.asarray(numbers)[..., None, None, None] * np.ones(self.shape) * np.iinfo(self.dtype).max / 31
        return {"x": x.astype(self.dtype), "label": np.zeros(np.shape(numbers), np.int32)}


def test_two_channels(tiny, tmp_path, monkeypatch):
    """Of what is neither grey nor colour the channels are drawn side by side, and the run goes on."""
    monkeypatch.setattr(data, "open_source", lambda *_, **__: Ramp((8, 8, 2)))
    settings = {"data": configs.Data(shape=(8, 8, 2)), "sampling": configs.Sampling(steps=(4,))}
    config = dataclasses.replace(tiny(steps=3), **settings)
    training.train(config, tmp_path, progress=False)
    width, height = Image.open(tmp_path / "samples" / "00000003.png").size
    assert width > 1.9 * height


def test_sixteen_bits_train_as_eight_do(tiny, monkeypatch):
    """65,535 is white: the same picture of either type gives the same loss."""
    found = []
    for dtype in (np.uint8, np.uint16):
        monkeypatch.setattr(data, "open_source", lambda *_, dtype=dtype, **__: Ramp((8, 8, 1), dtype))
        found.append(steps(tiny(), mapped=False, count=2)[0])
    np.testing.assert_allclose(*found, rtol=2e-2)
