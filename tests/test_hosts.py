"""Two and four processes of two devices each, on this machine over gloo, against one process of eight devices."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import cli, training
from gdm_jax.training import checkpoint, hosts, log
from tests.runs import same

POD = pathlib.Path(__file__).parents[1] / "launch" / "local_pod.sh"
COLUMNS = ("step", "loss", "grad_norm")


def pod(count, *words, cache):
    """`gdm` as some processes; what they printed."""
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_COMPILATION_CACHE_DIR": str(cache), "PYTHON": sys.executable}
    command = ["bash", str(POD), str(count), sys.executable, "-m", "gdm_jax.cli", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def two(run, file, cache, tmp_path_factory):
    """The run of one process, cut back to step 6 and continued by two."""
    workdir = pathlib.Path(shutil.copytree(run[0], tmp_path_factory.mktemp("two") / "run"))
    for step in (9, 12):
        shutil.rmtree(workdir / "checkpoints" / str(step))
    found = pod(2, "train", "--config", file, "--workdir", workdir, cache=cache)
    assert found.returncode == 0, found.stderr
    return workdir


def rows(workdir):
    return np.array([[row[name] for name in COLUMNS] for row in log.read(workdir)])


def test_two_processes_continue_a_run_of_one(run, two):
    """The same losses, written once; the same checkpoints."""
    np.testing.assert_allclose(rows(two), rows(run[0]), rtol=1e-5)
    assert checkpoint.Checkpoints(two, create=False).steps() == [3, 6, 9, 12]
    same(gdm.load(two).u.args[0], run[1].ema, atol=1e-5)


def test_one_process_continues_a_run_of_two(tiny, two, run, tmp_path):
    copy, own = (shutil.copytree(workdir, tmp_path / name) for workdir, name in ((two, "two"), (run[0], "one")))
    states = [training.train(tiny(steps=15), workdir, progress=False) for workdir in (copy, own)]
    np.testing.assert_allclose(rows(copy), rows(own), rtol=1e-5)
    same(states[0].ema, states[1].ema, atol=1e-5)


def test_four_processes_from_the_start(run, file, cache, tmp_path):
    found = pod(4, "train", "--config", file, "--workdir", tmp_path / "four", cache=cache)
    assert found.returncode == 0, found.stderr
    np.testing.assert_allclose(rows(tmp_path / "four"), rows(run[0]), rtol=1e-5)
    same(gdm.load(tmp_path / "four").u.args[0], run[1].ema, atol=1e-5)


def test_two_processes_evaluate_as_one_does(run, cache, tmp_path, capsys):
    words = ["evaluate", "--workdir", run[0], "--features", "pixels", "--count", "600", "--judges", tmp_path / "judges"]
    found = pod(2, *words, "--out", tmp_path / "two", cache=cache)
    assert found.returncode == 0, found.stderr
    assert len(re.findall("^frechet ", found.stdout, re.MULTILINE)) == 1
    assert cli.main([*map(str, words), "--out", str(tmp_path / "one")]) == 0
    two, one = (json.loads((tmp_path / n / "evaluations" / "evaluation.json").read_text()) for n in ("two", "one"))
    assert two["frechet"]["mean"] == pytest.approx(one["frechet"]["mean"], rel=1e-5)
    assert two["depends_on"] == one["depends_on"]


def test_an_error_ends_all_and_is_shown(file, cache, tmp_path):
    """One line from each, and nothing is written."""
    words = ["train", "--config", file, "--workdir", tmp_path / "run", "--config.training.batch=6"]
    found = pod(2, *words, cache=cache)
    assert found.returncode == 2
    assert "error: training.batch: 6 does not divide over 4 device(s)" in found.stderr
    assert "Traceback" not in found.stderr and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words, message",
    [
        (("nowhere", 2, 0), "--coordinator: must be auto or HOST:PORT, got 'nowhere'"),
        (("a:1", 2, 2), "--process: must be one of 0 ... --processes - 1, got 2 of 2"),
        (("a:1", None, 0), "--process: must be one of"),
        (("auto", 2, None), "--coordinator auto: finds out --processes"),
    ],
)
def test_bad_addresses(words, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        hosts.join(*words)
