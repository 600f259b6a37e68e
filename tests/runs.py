"""What tests of runs need: states, draws and a data set, comparisons of them, and how often XLA compiles."""

import contextlib
import dataclasses
import functools

import jax
import numpy as np

from gdm_jax.config import build
from gdm_jax.training import state
from gdm_jax.training.step import draw
from gdm_jax.workdir import log

_COMPILED = []
jax.monitoring.register_event_duration_secs_listener(lambda event, seconds, **_: _COMPILED.append(event))


@contextlib.contextmanager
def compilations():
    """Within the block, a list of the programs that XLA compiled in it, to be looked at after the block."""
    before, found = len(_COMPILED), []
    yield found
    found += [event for event in _COMPILED[before:] if event == "/jax/core/compile/backend_compile_duration"]


def same(a, b, **tolerance):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    check = functools.partial(np.testing.assert_allclose, **tolerance) if tolerance else np.testing.assert_array_equal
    jax.tree.map(check, a, b)


def losses(workdir):
    return [(row["step"], row["loss"], row["grad_norm"]) for row in log.read(workdir)]


def listing(folder):
    return sorted((str(f.relative_to(folder)), f.stat().st_mtime_ns) for f in folder.rglob("*"))


def config_file(config, path):
    """A checked config as a file for --config."""
    sections = dataclasses.asdict(config)
    fields = [("seed", sections.pop("seed"))]
    fields += [(f"{name}.{field}", value) for name, of in sections.items() for field, value in of.items()]
    lines = [f"    config.{name} = {value!r}" for name, value in fields]
    body = "\n".join(["def get_config():", "    config = default()", *lines, "    return config"])
    path.write_text(f"from gdm_jax.config import default\n\n\n{body}\n")
    return path


def created(config, net, k):
    """The first state of a config's run."""
    return state.create(net, config.data.shape, k, training=config.training, seed=config.seed)


def draws(config, step, position, shape):
    """What chance decides for examples of a config's run."""
    family = build.family(config, build.process(config).k)
    return draw(family, step, position, shape, seed=config.seed, training=config.training)


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
