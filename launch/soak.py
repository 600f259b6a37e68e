"""Kill a training run at random moments, continue it each time, and compare its end with an uninterrupted run.

    python launch/soak.py --rounds 30

A small network is trained on the bundled digits and saves every 20 steps, so that many of the kills (SIGKILL) happen
during a save. At the end the parameters, their average, the optimizer state, the logged metrics and the next batch must
be equal bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np

from gdm_jax import config as configs
from gdm_jax import data
from gdm_jax.config import build
from gdm_jax.training import state
from gdm_jax.workdir import checkpoint, log

ROOT = pathlib.Path(__file__).parents[1]
STEPS_A_ROUND = 200
SMALL = {
    "model.name": "mlp",
    "model.channels": 64,
    "model.alpha_channels": False,
    "training.warmup_images": 1_000,
    "training.log_every": 10,
    "training.save_every": 20,
    "training.sample_every": 0,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="number of kills (30)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments (0)")
    parser.add_argument("--data", default="", metavar="DIR", help="folder of prepared data sets, as config.data.dir")
    arguments = parser.parse_args()
    fields = {**SMALL, "training.steps": STEPS_A_ROUND * arguments.rounds, "data.dir": arguments.data}
    words = ["--config", str(ROOT / "configs" / "digits.py"), *(f"--config.{k}={v}" for k, v in fields.items())]
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        alone, killed = pathlib.Path(folder, "alone"), pathlib.Path(folder, "killed")
        train(words, alone).wait()
        in_saves = 0
        for n in range(1, arguments.rounds + 1):
            late, patience = n % 2, 4 * moments.random()
            cut_short = round_of(words, killed, late, patience)
            if cut_short is None:
                print(f"round {n}: the run ended before it was killed", file=sys.stderr)
                return 1
            in_saves += cut_short
            rows = log.read(killed)
            print(f"{n:3} of {arguments.rounds}: killed at step {rows[-1]['step'] if rows else 0}", flush=True)
        train(words, killed).wait()
        differing = compare(alone, killed)
    print(f"{arguments.rounds} kills, {in_saves} of them during a save: ", end="")
    print(f"differ in {', '.join(differing)}" if differing else "equal bit for bit to the uninterrupted run")
    return int(bool(differing))


def train(words: list[str], workdir: pathlib.Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "gdm_jax.cli", "train", *words, "--workdir", str(workdir)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def round_of(words: list[str], workdir: pathlib.Path, late: bool, patience: float) -> bool | None:
    """Train, and kill the run after some seconds. Returns whether that was during a save, or None if the run had ended.

    Args:
      words: Config and overrides of the command.
      workdir: Folder of the run.
      late: Whether the seconds count from the run's first new row of metrics, and not from its start.
      patience: Number of seconds to wait.
    """
    before, run = len(log.read(workdir)), train(words, workdir)
    while late and len(log.read(workdir)) == before and run.poll() is None:
        time.sleep(0.01)
    time.sleep(patience)
    run.send_signal(signal.SIGKILL)
    if run.wait() != -signal.SIGKILL:
        return None
    return any(workdir.glob("checkpoints/*tmp*"))


def compare(a: pathlib.Path, b: pathlib.Path) -> list[str]:
    """The names of the parts in which two finished runs differ."""
    ends = [end(workdir) for workdir in (a, b)]
    return [name for name in ends[0] if ends[0][name] != ends[1][name]]


def end(workdir: pathlib.Path) -> dict[str, str]:
    """Hashes of the parts of a run's last state."""
    settings = configs.of_workdir(workdir)
    process = build.process(settings)
    net, shape = build.network(settings, process), settings.data.shape
    template = state.create(net, shape, process.k, training=settings.training, seed=settings.seed)
    found, position = state.restore(checkpoint.Checkpoints(workdir, create=False), template)
    batches = data.stream(data.open_source(settings.data), seed=settings.seed, batch=settings.training.batch)
    batches.set_state(position)
    rows = [[row["step"], row["loss"], row["grad_norm"]] for row in log.read(workdir)]
    parts = {"step": found.step, "parameters": found.params, "average": found.ema, "optimizer": found.opt_state}
    return {name: digest(part) for name, part in {**parts, "next batch": next(batches), "metrics": rows}.items()}


def digest(tree) -> str:
    seen = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        seen.update(np.ascontiguousarray(leaf).tobytes())
    return seen.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
