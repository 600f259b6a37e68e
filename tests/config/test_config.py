"""Configs: what is read, what is refused and in which words, and that every experiment file trains."""

import dataclasses
import functools
import json
import pathlib
import runpy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdm_jax import config as configs
from gdm_jax.config import build, rules
from gdm_jax.training import state as states
from gdm_jax.training.step import make_step

FOLDER = pathlib.Path(__file__).parents[2] / "configs"
EXPERIMENTS = [
    f"{file.name}:{variant}".rstrip(":")
    for file in sorted(FOLDER.glob("*.py"))
    for variant in runpy.run_path(str(file)).get("VARIANTS", ("",))
]
# Each kind of network once, compilations being slow; the others are traced, which meets every shape and type.
STEPPED = ("cifar10.py:blockwise", "digits.py", "mixture2d.py")


def created(config, net, k):
    return states.create(net, config.data.shape, k, training=config.training, seed=config.seed)


def load(name, *overrides):
    return configs.load(FOLDER / name, overrides)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_builds(name):
    """It passes every check, survives JSON, and its network at full size maps a batch to its like."""
    config = load(name)
    assert configs.from_json(configs.to_json(config)) == config
    process = build.process(config)
    assert build.schedule(config, process.k).k == process.k
    net = build.network(config, process)
    x = jax.ShapeDtypeStruct((2, *config.data.shape), jnp.float32)
    alpha = jax.ShapeDtypeStruct((2, process.k), jnp.float32)
    params = jax.eval_shape(functools.partial(created, config, net, process.k)).params
    out = jax.eval_shape(net.apply, params, x, alpha)
    assert (out.shape, out.dtype) == (x.shape, x.dtype)


def reduced(config):
    """The same experiment with a narrow network; images of a U-Net shrink, and their bands and attention with them."""
    network, process, data = config.model, config.process, config.data
    if network.name == "unet":
        size = network.patch * 2 ** len(network.multipliers)
        scale = data.shape[0] / size
        attention = tuple(int(n / scale) for n in network.attention)
        network = dataclasses.replace(network, attention=attention)
        bands = tuple(max(j + 1, int(band / scale**2)) for j, band in enumerate(process.bands))
        process = dataclasses.replace(process, bands=bands)
        data = dataclasses.replace(data, shape=(size, size, data.shape[2]))
    network = dataclasses.replace(network, channels=8, blocks=1)
    training = dataclasses.replace(config.training, batch=2)
    config = dataclasses.replace(config, data=data, process=process, model=network, training=training)
    rules.check(config)
    return config


@pytest.fixture
def quick_compilation():
    """These programs run once: XLA need not make them fast."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def kind(name):
    """What a step's program depends on, of an experiment cut down."""
    config = reduced(load(name))
    drawn = config.schedule.random_order, config.data.dequantise, config.process.strict, config.training.augment > 0
    return config.model, config.data.shape, drawn


KINDS = {kind(name): name for name in reversed(EXPERIMENTS)}.values()


@pytest.mark.parametrize("name", KINDS)
def test_experiment_takes_a_step(name, quick_compilation):
    """A step is typed and shaped like its state; for one experiment of each kind it is run, and stays finite."""
    config = reduced(load(name))
    process = build.process(config)
    net = build.network(config, process)
    like = jax.eval_shape(functools.partial(created, config, net, process.k))
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (2, *config.data.shape)).astype(np.uint8 if len(config.data.shape) == 3 else np.float32)
    batch = {"x": x, "label": jnp.arange(2), "position": jnp.arange(2)}
    step = jax.jit(make_step(config, net, process, build.family(config, process.k)))
    out, _ = jax.eval_shape(step, like, batch)
    assert jax.tree.map(lambda s: (s.shape, s.dtype), out) == jax.tree.map(lambda s: (s.shape, s.dtype), like)
    if name not in STEPPED:
        return
    params = jax.tree.map(lambda s: rng.normal(0, 0.1, s.shape).astype(s.dtype), like.params)
    state = states.TrainState(jnp.int32(0), params, params, states.optimizer(config.training).init(params))
    new, metrics = step(state, batch)
    assert int(new.step) == 1
    assert np.isfinite(metrics["loss"]) and 0 < metrics["grad_norm"] < np.inf
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((new.params, new.ema)))


def test_default_survives_json():
    config = configs.from_dict(configs.default().to_dict())
    assert config == configs.Config()
    assert configs.from_json(configs.to_json(config)) == config
    assert isinstance(configs.from_json(configs.to_json(config)).model.multipliers, tuple)


