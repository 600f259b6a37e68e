"""The page bring_your_own.md keeps its word: its blocks make a file that trains, samples, judges and edits."""

import importlib
import json
import pathlib
import re
import sys

import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax.cli.main import COMMANDS, main
from gdm_jax.data import SOURCES
from gdm_jax.experiments import EXPERIMENTS
from gdm_jax.loss import LOSSES
from gdm_jax.metrics import MEASURES
from gdm_jax.metrics.features import FEATURES
from gdm_jax.networks import NETWORKS
from gdm_jax.ode import SOLVERS
from gdm_jax.process.basis import BASES
from gdm_jax.process.groups import GROUPINGS
from gdm_jax.process.interpolant import INTERPOLANTS
from gdm_jax.process.times import DENSITIES
from gdm_jax.reports.edits import EDITS
from gdm_jax.training.augment import AUGMENTATIONS

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guide" / "bring_your_own.md").read_text()
TABLES = {
    "GROUPINGS": GROUPINGS, "BASES": BASES, "INTERPOLANTS": INTERPOLANTS, "LOSSES": LOSSES,
    "DENSITIES": DENSITIES, "SOLVERS": SOLVERS, "NETWORKS": NETWORKS, "AUGMENTATIONS": AUGMENTATIONS,
    "SOURCES": SOURCES, "MEASURES": MEASURES, "FEATURES": FEATURES, "EDITS": EDITS, "COMMANDS": COMMANDS,
    "EXPERIMENTS": EXPERIMENTS,
}  # fmt: skip


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The files of the page; what they enter in the tables is there for one test."""
    *blocks, command, loading = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert command.startswith('"""') and "gdm.load(" in loading
    enter = 'import smallest\nCOMMANDS["smallest"] = smallest\n'
    (tmp_path / "mine.py").write_text("\n".join(blocks).replace("if __name__", f"{enter}\nif __name__"))
    (tmp_path / "smallest.py").write_text(command)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = {name: dict(table) for name, table in TABLES.items()}
    yield importlib.import_module("mine")
    for name, table in TABLES.items():
        table.clear()
        table.update(before[name])
    for name in ("mine", "smallest"):
        sys.modules.pop(name, None)


def test_every_table_is_told_of_once():
    rows = [re.search(r"`([A-Z]+)` in `([\w.]+)`", row) for row in re.findall(r"^\| an? .*$", PAGE, re.MULTILINE)]
    assert [row[1] for row in rows] == list(TABLES)
    for row in rows:
        assert getattr(importlib.import_module(row[2]), row[1]) is TABLES[row[1]]


def test_one_of_each_kind(mine):
    names = "alternating hadamard quadratic absolute near_the_data kutta3 two_layers shifted stripes brighter halves"
    for table, name in zip(TABLES.values(), [*names.split(), "negative", "smallest", "step_counts"]):
        assert name in table
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    space = BASES["hadamard"]((8, 8))
    np.testing.assert_allclose(space.inverse(space.forward(x)), x, atol=1e-5)
    assert sorted(np.asarray(space.rank).ravel()) == list(range(64))


def test_from_training_to_reports(mine, digits_dir, capsys, monkeypatch):
    workdir = ["--workdir", "runs/mine"]
    assert main(["train", "--config", "mine.py", *workdir]) == 0
    recorded = json.loads(pathlib.Path("runs/mine/config.json").read_text())
    named = recorded["process"]["groups"], recorded["model"]["name"], recorded["training"]["augmentation"]
    assert named == ("alternating", "two_layers", "shifted")
    for words in (["sample", "--count", "4"], ["edit", "negative", "--data", "4"], ["smallest"]):
        assert main([*words, *workdir]) == 0
    assert re.search(r"^-?\d+\.\d{3} to -?\d+\.\d{3}$", capsys.readouterr().out, re.MULTILINE)
    assert main(["evaluate", *workdir, "--features", "halves", "--count", "16"]) == 0
    assert "brighter" in capsys.readouterr().out
    scale = ["--scale", "smoke", "--configs", str(ROOT / "configs"), f"--config.data.dir={digits_dir}"]
    assert main(["experiment", "step_counts", *scale]) == 0
    assert "Frechet distance" in capsys.readouterr().out

    model = gdm.load("runs/mine")
    for table, name in ((NETWORKS, "two_layers"), (GROUPINGS, "alternating"), (LOSSES, "absolute")):
        monkeypatch.delitem(table, name)
    with pytest.raises(ValueError, match="there is no '(two_layers|alternating)' here") as caught:
        gdm.load("runs/mine")
    assert "\n" not in str(caught.value)
    own = {"networks": {"two_layers": mine.two_layers}, "groupings": {"alternating": mine.alternating}}
    np.testing.assert_array_equal(gdm.load("runs/mine", **own).sample(2), model.sample(2))
    assert "two_layers" not in NETWORKS
