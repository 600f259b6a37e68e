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
from gdm_jax.devices import hosts
from gdm_jax.workdir import checkpoint, log
from tests.runs import same

POD = pathlib.Path(__file__).parents[2] / "launch" / "local_pod.sh"
COLUMNS = ("step", "loss", "grad_norm")


def pod(count, *words, program=("-m", "gdm_jax.cli")):
    """`gdm`, or another program, as some processes; what they printed."""
    command = ["bash", str(POD), str(count), sys.executable, *map(str, [*program, *words])]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def one(run, file, tmp_path_factory):
    """The run of eight devices, cut back to step 6 and continued to step 9 by one; then half of a checkpoint."""
    workdir = pathlib.Path(shutil.copytree(run[0], tmp_path_factory.mktemp("one") / "run"))
    for step in (9, 12):
        shutil.rmtree(workdir / "checkpoints" / str(step))
    words = ["train", "--config", str(file), "--workdir", str(workdir), "--config.training.steps=9"]
    environment = {**os.environ, "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=1"}
    command = [sys.executable, "-m", "gdm_jax.cli", *words]
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    shutil.copytree(workdir / "checkpoints" / "9", workdir / "checkpoints" / "10")
    for item in [f for f in (workdir / "checkpoints" / "10").rglob("*") if f.is_file()]:
        item.write_bytes(item.read_bytes()[: item.stat().st_size // 2])
    return workdir


@pytest.fixture(scope="module")
def two(one, file, tmp_path_factory):
    """That run continued by two processes of two devices."""
    workdir = pathlib.Path(shutil.copytree(one, tmp_path_factory.mktemp("two") / "run"))
    found = pod(2, "train", "--config", file, "--workdir", workdir)
    assert found.returncode == 0, found.stderr
    assert "passed over unreadable step 10 (" in found.stderr and "using step 9" in found.stderr
    return workdir


def rows(workdir):
    return np.array([[row[name] for name in COLUMNS] for row in log.read(workdir)])


def test_one_device_continues_a_run_of_eight(run, one):
    np.testing.assert_allclose(rows(one), rows(run[0])[:9], rtol=1e-5)
    assert gdm.load(one).step == 9


def test_two_processes_continue_a_run_of_one(run, two):
    """The same losses, written once; the same checkpoints, but for the half one, which is kept aside."""
    assert [f.name for f in (two / "unreadable").iterdir()] == ["10"]
    np.testing.assert_allclose(rows(two), rows(run[0]), rtol=1e-5)
    assert checkpoint.Checkpoints(two, create=False).steps() == [3, 6, 9, 12]
    same(gdm.load(two).u.args[0], run[1].ema, atol=1e-5)


def test_one_process_continues_a_run_of_two(tiny, two, run, tmp_path):
    copy, own = (shutil.copytree(workdir, tmp_path / name) for workdir, name in ((two, "two"), (run[0], "one")))
    states = [training.train(tiny(steps=15), workdir, progress=False) for workdir in (copy, own)]
    np.testing.assert_allclose(rows(copy), rows(own), rtol=1e-5)
    same(states[0].ema, states[1].ema, atol=1e-5)


def test_four_processes_from_the_start(run, file, tmp_path):
    found = pod(4, "train", "--config", file, "--workdir", tmp_path / "four")
    assert found.returncode == 0, found.stderr
    np.testing.assert_allclose(rows(tmp_path / "four"), rows(run[0]), rtol=1e-5)
    same(gdm.load(tmp_path / "four").u.args[0], run[1].ema, atol=1e-5)


def test_two_processes_evaluate_as_one_does(run, tmp_path, capsys):
    words = ["evaluate", "--workdir", run[0], "--features", "pixels", "--count", "600", "--judges", tmp_path / "judges"]
    found = pod(2, *words, "--out", tmp_path / "two")
    assert found.returncode == 0, found.stderr
    assert len(re.findall("^frechet ", found.stdout, re.MULTILINE)) == 1
    assert cli.main([*map(str, words), "--out", str(tmp_path / "one")]) == 0
    two, one = (json.loads((tmp_path / n / "evaluations" / "evaluation.json").read_text()) for n in ("two", "one"))
    assert two["frechet"]["mean"] == pytest.approx(one["frechet"]["mean"], rel=1e-5)
    assert two["depends_on"] == one["depends_on"]


def test_an_error_ends_all_and_is_shown(file, tmp_path):
    """One line from each, and nothing is written."""
    words = ["train", "--config", file, "--workdir", tmp_path / "run", "--config.training.batch=6"]
    found = pod(2, *words)
    assert found.returncode == 2
    assert "error: training.batch: 6 does not divide over 4 device(s)" in found.stderr
    assert "Traceback" not in found.stderr and not (tmp_path / "run").exists()


ENDS = """
import os, sys
from gdm_jax import cli
from gdm_jax.workdir import log

def write(self, step, write=log.Log.write, **values):
    write(self, step, **values)
    if step == 8:
        {how}

log.Log.write = write
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "how, code, shown",
    [("raise KeyError('in one alone')", 1, "KeyError: 'in one alone'"), ("os.kill(os.getpid(), 9)", 137, "")],
    ids=["fault", "killed"],
)
def test_one_that_fails_ends_all(file, tmp_path, how, code, shown):
    """Process 0, within a run: the other ends too, and what was saved stays."""
    (tmp_path / "ends.py").write_text(ENDS.format(how=how))
    words = ["train", "--config", file, "--workdir", tmp_path / "run"]
    found = pod(2, *words, program=[tmp_path / "ends.py"])
    assert found.returncode == code and shown in found.stderr, found.stderr
    left = subprocess.run(["pgrep", "-f", str(tmp_path / "run")], capture_output=True, text=True)
    assert left.stdout == "" and gdm.load(tmp_path / "run").step in (3, 6)  # the save of 6 goes on in the background


TOLD = """
import os, signal, socket
from gdm_jax.devices import hosts
with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
hosts.join(f"localhost:{{port}}", 1, 0, told_to_end={waits})
os.kill(os.getpid(), signal.SIGTERM)
print("went on", flush=True)
os._exit(0)  # JAX's own exit hangs now and then while its preemption service is still taking in the signal
"""


@pytest.mark.parametrize("waits, code, printed", [(True, 0, "went on\n"), (False, -15, "")])
def test_sigterm_waits_for_the_last_step_of_training_alone(waits, code, printed):
    words = [sys.executable, "-c", TOLD.format(waits=waits)]
    found = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stdout) == (code, printed), found.stderr


@pytest.mark.parametrize(
    "words, message",
    [
        (("nowhere", 2, 0), "coordinator: must be auto or HOST:PORT, got 'nowhere'"),
        (("a:1", 2, 2), "process: must be one of 0 ... processes - 1, got 2 of 2"),
        (("a:1", None, 0), "process: must be one of"),
        (("auto", 2, None), "coordinator: auto finds out processes"),
    ],
)
def test_bad_addresses(words, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        hosts.join(*words)
