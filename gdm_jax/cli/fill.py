"""Generate the rest of an image given some of its groups: outpainting, inpainting, detail, variations.

Kept groups come back unchanged. The rest is drawn from the model's distribution given them.
"""

from __future__ import annotations

import argparse

import numpy as np

from gdm_jax.cli import inputs, options, outputs

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm fill --workdir runs/digits_pixels --data 4 --keep 0
  gdm fill --workdir digits --data 4 --keep 0 1
  gdm fill --workdir runs/digits_orders --data 4 --mask my_mask.png
  gdm fill --workdir digits --seeds 5 --keep 0 --count 12
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.model(command)
    options.temperature(command)
    options.label(command)
    options.source(command, seeds=True)
    command.add_argument("--keep", type=int, nargs="+", metavar="GROUP", help="Groups that are given.")
    text = "Picture of the model's size to give instead of --keep. White is known."
    command.add_argument("--mask", metavar="FILE", help=text)
    text = "Number of fillings of each image. Default: 6."
    command.add_argument("--count", type=int, default=6, metavar="N", help=text)


def run(arguments: argparse.Namespace) -> None:
    loading, solving, folder = options.of_model(arguments)
    source, seeds = options.of_source(arguments), arguments.seeds
    keep, mask, count = arguments.keep, arguments.mask, arguments.count

    from gdm_jax import conditional
    from gdm_jax.reports import edits

    outputs.claim(folder, "filled.npz", "filled.png")
    model = inputs.model(**loading)
    if bool(keep) == bool(mask):
        raise ValueError("pass either --keep GROUP ... or --mask FILE")
    keep = keep or conditional.groups_of_mask(model.process, inputs.mask(mask, model))
    model.given(keep)  # refuse before anything is solved
    inputs.check_source(images=source["images"], data=source["data"], seeds=seeds)
    x = model.sample(seeds=seeds, **solving) if seeds else inputs.examples(model, **source)[0]
    if x.ndim != 4:
        if np.ndim(solving.get("label", 0)):
            solving["label"] = np.repeat(solving["label"], count)
        outputs.arrays(folder, "filled", x=model.fill(np.repeat(x, count, axis=0), keep, **solving))
        return
    made = edits.fill(model, edits.Source(x, x, {}, []), keep, count=count, **solving)
    outputs.edit(folder, "filled", made)
