"""Checkpoints of a tiny run: which are kept, what a damaged one does, what loading may not do."""

import importlib.util
import json
import pathlib
import pickle
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import training
from gdm_jax.training import state as states
from gdm_jax.workdir import checkpoint
from tests.runs import listing, losses, same


@pytest.fixture(scope="module")
def averages(run, tiny, tmp_path_factory):
    """The averaged parameters of steps 6, 9 and 12, each from a run of its own that ended there."""
    ended = {n: training.train(tiny(steps=n), tmp_path_factory.mktemp(f"to_{n}"), progress=False).ema for n in (6, 9)}
    return {**ended, 12: run[1].ema}


def truncate(folder):
    for file in [f for f in folder.rglob("*") if f.is_file()]:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(folder):
    for file in [f for f in (folder / "ema").rglob("*") if f.is_file()]:
        file.write_bytes(b"")


def lose_values(folder):
    for item in ("ema", "run"):
        shutil.rmtree(folder / item / "d", ignore_errors=True)
        shutil.rmtree(folder / item / "ocdbt.process_0", ignore_errors=True)


def lose_items(folder):
    for item in ("ema", "run"):
        shutil.rmtree(folder / item)


def holds(model, step, averages):
    """The model is that of the step, by its number and by its parameters, which are those of no other step."""
    assert model.step == step
    same(model.u.args[0], averages[step])


@pytest.mark.parametrize("damage", [truncate, empty, lose_values, lose_items])
def test_a_damaged_checkpoint_falls_back_to_an_older_one(workdir, averages, capsys, damage):
    damage(workdir / "checkpoints" / "12")
    holds(gdm.load(workdir), 9, averages)
    assert "passed over unreadable step 12" in capsys.readouterr().err


def test_a_run_goes_on_from_before_the_damage(run, tiny, workdir, averages, capsys):
    """And writes the damaged checkpoints anew."""
    for step in (9, 12):
        truncate(workdir / "checkpoints" / str(step))
    state = training.train(tiny(), workdir, progress=False)
    assert "passed over unreadable step 12" in capsys.readouterr().err
    same(state, run[1])
    assert losses(workdir) == losses(run[0])
    for step in (9, 12):
        holds(gdm.load(workdir, step=step), step, averages)
    assert sorted(f.name for f in (workdir / "unreadable").iterdir()) == ["12", "9"]
    assert not capsys.readouterr().err


def test_nothing_readable(workdir):
    for folder in (workdir / "checkpoints").iterdir():
        truncate(folder)
    with pytest.raises(OSError, match="none of .* can be read: step 12"):
        gdm.load(workdir)


@pytest.mark.parametrize("step", [6, 9, 12])
def test_any_checkpoint_can_be_loaded(run, averages, step):
    holds(gdm.load(run[0], step=step), step, averages)


def test_no_such_checkpoint(run, tmp_path):
    with pytest.raises(ValueError, match=r"none at step 5 in .*; there are \[3, 6, 9, 12\]"):
        gdm.load(run[0], step=5)
    with pytest.raises(ValueError, match="holds no config.json"):
        gdm.load(tmp_path)
    shutil.copy(run[0] / "config.json", tmp_path)
    before = listing(tmp_path)
    with pytest.raises(ValueError, match="there is no folder .*checkpoints.; train first"):
        gdm.load(tmp_path)
    assert listing(tmp_path) == before


def test_another_architecture_is_named(workdir):
    config = json.loads((workdir / "config.json").read_text())
    config["model"]["channels"] = 64
    (workdir / "config.json").write_text(json.dumps(config))
    named = r"another architecture; \d+ differing path.*params/Dense_0/.*\(32,\) saved, \(64,\) expected"
    with pytest.raises(ValueError, match=named):
        gdm.load(workdir)
    config["model"] |= {"channels": 32, "blocks": 2}
    (workdir / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="differing path.*None saved"):
        gdm.load(workdir)


