"""Every experiment file of configs/ passes its checks, builds its network and trains a step."""

import dataclasses
import functools
import pathlib
import runpy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdm_jax import config as configs
from gdm_jax.config import build, validate
from gdm_jax.training import state as states
from gdm_jax.training.step import make_step
from tests.runs import created

FOLDER = pathlib.Path(__file__).parents[2] / "configs"
EXPERIMENTS = [
    f"{file.name}:{variant}".rstrip(":")
    for file in sorted(FOLDER.glob("*.py"))
    for variant in runpy.run_path(str(file)).get("VARIANTS", ("",))
]
# Each kind of network once, compilations being slow; the others are traced, which meets every shape and type.
STEPPED = ("cifar10.py:blockwise", "digits.py", "mixture2d.py")


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
    validate.check(config)
    return config


def kind(name):
    """What a step's program depends on, of an experiment cut down."""
    config = reduced(load(name))
    drawn = config.schedule.random_order, config.data.dequantise, config.process.strict, config.training.augment > 0
    return config.model, config.data.shape, drawn


KINDS = {kind(name): name for name in reversed(EXPERIMENTS)}.values()


@pytest.mark.parametrize("name", KINDS)
def test_experiment_takes_a_step(name):
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
