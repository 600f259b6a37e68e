"""A run is killed, told to end, cut short of room, or shares its folder: it loses nothing that it had saved."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

import gdm_jax as gdm
from gdm_jax import cli, training
from gdm_jax.devices import preemption
from gdm_jax.training import loop
from gdm_jax.workdir import checkpoint, lock, log
from tests.runs import losses, same

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def half(run, tmp_path):
    """The run as it was when step 6 had been saved and step 8 made."""
    workdir = pathlib.Path(shutil.copytree(run[0], tmp_path / "half"))
    for step in (9, 12):
        shutil.rmtree(workdir / "checkpoints" / str(step))
    rows = (workdir / "metrics.jsonl").read_text().splitlines(keepends=True)
    (workdir / "metrics.jsonl").write_text("".join(rows[:8]))
    return workdir


def as_if_nothing_happened(run, tiny, workdir):
    """Continued, the run ends as the one left alone, bit for bit."""
    same(training.train(tiny(), workdir, progress=False), run[1])
    assert losses(workdir) == losses(run[0])


# Killed


def test_killed_at_any_moment(digits_dir):
    """Parameters, average, optimizer, position and next batch; the script runs as many rounds as one likes."""
    soak = [sys.executable, str(ROOT / "launch" / "soak.py"), "--rounds", "2", "--data", digits_dir]
    found = subprocess.run(soak, capture_output=True, text=True)
    assert found.returncode == 0 and "2 kills" in found.stdout, found.stdout + found.stderr
    assert found.stdout.splitlines()[-1].endswith("equal bit for bit to the uninterrupted run")


def test_killed_within_a_save(run, tiny, half, monkeypatch):
    """Half of a checkpoint, as a kill leaves it: not taken for one, and written anew."""
    cut_short = half / "checkpoints" / "9.orbax-checkpoint-tmp"
    shutil.copytree(run[0] / "checkpoints" / "9", cut_short, ignore=shutil.ignore_patterns("run", "_CHECKPOINT*"))
    assert gdm.load(half).step == 6
    as_if_nothing_happened(run, tiny, half)


# Told to end


def tell(step, patch):
    """SIGTERM to this process when `step` has been logged."""
    write = log.Log.write

    def told(self, at, **values):
        write(self, at, **values)
        if at == step:
            os.kill(os.getpid(), signal.SIGTERM)

    patch.setattr(log.Log, "write", told)


def test_told_to_end(run, tiny, half, monkeypatch):
    """The step after the signal is the last, and saved; then the run goes on."""
    with monkeypatch.context() as patch, pytest.raises(preemption.Preempted, match="told to end, saved at step 8"):
        tell(7, patch)
        training.train(tiny(), half, progress=False)
    assert checkpoint.Checkpoints(half, create=False).steps()[-1] == 8
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    as_if_nothing_happened(run, tiny, half)


@pytest.mark.parametrize("busy, step", [("make_step", 7), ("_picture", 10)])
def test_told_while_compiling_or_sampling(run, tiny, half, monkeypatch, busy, step):
    """The signal waits until the next step has been made."""
    with monkeypatch.context() as patch, pytest.raises(preemption.Preempted, match=f"saved at step {step};"):
        work = getattr(loop, busy)

        def told(*arguments):
            os.kill(os.getpid(), signal.SIGTERM)
            return work(*arguments)

        patch.setattr(loop, busy, told)
        training.train(tiny(sample_every=9), half, progress=False)
    assert checkpoint.Checkpoints(half, create=False).steps()[-1] == step
    as_if_nothing_happened(run, tiny, half)


def test_exit_status_of_one_told_to_end(file, half, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        tell(7, patch)
        assert cli.main(["train", "--config", str(file), "--workdir", str(half)]) == 143
    assert "gdm train: told to end, saved at step 8; the same command goes on" in capsys.readouterr().err


# No room


def test_no_room_for_a_checkpoint(run, tiny, file, half):
    """Files may grow to 8 KiB, which the parameters exceed: an error of one line, what was saved intact."""
    words = [sys.executable, "-m", "gdm_jax.cli", "train", "--config", str(file), "--workdir", str(half)]
    environment = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    limited = ["bash", "-c", 'ulimit -f 8; exec "$@"', "-", *words]
    limited = subprocess.run(limited, env=environment, capture_output=True, text=True)
    errors = [line for line in limited.stderr.splitlines() if line.startswith("gdm train: error: ")]
    assert limited.returncode == 2 and len(errors) == 1 and "Traceback" not in limited.stderr, limited.stderr
    assert errors[0].count("failed (") == 1 and "older ones are intact: make room" in errors[0]
    assert checkpoint.Checkpoints(half, create=False).steps() == [3, 6] and gdm.load(half).step == 6
    as_if_nothing_happened(run, tiny, half)


# Metrics


@pytest.mark.parametrize("tail", ['{"step": 9, "lo', "\0\0\0", '3\n"x"\n', "\xff"])
def test_metrics_cut_in_a_line(run, tiny, half, tail):
    with (half / "metrics.jsonl").open("a", encoding="latin-1") as out:
        out.write(tail)
    as_if_nothing_happened(run, tiny, half)


# One owner


def test_two_runs_in_one_folder(run, tiny, half):
    before = losses(half)
    with lock.owned(half), pytest.raises(ValueError, match="is in use by another run, process [0-9]+ of "):
        training.train(tiny(), half, progress=False)
    assert losses(half) == before
    as_if_nothing_happened(run, tiny, half)


def test_what_a_dead_process_owned_is_free(run, tiny, half):
    program = f"from gdm_jax.workdir import lock\nwith lock.owned({str(half)!r}):\n print(1, flush=True)\n input()"
    owner = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert owner.stdout.readline() == b"1\n"
    with pytest.raises(ValueError, match=f"in use by another run, process {owner.pid} of "):
        training.train(tiny(), half, progress=False)
    owner.kill()
    owner.wait()
    as_if_nothing_happened(run, tiny, half)
