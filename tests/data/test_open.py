"""A data set of one's own, entered in SOURCES by a config file: trained on, and asked for where it is not there."""

import re

import numpy as np
import pytest

from gdm_jax import config as configs
from gdm_jax import data, evaluation, training
from gdm_jax.data import SOURCES
from gdm_jax.model import load

FILE = """
import numpy as np

from gdm_jax.config import default
from gdm_jax.data import SOURCES


class Stripes:
    # Images of 8x8 with one bright row, which is the label.

    shape, classes = (8, 8, 1), 8

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, numbers):
        label = np.asarray(numbers, np.int32) % 8
        rows = np.arange(8) == label[..., None]
        x = np.broadcast_to(255 * rows[..., None, None], (*label.shape, *self.shape))
        return {"x": x.astype(np.uint8), "label": label}


SOURCES["stripes"] = lambda path: Stripes(int(path))


def get_config():
    config = default()
    config.data.name, config.data.path = "stripes", "64"
    config.process.groups, config.process.k = "bottom_to_top", 2
    config.model.name, config.model.channels, config.model.blocks = "mlp", 16, 1
    config.training.batch, config.training.steps, config.training.warmup_images = 16, 3, 16
    config.sampling.steps = (4,)
    return config
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "stripes.py").write_text(FILE)
    yield configs.load(tmp_path / "stripes.py")
    SOURCES.pop("stripes", None)


def test_trained_and_evaluated_on_a_data_set_of_ones_own(config, tmp_path):
    training.train(config, tmp_path / "run", progress=False)
    model = load(tmp_path / "run")
    judge = evaluation.judge(model.config.data, "pixels", tmp_path / "judges")
    assert judge.real.count == 64
    np.testing.assert_allclose(judge.real.mu, -0.75, atol=1e-6)  # one row of eight is 1, the rest -1
    assert evaluation.evaluate(model, judge, tmp_path, count=20).frechet.mean > 0

    del SOURCES["stripes"]  # as where the config file has not been run
    assert load(tmp_path / "run").sample(2).shape == (2, 8, 8, 1)  # which needs no data
    known = "data.name: must be digits, fruits, mixture2d, folder, or a data set prepared by TFDS as array_record; "
    how = re.escape("/stripes. For one of your own, set gdm_jax.data.SOURCES['stripes'] first")
    with pytest.raises(ValueError, match=f"^{known}.*{how}$") as caught:
        data.open_source(load(tmp_path / "run").config.data, write=False)
    assert "\n" not in str(caught.value)


def test_what_an_entry_is_called_with(config):
    """The fields of config.Data that it has parameters for; its examples have the config's shape."""
    given = {}

    def mine(split, levels, write, path="elsewhere"):
        given.update(split=split, levels=levels, write=write, path=path)
        return data.Mixture.default(size=10)

    SOURCES["stripes"] = mine
    settings = configs.Data(name="stripes", split="held out", shape=(2,), levels=17)
    assert len(data.open_source(settings, write=False)) == 10
    assert given == {"split": "held out", "levels": 17, "write": False, "path": ""}
    with pytest.raises(ValueError, match=r"^data.shape: stripes has shape \(2,\), got \(8, 8, 1\)"):
        data.open_source(configs.Data(name="stripes"))


def test_a_name_that_is_nearly_there(tmp_path):
    with pytest.raises(ValueError, match="did you mean 'digits'"):
        data.open_source(configs.Data(name="digit", dir=str(tmp_path)))
