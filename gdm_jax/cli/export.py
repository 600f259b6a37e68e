"""Write a trained model to one file, or to the Hub: commands take it as --workdir, and gdm_jax.load as a workdir."""

from __future__ import annotations

import argparse
import pathlib
import tempfile
from typing import Any

from gdm_jax.cli import options

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm export --workdir runs/digits --out digits.safetensors
  gdm export --workdir runs/digits --checkpoint 2000 --out digits_2000.safetensors
  gdm export --workdir runs/digits --out hf://OWNER/NAME --card my_card.md
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.workdir(command, options.MODEL)
    text = "Step of the checkpoint to export. Default: the newest."
    command.add_argument("--checkpoint", type=int, metavar="STEP", help=text)
    text = "File to write, in the safetensors format, or hf://OWNER/NAME to put it on the Hugging Face Hub for all to "
    text += "read. Parameters are kept in 16 bits."
    command.add_argument("--out", required=True, metavar="FILE", help=text)
    text = "File in Markdown that says what the model is, for the Hub. Default: what the config says, unless the Hub "
    text += "has a card of it."
    command.add_argument("--card", metavar="FILE", help=text)


def run(arguments: argparse.Namespace) -> None:
    workdir, step, out, card = arguments.workdir, arguments.checkpoint, arguments.out, arguments.card

    from gdm_jax import config as configs
    from gdm_jax.pretrained import hub
    from gdm_jax.workdir import files, model_file

    remote, file = out.startswith(hub.PREFIX), pathlib.Path(out)
    if remote:
        hub.check(out, "out")
    elif card:
        raise ValueError(f"card: is for the Hub, and {out!r} is a file")
    elif file.is_dir():
        raise ValueError(f"out: {out!r} is a folder; name a file, as {file / 'model.safetensors'}")
    else:
        files.claim(file.parent, file.name, field="out")
    written = pathlib.Path(card).read_text(encoding="utf-8") if card else ""
    config, found = configs.experiment(workdir)
    params, step = configs.averaged(workdir, config, found, step)
    with tempfile.TemporaryDirectory() as scratch:
        file = pathlib.Path(scratch) / "model.safetensors" if remote else file
        model_file.save(file, params, configs.to_json(configs.without_places(config)), step)
        if remote:
            out = hub.upload(out, file, written or _card(out, config, step), replace=bool(card))
        print(f"{out}: step {step:,}, {file.stat().st_size / 1e6:.1f} MB")


def _card(address: str, config: Any, step: int) -> str:
    """What the config says of a model, in Markdown, under what the Hub reads of a card."""
    data, process = config.data, config.process
    return f"""---
library_name: gdm_jax
tags: [groupwise-diffusion, jax, flax]
---

# {address.rpartition("/")[2]}

A groupwise diffusion model (arXiv 2310.01400) of {data.name}, {"x".join(map(str, data.shape))}, in the groups
{process.groups} of the basis {process.basis}: {config.model.name}, step {step:,}.

    import gdm_jax
    images = gdm_jax.load("{address}").sample(16)
"""