def test_loading_runs_no_code(run, monkeypatch):
    """With pickle and config files out of order, a model loads from JSON and arrays alone."""

    def refuse(*args, **kwargs):
        raise AssertionError("code was loaded")

    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"),
                         (importlib.util, "spec_from_file_location")):
        monkeypatch.setattr(module, name, refuse)
    load = np.load
    monkeypatch.setattr(np, "load", lambda *args, allow_pickle=False, **kwargs: load(*args, **kwargs))
    same(gdm.load(run[0]).u.args[0], run[1].ema)


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return pathlib.Path.touch, (self.file,)


def test_pickles_in_the_place_of_files(run, workdir, tmp_path, capfd):
    """Whichever file of a checkpoint it stands for, a pickle is not opened: refused, or the file is not needed."""
    mark, refused = tmp_path / "exploded", 0
    pickle.loads(pickle.dumps(Bomb(mark)))
    mark.unlink()  # it does work
    for step in (3, 6, 9):
        shutil.rmtree(workdir / "checkpoints" / str(step))
    for file in [f for f in workdir.rglob("*") if f.is_file() and f.parent.name not in ("tensorboard", "samples")]:
        content = file.read_bytes()
        file.write_bytes(pickle.dumps(Bomb(mark)))
        try:
            same(gdm.load(workdir).u.args[0], run[1].ema)
        except (ValueError, OSError) as error:
            refused += 1
            assert "\n" not in str(error)
        file.write_bytes(content)
        assert not mark.exists()
    assert refused >= 2  # config.json and what says where the values are
    same(gdm.load(workdir).u.args[0], run[1].ema)


@pytest.mark.parametrize("path", ["../../../../outside", "/outside", "..", "\0", "a" * 5_000])
def test_paths_that_lead_elsewhere(workdir, averages, path):
    """Names of arrays are no names of files: there are none of such names, the step is passed over, nothing written."""
    folder = workdir / "checkpoints" / "12" / "ema"
    metadata = (folder / "_METADATA").read_text()
    hostile = metadata.replace("Dense_0", json.dumps(path)[1:-1])
    assert hostile != metadata
    (folder / "_METADATA").write_text(hostile)
    before = listing(workdir.parent)
    holds(gdm.load(workdir), 9, averages)
    assert listing(workdir.parent) == before


def test_which_checkpoints_are_kept(tmp_path):
    """The newest two, and every multiple of four."""
    saved = checkpoint.Checkpoints(tmp_path, keep=2, keep_every=4)
    for step in range(1, 12):
        weights = {"w": jnp.full(3, float(step))}
        state = states.TrainState(jnp.int32(step), weights, weights, {"m": jnp.zeros(3)})
        states.save(saved, step, state, {"at": step})
    saved.close()
    again = checkpoint.Checkpoints(tmp_path, create=False)
    assert again.steps() == [4, 8, 10, 11]
    weights = {"w": jnp.zeros(3)}
    template = states.TrainState(jnp.int32(0), weights, weights, {"m": jnp.zeros(3)})
    state, position = states.restore(again, template)
    assert int(state.step) == 11 and position == {"at": 11}
    np.testing.assert_array_equal(state.params["w"], np.full(3, 11.0))
    for step in (4, 8):
        np.testing.assert_array_equal(again.restore_ema(weights, step)[0]["w"], np.full(3, float(step)))


def test_a_run_goes_on_while_it_is_read(workdir, averages, monkeypatch):
    """With `keep=1` the step that was listed may be gone, or half gone, before it is read: the next one is there."""
    folder, later = workdir / "checkpoints", workdir / "later"
    for step in (3, 6):
        shutil.rmtree(folder / str(step))
    (folder / "12").rename(later)
    read, torn = checkpoint.Checkpoints._read, []

    def pruned(self, step, items):
        if not torn:
            torn.append(step)
            shutil.rmtree(folder / str(step) / "ema")
            later.rename(folder / "12")
        return read(self, step, items)

    monkeypatch.setattr(checkpoint.Checkpoints, "_read", pruned)
    holds(gdm.load(workdir), 12, averages)
    assert torn == [9]
