"""Commands that make runs and look at them: train, prepare, info."""

import re
import shutil

import jax
import numpy as np

import gdm_jax as gdm
from gdm_jax import cli
from gdm_jax import config as configs
from gdm_jax.config import schema
from gdm_jax.workdir import checkpoint, log
from tests.runs import listing


def test_train_writes_a_run(workdir, config):
    assert configs.from_json((workdir / "config.json").read_text()) == configs.load(config, ["--config.seed=3"])
    assert {"checkpoints", "metrics.jsonl", "samples", "tensorboard"} <= {f.name for f in workdir.iterdir()}


def test_train_again_goes_on(workdir, config, tmp_path):
    """From the checkpoint that is left, over the steps that are missing, to the parameters of the run in one go."""
    again = shutil.copytree(workdir, tmp_path / "again")
    shutil.rmtree(again / "checkpoints" / "4")
    words = ["train", "--config", config, "--workdir", str(again), "--config.seed=3", "--config.training.log_every=1"]
    assert cli.main(words) == 0
    assert checkpoint.Checkpoints(again, create=False).steps() == [2, 4]
    assert [row["step"] for row in log.read(again)] == [2, 3, 4]
    jax.tree.map(np.testing.assert_array_equal, gdm.load(again).u.args, gdm.load(workdir).u.args)
    made, rows = listing(again / "checkpoints"), (again / "metrics.jsonl").read_text()
    assert cli.main(words) == 0  # nothing is left to do
    assert (listing(again / "checkpoints"), (again / "metrics.jsonl").read_text()) == (made, rows)


def test_prepare(config, capsys):
    assert cli.main(["prepare", "--config", config]) == 0
    assert capsys.readouterr().out == "ready: 1,797 examples of shape (8, 8, 1)\n"


def test_info(workdir, config, capsys):
    assert cli.main(["info", "--config", config]) == 0
    of_config = capsys.readouterr().out
    assert cli.main(["info", "--workdir", str(workdir)]) == 0
    of_run = capsys.readouterr().out
    assert of_run.startswith(of_config)
    assert re.search(r"network +mlp, [\d,]+ parameters", of_run)
    assert "steps      4 of 4; checkpoints [2, 4]" in of_run
    rows = re.findall(r"^  (\d) +(\d+)  \[([\d.]+), ([\d.]+)\]$", of_run, re.MULTILINE)
    assert [(group, size) for group, size, *_ in rows] == [("0", "4"), ("1", "12"), ("2", "48")]
    assert (rows[0][3], rows[-1][2]) == ("1.000", "0.000")


def test_info_of_every_field(workdir, capsys):
    assert cli.main(["info", "--workdir", str(workdir), "--full"]) == 0
    text = capsys.readouterr().out
    assert "\nprocess.bands = (4, 16)\n    Frequency ranks, from 0 for the lowest, at which bands 1" in text
    assert "\ntraining.batch = 16\n    Examples in a step, over all devices. Must be from 1 to 1,048,576.\n" in text
    shown = re.findall(r"^(\S+) = ", text, re.MULTILINE)
    assert shown == [name for name, *_ in schema.fields(configs.Config())]


def test_a_warm_up_that_is_longer_than_the_run(config, tmp_path, capsys):
    words = ["train", "--config", config, "--workdir", str(tmp_path), "--config.training.steps=1"]
    assert cli.main(words) == 0
    said = "warning: training.warmup_images: the learning rate still rises at the end, after 16 images, got 16\n"
    assert said in capsys.readouterr().err
    assert cli.main([*words[:-1], "--config.training.steps=2"]) == 0
    assert "warning" not in capsys.readouterr().err
