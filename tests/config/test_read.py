"""Config files, overrides and JSON: what is read, and what is refused in which words."""

import pathlib

import numpy as np
import pytest

from gdm_jax import config as configs
from gdm_jax.config import build

FOLDER = pathlib.Path(__file__).parents[2] / "configs"


def load(name, *overrides):
    return configs.load(FOLDER / name, overrides)


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


def test_mixtures_survive_json():
    values = {"data": {"mixture": [["digits", "", 2], ["folder", "~/pictures", 0.5]]}}
    config = configs.from_dict(values)
    assert config.data.mixture == (("digits", "", 2), ("folder", "~/pictures", 0.5))
    assert configs.from_json(configs.to_json(config)) == config


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
