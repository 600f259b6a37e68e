"""Turn latents into data."""

from __future__ import annotations

import argparse

from gdm_jax.cli import inputs, options, outputs

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """example; without --solver and --steps those count that encoded the latents:
  gdm decode --workdir digits --latents digits/encoded.npz
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.model(command)
    options.label(command)
    command.add_argument("--latents", required=True, metavar="FILE", help="An .npz with an array 'z'.")


def run(arguments: argparse.Namespace) -> None:
    loading, solving, folder = options.of_model(arguments)
    latents = arguments.latents

    outputs.claim(folder, "decoded.npz", "decoded.png")
    model = inputs.model(**loading)
    z, way = inputs.latents(latents)
    outputs.arrays(folder, "decoded", x=model.decode(z, **{**way, **solving}))
