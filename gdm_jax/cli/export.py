"""Write a trained model to one file, which other commands take as --workdir, and gdm_jax.load as a workdir."""

from __future__ import annotations

import argparse
import pathlib

from gdm_jax.cli import options

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm export --workdir runs/digits --out digits.safetensors
  gdm export --workdir runs/digits --checkpoint 2000 --out digits_2000.safetensors
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.workdir(command)
    text = "Step of the checkpoint to export. Default: the newest."
    command.add_argument("--checkpoint", type=int, metavar="STEP", help=text)
    text = "File to write, in the safetensors format. Parameters are kept in 16 bits."
    command.add_argument("--out", required=True, metavar="FILE", help=text)


def run(arguments: argparse.Namespace) -> None:
    workdir, step, file = arguments.workdir, arguments.checkpoint, pathlib.Path(arguments.out)

    from gdm_jax import config as configs
    from gdm_jax.workdir import files, model_file

    if file.is_dir():
        raise ValueError(f"out: {str(file)!r} is a folder; name a file, as {file / 'model.safetensors'}")
    files.claim(file.parent, file.name, field="out")
    config, found = configs.experiment(workdir)
    params, step = configs.averaged(workdir, config, found, step)
    model_file.save(file, params, configs.to_json(configs.without_places(config)), step)
    print(f"{file}: step {step:,}, {file.stat().st_size / 1e6:.1f} MB")