def test_default_is_locked():
    with pytest.raises(AttributeError, match="bacth"):
        configs.default().training.bacth = 3
    with pytest.raises(TypeError):
        configs.default().training.batch = "many"


@pytest.mark.parametrize(
    "override, found",
    [
        ("--config.training.batch=64", 64),
        ("training.learning_rate=2e-4", 2e-4),
        ("--config.training.learning_rate=1", 1.0),
        ("--config.data.path=~/pictures", "~/pictures"),
        ("--config.data.path=2024", "2024"),
        ("--config.data.path='a b'", "a b"),
        ("--config.model.remat=True", True),
        ("--config.training.augment=0", 0.0),
        ("--config.sampling.steps=64", (64,)),
        ("--config.model.attention=()", ()),
        ("--config.model.attention=[4, 8]", (4, 8)),
        ("--config.seed=7", 7),
    ],
)
def test_overrides(override, found):
    config = load("cifar10.py:vanilla", override)
    name = override.removeprefix("--config.").partition("=")[0]
    section, _, leaf = name.rpartition(".")
    value = getattr(getattr(config, section) if section else config, leaf)
    assert (value, type(value)) == (found, type(found))
    assert configs.differences(load("cifar10.py"), config) == [name]


def test_from_index_survives_json():
    index = np.arange(64).reshape(8, 8) % 3
    config = configs.from_dict({"process": {"groups": "from_index", "index": index.tolist()}})
    assert configs.from_json(configs.to_json(config)) == config
    np.testing.assert_array_equal(build.process(config).groups.index, index)


def test_inherit_starts_from_the_sibling():
    assert configs.differences(load("ffhq64_bands.py"), load("afhq64.py")) == ["data.path", "model.dropout"]


FRESH = "from gdm_jax.config import default\ndef get_config():\n    config = default()\n    {}\n    return config\n"


