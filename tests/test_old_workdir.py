"""A workdir and a config file written at commit ee2d436, before the rooms were redesigned, still serve.

`old_workdir/` holds the run that `old_config.py` describes (six steps of training), and numbers that the program of
that time computed from it. The noise of a seed was defined anew since, so latents are stored and not drawn.
"""

import dataclasses
import json
import pathlib
import tarfile

import jax
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import training
from gdm_jax.workdir import log

OLD = pathlib.Path(__file__).parent / "old_workdir"
NUMBERS = np.load(OLD / "numbers.npz")


@pytest.fixture
def old(tmp_path):
    with tarfile.open(OLD / "digits.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "digits"


def test_decodes_and_encodes_the_same_numbers(old):
    model = gdm.load(old)
    assert model.step == 6
    np.testing.assert_allclose(model.u(NUMBERS["z"], NUMBERS["alpha"]), NUMBERS["u"], atol=1e-6)
    np.testing.assert_allclose(model.decode(NUMBERS["z"]), NUMBERS["x"], atol=1e-6)
    np.testing.assert_allclose(model.encode(NUMBERS["x"], solver="heun", steps=16), NUMBERS["encoded"], atol=1e-6)


def test_its_config_file_reads_to_the_same_config(old):
    """And every field of that time has kept its name and its value."""
    config = configs.load(OLD / "old_config.py")
    assert config == configs.of_workdir(old)
    now, then = json.loads(configs.to_json(config)), json.loads((old / "config.json").read_text())
    assert now.pop("seed") == then.pop("seed") == 3
    for section, fields in then.items():
        assert {name: now[section][name] for name in fields} == fields


def test_training_continues(old, digits_dir):
    """From the very state that was saved, to step 12. The fingerprint of the data, unknown then, is noted."""
    before, rows = gdm.load(old), log.read(old)
    config = configs.of_workdir(old)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, dir=digits_dir))
    restored = training.train(config, old, progress=False)
    leaves = jax.tree.leaves((restored.params, restored.ema, restored.opt_state))
    sums = [np.abs(np.asarray(leaf, np.float64)).sum() for leaf in leaves]
    np.testing.assert_array_equal(sums, NUMBERS["state"])
    longer = dataclasses.replace(config, training=dataclasses.replace(config.training, steps=12))
    state = training.train(longer, old, progress=False)
    assert (int(restored.step), int(state.step), gdm.load(old).step) == (6, 12, 12)
    after = log.read(old)
    assert after[:6] == rows and [row["step"] for row in after] == list(range(1, 13))
    assert all(np.isfinite(row["loss"]) for row in after)
    assert json.loads((old / "data.json").read_text())["examples"] == 1797
    jax.tree.map(np.testing.assert_array_equal, gdm.load(old, step=6).u.args, before.u.args)
    moved = jax.tree.map(lambda new, old: np.abs(np.asarray(new) - old).max(), state.ema, before.u.args[0])
    assert min(jax.tree.leaves(moved)) > 1e-3
