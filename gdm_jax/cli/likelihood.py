"""Compute log p(x), in total and for each group, with a map of it.

Images are dequantised and counted in bits a dimension. The default is 32 steps of Tsit5 (Heun's are too coarse). In
strict mode the terms of the groups are conditional likelihoods.
"""

from __future__ import annotations

import argparse

from gdm_jax.cli import inputs, options, outputs

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm likelihood --workdir runs/likelihood_bands --data 100 --split 'train[1500:]'
  gdm likelihood --workdir digits --data 16 --probes 4
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.model(command, does=("generates", "encodes"), default="32 steps of tsit5")
    options.label(command)
    options.source(command)
    text = "Number of Hutchinson probes for each trace. Default: 0, which computes exact traces."
    command.add_argument("--probes", type=int, default=0, metavar="N", help=text)
    text = "Number of times that images are dequantised. 0 takes them as they are. Default: 1."
    command.add_argument("--draws", type=int, default=1, metavar="N", help=text)


def run(arguments: argparse.Namespace) -> None:
    loading, solving, folder = options.of_model(arguments)
    source, probes, draws = options.of_source(arguments), arguments.probes, arguments.draws

    from gdm_jax.config import build
    from gdm_jax.reports import likelihood
    from gdm_jax.workdir import files

    outputs.claim(folder, "likelihood.md", "likelihood.json", "likelihood.png", "likelihood.npz")
    model = inputs.model(**loading)
    x, _ = inputs.examples(model, **source)
    draws = draws if x.ndim == 4 else 0
    solving = build.encoding(model.config.sampling, model.pieces, **solving)
    found = model.log_likelihood(x, probes=probes, draws=draws, **solving)
    split = "" if source["data"] is None else source["split"] or model.config.data.split
    way = {"solver": solving["solver"], "steps": solving["steps"], "probes": probes, "draws": draws}
    outputs.report(folder, "likelihood", likelihood.bits(model, x, found, split=split, **way))
    path = folder / "likelihood.npz"
    files.write_arrays(path, **found._asdict())
    print(path)