@pytest.mark.parametrize(
    "line, message",
    [
        ("config.training.bacth = 64", "bacth"),
        ("config.training.batch = 'many'", "many"),
        ("config.trainning.batch = 64", "trainning"),
        ("config.training.batch = 0", "training.batch: must be from 1 to 1,048,576, got 0"),
        ("import no_such_module", "no_such_module"),
        ("config.training.batch = (", "never closed"),
        ("config.training.batch = undefined", "undefined"),
        ("config.training.batch = 1 // 0", "division"),
        ("return None", "get_config"),
    ],
)
def test_bad_files(tmp_path, line, message):
    """One line that names the file or the field."""
    (tmp_path / "experiment.py").write_text(FRESH.format(line))
    with pytest.raises(ValueError, match=message) as caught:
        configs.load(tmp_path / "experiment.py")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "path, message",
    [
        ("{tmp}/missing.py", "there is no file '.*missing.py'"),
        ("{tmp}", "there is no file"),
        ("{tmp}/notes.txt", "is not a Python file"),
        ("{tmp}/empty.py", "get_config"),
        (f"{FOLDER}/cifar10.py:bottom", "variant must be one of vanilla, bottom_to_top"),
        (f"{FOLDER}/digits.py:large", "get_config"),
    ],
)
def test_files_that_are_no_config(tmp_path, path, message):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match=message) as caught:
        configs.load(path.format(tmp=tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "field, value, message",
    [
        # unknown
        ("training.bacth", 64, "config: there is no field training.bacth; did you mean 'batch'?"),
        ("trainning.batch", 64, "config: there is no field trainning; did you mean 'training'?"),
        ("xyzzy", 1, "config: there is no field xyzzy"),
        ("training", 3, "config: training must be a section of fields, got 3"),
        # mistyped
        ("training.batch", 64.0, "training.batch: must be of type int, got 64.0"),
        ("training.batch", True, "training.batch: must be of type int, got True"),
        ("training.learning_rate", "fast", "training.learning_rate: must be of type float, got 'fast'"),
        ("data.flip", 1, "data.flip: must be of type bool, got 1"),
        ("data.name", 5, "data.name: must be of type str, got 5"),
        ("model.multipliers", 2, "model.multipliers: must be of type tuple, got 2"),
        ("model.multipliers", (1, 2.5), "model.multipliers: must be of type int, got 2.5"),
        ("training.betas", (0.9,), "training.betas: must hold 2 values, got (0.9,)"),
        # unknown names
        ("process.groups", "botom_to_top", "process.groups: must be one of single, bottom_to_top, right_to_left, "
         "blockwise, cascade, cascade_inverse, per_element, frequency_bands, from_index, got 'botom_to_top'; did you "
         "mean 'bottom_to_top'?"),
        ("process.basis", "fourier", "process.basis: must be one of identity, dct, gaussian_blur, got 'fourier'"),
        ("process.interpolant", "linaer", "did you mean 'linear'?"),
        ("model.name", "transformer", "model.name: must be one of unet, mlp, got 'transformer'"),
        ("model.dtype", "float16", "model.dtype: must be one of float32, bfloat16, got 'float16'; did you mean "
         "'bfloat16'?"),
        ("training.loss", "l1", "training.loss: must be one of unweighted, weighted, moving, got 'l1'"),
        ("training.decay", "linear", "training.decay: must be one of constant, cosine, got 'linear'"),
        ("sampling.solver", "huen", "got 'huen'; did you mean 'heun'?"),
        # out of range
        *[
            (f"training.{name}", 0, f"training.{name}: must be at least 1, got 0")
            for name in "accumulate log_every sample_every save_every keep keep_every".split()
        ],
        ("training.batch", 0, "training.batch: must be from 1 to 1,048,576, got 0"),
        ("training.steps", 0, "training.steps: must be from 1 to 2,147,483,647, got 0"),
        ("training.learning_rate", 0.0, "training.learning_rate: must be positive, got 0.0"),
        ("training.learning_rate", float("nan"), "training.learning_rate: must be positive, got nan"),
        ("model.dropout", 1.0, "model.dropout: must be in [0, 1), got 1.0"),
        ("model.channels", 30, "model.channels: must be a multiple of 4 from 4 to 16,384, got 30"),
        ("data.shape", (8, 8), "data.shape: must be (dim,) or (height, width, channel), got (8, 8)"),
        ("data.shape", (2,), "model.name: 'unet' is of images; use 'mlp' where data.shape is (dim,), got (2,)"),
        ("data.shape", (10, 8, 1), "data.shape: must be divisible by 4 for model.patch and model.multipliers, got "
         "(10, 8, 1)"),
        ("training.accumulate", 3, "training.accumulate: 3 does not divide training.batch 512"),
        ("process.groups", "frequency_bands", "groups: "),
        ("schedule.boundaries", (0.5,), "schedule.boundaries: 1 groups need 0 boundaries, got (0.5,)"),
        ("sampling.boundaries", (0.5,), "sampling.boundaries: 1 groups need 0 boundaries, got (0.5,)"),
        ("schedule.order", (0, 1), "schedule.order: expected a permutation of 1 groups, 0..0, got (0, 1)"),
        ("schedule.overlap", (1.5,), "between 0"),
        ("sampling.steps", (0,), "steps"),
        ("sampling.steps", (4, 4), "steps"),
        ("sampling.steps", (), "Euler cannot adapt its steps; pass steps"),
        ("seed", -1, "seed: must be from 0 to 4,294,967,295, got -1"),
        ("model.multipliers", (), "model.multipliers: must be 1 to 12 numbers, got ()"),
        ("model.multipliers", (0, 1, 1), "model.multipliers: "),
        ("model.blocks", 0, "model.blocks: "),
        ("model.blocks", 10**9, "model.blocks: must be from 1 to 256, got 1000000000"),
        ("model.multipliers", (10**9,), "model.multipliers: must be numbers from 1 to 64, got"),
        ("training.batch", 10**12, "training.batch: must be from 1 to 1,048,576, got 1000000000000"),
        ("model.patch", 0, "model.patch: "),
        ("data.shape", (0, 8, 1), "data.shape: "),
        ("training.betas", (0.9, 1.5), "training.betas: "),
        ("training.clip", -1.0, "training.clip: "),
        ("training.warmup_images", -1, "training.warmup_images: "),
        ("training.ema_halflife_images", -1, "training.ema_halflife_images: "),
        ("training.ema_ramp", -0.5, "training.ema_ramp: "),
        ("sampling.rtol", 0.0, "sampling.rtol: "),
        ("sampling.atol", -1.0, "sampling.atol: "),
        ("process.sigma", 0.0, "process.sigma: "),
        # labels, levels, mixtures
        ("model.classes", -1, "model.classes: must be from 0 to 1,048,576, got -1"),
        ("model.classes", 2.5, "model.classes: must be of type int, got 2.5"),
        ("training.label_dropout", 1.5, "training.label_dropout: must be from 0 to 1, got 1.5"),
        ("data.levels", 1, "data.levels: must be from 2 to 256, got 1"),
        ("data.levels", 257, "data.levels: must be from 2 to 256, got 257"),
        ("data.dequantise", 1, "data.dequantise: must be of type bool, got 1"),
        ("data.mixture", "digits", "data.mixture: must be of type tuple, got 'digits'"),
        *[
            ("data.mixture", value, "data.mixture: must be (name, path, weight) each, weights positive, got (")
            for value in (
                ("digits", "", 1.0), [["digits", ""]], [["digits", "", "1"]], [["digits", "", 0]],
                [["digits", "", -1.0]], [["digits", 1, 1]], [["digits", "", True]], [["digits", "", float("nan")]],
                [["digits", "", float("inf")]],
            )
        ],
        # families of schedules
        ("schedule.overlap", (0.0, 1.5), "between 0"),
        ("schedule.overlap", (0.0, "all"), "schedule.overlap: must be of type float, got 'all'"),
        ("schedule.order", ((0,), (0, 1)), "schedule.order: expected a permutation of 1 groups, 0..0, got (0, 1)"),
        ("schedule.order", ((0,), 0), "schedule.order: expected a permutation of 1 groups, 0..0, got 0"),
        ("schedule.order", (0.0,), "schedule.order: expected a permutation of 1 groups, 0..0, got (0.0,)"),
        ("schedule.random_orders", -1, "schedule.random_orders: must be from 0 to 10,000, got -1"),
        ("schedule.random_orders", 2.0, "schedule.random_orders: must be of type int, got 2.0"),
        ("sampling.order", (1,), "sampling.order: expected a permutation of 1 groups, 0..0, got (1,)"),
        ("sampling.order", ((0,),), "sampling.order: must be of type int, got (0,)"),
        ("sampling.overlap", (0.0, 0.0), "sampling.overlap: one number, or boundaries without it, got (0.0, 0.0)"),
        ("sampling.guidance", "more", "sampling.guidance: must be of type float, got 'more'"),
        ("sampling.guidance", -1.0, "sampling.guidance: must"),
        ("sampling.guidance", float("nan"), "sampling.guidance: must"),
    ],
)
def test_bad_fields(field, value, message):
    """Each is refused in one line with the field, the value and the rule."""
    values = json.loads(configs.to_json(configs.Config()))
    *sections, leaf = field.split(".")
    functools.reduce(lambda section, name: section.setdefault(name, {}), sections, values)[leaf] = value
    with pytest.raises(ValueError) as caught:
        configs.from_dict(values)
    assert message in str(caught.value) and "\n" not in str(caught.value)


FAMILIES = [
    ({"schedule.order": [[3, 2, 1, 0], [0, 1, 2, 3]]}, 2, (3, 2, 1, 0)),
    ({"schedule.order": [1, 0, 2, 3], "schedule.overlap": [0.0, 0.5, 1.0]}, 3, (1, 0, 2, 3)),
    ({"schedule.boundaries": [[0.2, 0.4, 0.6], [0.1, 0.2, 0.3]], "schedule.random_orders": 3}, 6, None),
    ({"schedule.random_orders": 100}, 24, None),
    ({"schedule.random_order": True, "sampling.order": [2, 3, 0, 1]}, 24, (2, 3, 0, 1)),
    ({"schedule.order": [[3, 2, 1, 0], [0, 1, 2, 3]], "sampling.order": [0, 1, 2, 3]}, 2, (0, 1, 2, 3)),
    ({"schedule.order": [3, 1, 2, 0], "sampling.boundaries": [0.1, 0.2, 0.9]}, 1, (3, 1, 2, 0)),
]


def four_blocks(changes):
    """A config of four blocks of 8x8 pixels with some fields changed."""
    values = {"process": {"groups": "blockwise", "blocks": [2, 2]}}
    for name, value in changes.items():
        section, _, leaf = name.partition(".")
        values.setdefault(section, {})[leaf] = value
    return configs.from_dict(values)


@pytest.mark.parametrize("changes, count, order", FAMILIES)
def test_families_of_schedules(changes, count, order):
    """They survive JSON, hold so many schedules, and are sampled from in the order that is asked for or comes first."""
    config = four_blocks(changes)
    assert configs.from_json(configs.to_json(config)) == config
    family = build.family(config, 4)
    orders = 24 if family.orders is None else len(family.orders)
    assert len(family.intervals.t_start) * orders == count
    start = np.asarray(build.schedule(config, 4).t_start)
    first = np.argsort(-start).tolist()
    assert first == list(family.orders[0] if order is None else order)


@pytest.mark.parametrize("overlap", [0.0, 0.5, 1.0])
def test_sampling_picks_one_overlap(overlap):
    config = four_blocks({"schedule.overlap": [0.0, 0.5, 1.0], "sampling.overlap": [overlap]})
    chosen = build.schedule(config, 4)
    np.testing.assert_allclose(np.asarray(chosen.t_end - chosen.t_start), 1 / 4 + overlap * 3 / 4, atol=1e-6)


def test_random_orders_depend_on_the_seed_alone():
    """So that a run that goes on, and a model loaded from it, know the orders it was trained on."""
    orders = [build.family(four_blocks({"schedule.random_orders": 5, **seed}), 4).orders for seed in ({}, {})]
    np.testing.assert_array_equal(*orders)
    other = dataclasses.replace(four_blocks({"schedule.random_orders": 5}), seed=1)
    assert (build.family(other, 4).orders != orders[0]).any()
    assert len({tuple(order) for order in orders[0].tolist()}) == 5


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"schedule.order": [[0, 1, 2, 3], [0, 1, 2, 2]]}, "schedule.order: expected a permutation of 4 groups, 0..3, "
         "got (0, 1, 2, 2)"),
        ({"schedule.order": [0, 1, 2, 3], "schedule.random_order": True}, "schedule.order: set one of order, random_"),
        ({"schedule.random_order": True, "schedule.random_orders": 3}, "schedule.order: set one of order, random_"),
        ({"schedule.boundaries": [0.2, 0.4, 0.6], "schedule.overlap": [0.0, 0.5]}, "schedule.overlap: must be 0 where "
         "schedule.boundaries are given, got (0.0, 0.5)"),
        ({"schedule.boundaries": [[0.2, 0.4, 0.6], [0.2, 0.4]]}, "schedule.boundaries: 4 groups need 3 boundaries, got "
         "(0.2, 0.4)"),
        ({"schedule.boundaries": [0.2, 0.6, 0.4]}, "must rise strictly"),
        ({"schedule.boundaries": [0.2, "half", 0.6]}, "schedule.boundaries: 4 groups need 3 boundaries, got (0.2, 'ha"),
        ({"schedule.order": [3, 2, 1, 0], "sampling.order": [0, 1, 2, 3]}, "the network was not trained on "
         "(0, 1, 2, 3); it was on (3, 2, 1, 0)"),
        ({"sampling.order": [0, 1, 2]}, "sampling.order: expected a permutation of 4 groups, 0..3, got (0, 1, 2)"),
        ({"sampling.overlap": [0.5]}, "sampling.overlap: must be one that the network was trained on, (0.0,), got 0.5"),
        ({"schedule.overlap": [0.0, 0.5], "sampling.overlap": [0.5], "sampling.boundaries": [0.2, 0.4, 0.6]},
         "sampling.overlap: one number, or boundaries without it, got (0.5,)"),
        ({"schedule.overlap": [1.0], "sampling.boundaries": [0.2, 0.4, 0.6]}, "sampling.overlap: must be one that the "
         "network was trained on, (1.0,), got 0.0"),
    ],
)
def test_bad_families(changes, message):
    """Orders, overlaps and boundaries that do not go together, in one line."""
    with pytest.raises(ValueError) as caught:
        four_blocks(changes)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_dequantising_is_of_images():
    values = {"data": {"name": "mixture2d", "shape": [2], "dequantise": True}, "model": {"name": "mlp"}}
    with pytest.raises(ValueError, match="data.dequantise: must be False for vectors, got True"):
        configs.from_dict(values)


