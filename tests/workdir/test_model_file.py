"""A model in one file: what is loaded from it is the run's own model, and what is no such file is refused in a line."""

import json
import os
import pathlib

import jax
import numpy as np
import pytest
import safetensors
import safetensors.numpy

import gdm_jax as gdm
from gdm_jax import cli
from gdm_jax import config as configs
from gdm_jax.workdir import model_file


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    file = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    assert cli.main(["export", "--workdir", str(run[0]), "--out", str(file)]) == 0
    return file


def test_holds_the_averages_in_16_bits(run, exported):
    """Each parameter to within half of its eleventh bit, in half of the bytes."""
    one, two = gdm.load(run[0]), gdm.load(exported)
    leaves = jax.tree.leaves(one.u), jax.tree.leaves(two.u)
    for there, here in zip(*leaves, strict=True):
        assert here.dtype == np.float32
        np.testing.assert_allclose(here, there, rtol=2**-11, atol=2**-25)
    assert exported.stat().st_mode == (run[0] / "config.json").stat().st_mode  # others may read it
    count = sum(leaf.size for leaf in leaves[0])
    assert 2 * count < exported.stat().st_size < 2 * count + 20_000
    assert (two.step, two.schedule.k) == (one.step, one.schedule.k)
    assert two.config.data.shape == one.config.data.shape and two.config.model == one.config.model


def test_names_no_place_of_the_machine(run, exported):
    with safetensors.safe_open(exported, "numpy") as opened:
        text = opened.metadata()["config"]
    assert configs.of_workdir(run[0]).data.dir.startswith("/")
    assert not [word for word in json.dumps(json.loads(text)).split('"') if os.path.isabs(word)]


def test_commands_take_it_for_a_workdir(exported, capsys):
    """And write to a folder of its name, unless told otherwise."""
    assert cli.main(["sample", "--workdir", str(exported), "--count", "2"]) == 0
    assert (exported.with_suffix("") / "samples.png").is_file()
    assert cli.main(["info", "--workdir", str(exported)]) == 0
    assert f"step       {gdm.load(exported).step:,}" in capsys.readouterr().out


def test_its_step_is_the_only_one(exported):
    step = gdm.load(exported).step
    assert gdm.load(exported, step=step).step == step
    with pytest.raises(ValueError, match=f"holds step {step} alone, not {step + 1}"):
        gdm.load(exported, step=step + 1)


def changed(file, tmp_path, **metadata):
    """The same arrays with other metadata."""
    with safetensors.safe_open(file, "numpy") as opened:
        arrays = {name: opened.get_tensor(name) for name in opened.keys()}
        metadata = {**opened.metadata(), **metadata}
    safetensors.numpy.save_file(arrays, tmp_path / "other.safetensors", metadata)
    return tmp_path / "other.safetensors"


def other_network(file, tmp_path, **fields):
    values = json.loads(model_file.config(file))
    values["model"] |= fields
    return changed(file, tmp_path, config=json.dumps(values))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda file, folder: folder / "nothing", "holds no config.json"),
        (lambda file, folder: pathlib.Path(__file__), "cannot be read"),
        (lambda file, folder: changed(file, folder, format="pt"), "is of 'pt', not of 'gdm_jax model 1'"),
        (lambda file, folder: changed(file, folder, format="gdm_jax model 2"), "is of 'gdm_jax model 2', not of"),
        (lambda file, folder: changed(file, folder, step="ten"), "not of 'gdm_jax model 1'"),
        (lambda file, folder: changed(file, folder, config="{"), "config"),
        (lambda file, folder: other_network(file, folder, name="transformer"), "transformer"),
        (lambda file, folder: other_network(file, folder, channels=8), "is of another architecture; "),
    ],
)
def test_what_is_no_model_is_refused(exported, tmp_path, capsys, make, message):
    file = make(exported, tmp_path)
    with pytest.raises(ValueError, match=message):
        gdm.load(file)
    assert cli.main(["sample", "--workdir", str(file), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused(exported, tmp_path, part):
    file = tmp_path / "cut.safetensors"
    whole = exported.read_bytes()
    file.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(ValueError, match="cannot be read"):
        gdm.load(file)


def test_a_folder_is_no_place_for_it(run, tmp_path, capsys):
    assert cli.main(["export", "--workdir", str(run[0]), "--out", str(tmp_path)]) == 2
    assert f"--out: {str(tmp_path)!r} is a folder; name a file" in capsys.readouterr().err


def test_values_beyond_16_bits_are_refused(tmp_path):
    params = {"params": {"kernel": np.full((2, 2), 1e6, np.float32)}}
    with pytest.raises(ValueError, match="params/kernel holds values beyond 65,504"):
        model_file.save(tmp_path / "a.safetensors", params, "{}", 1)
    assert not list(tmp_path.iterdir())
