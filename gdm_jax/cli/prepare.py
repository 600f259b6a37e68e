"""Write a config's data set as ArrayRecord, once."""

from __future__ import annotations

import argparse

from gdm_jax.cli import options

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm prepare --config configs/digits.py
  gdm prepare --config configs/mnist.py --config.data.path=~/mnist/train
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.config(command)


def run(arguments: argparse.Namespace) -> None:
    file, overrides = arguments.config, arguments.overrides

    from gdm_jax import config, data

    source = data.open_source(config.load(file, overrides).data)
    print(f"ready: {len(source):,} examples of shape {source.shape}")