def test_mixtures_survive_json():
    values = {"data": {"mixture": [["digits", "", 2], ["folder", "~/pictures", 0.5]]}}
    config = configs.from_dict(values)
    assert config.data.mixture == (("digits", "", 2), ("folder", "~/pictures", 0.5))
    assert configs.from_json(configs.to_json(config)) == config


def test_alpha_channels_need_pixel_groups():
    with pytest.raises(ValueError, match="model.alpha_channels: A.t. is a picture only for pixel groups"):
        load("mnist.py", "model.alpha_channels=True")


@pytest.mark.parametrize(
    "override, message",
    [
        ("--config.training.bacth=1", "config: there is no field training.bacth; did you mean 'batch'?"),
        ("--config.training.batch.size=1", "config: there is no field training.batch.size"),
        ("--config.training=1", "config: training must be a section of fields, got 1"),
        ("--config.training.batch", "an override has the form FIELD=VALUE"),
        ("--config.training.batch=many", "training.batch: must be of type int, got 'many'"),
        ("--config.data.shape=[8, 8]", "data.shape: must be (dim,) or (height, width, channel), got (8, 8)"),
    ],
)
def test_bad_overrides(override, message):
    with pytest.raises(ValueError) as caught:
        load("digits.py", override)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seed": "x"}', '{"sed": 1}'])
def test_bad_json(text):
    with pytest.raises(ValueError, match="config|seed"):
        configs.from_json(text)
