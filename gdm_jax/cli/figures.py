"""Draw a trained model: samples, film, strip, reconstruction, mixing."""

from __future__ import annotations

import argparse
import pathlib

from gdm_jax.cli import inputs, options, outputs

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm figures --workdir fruits
  gdm figures --workdir digits --beside runs/digits_pixels
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.model(command)
    text = "Folder of another run: strips and a film of both are drawn side by side instead (Fig. 2)."
    command.add_argument("--beside", metavar="DIR", help=text)


def run(arguments: argparse.Namespace) -> None:
    loading, solving, out = options.of_model(arguments)
    beside, folder = arguments.beside, out / "figures"

    from gdm_jax.reports import samples

    outputs.claim(out, "figures")
    model = inputs.model(**loading)
    if beside:
        names = [pathlib.Path(workdir).name for workdir in (loading["workdir"], beside)]
        lines = samples.compare([model, inputs.model(workdir=beside)], names, folder, **solving)
    else:
        lines = samples.write(model, folder, **solving)
    for line in lines:
        print(f"{folder}/{line}")
