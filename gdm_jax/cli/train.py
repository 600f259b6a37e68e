"""Train a model, or continue a run."""

from __future__ import annotations

import argparse

from gdm_jax.cli import options

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm train --config configs/digits.py --workdir runs/digits
  gdm train --config configs/digits.py --workdir runs/short --config.training.steps=500
  gdm train --config configs/digits.py --workdir runs/pod --coordinator 10.0.0.1:8476 --processes 2 --process 0

The same command goes on from the newest checkpoint when it is given again. Exit status: 0 when the run is done, 2 after
an error, 130 when it was interrupted, 143 when it was told to end (SIGTERM) and has saved.
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.config(command)
    options.workdir(command)
    options.processes(command)


def run(arguments: argparse.Namespace) -> None:
    file, overrides, workdir = arguments.config, arguments.overrides, arguments.workdir

    from gdm_jax import config, training

    training.train(config.load(file, overrides), workdir)
