"""Edit images in their latents, and draw the result as the paper does."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from gdm_jax import _registry
from gdm_jax.cli import inputs, options, outputs

if TYPE_CHECKING:
    from gdm_jax.reports.edits import Source

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm edit swap --workdir fruits --data 5 --split test --groups 0
  gdm edit interpolate --workdir digits --data 2
  gdm edit traverse --workdir digits --seeds 3 --elements 0 1 2 3
  gdm edit resample --workdir digits --data 4
  gdm edit keep --workdir digits --data 8
"""


def arguments(command: argparse.ArgumentParser) -> None:
    from gdm_jax.reports.edits import EDITS

    lines = [f"  {name:<12} {_registry.first_line(edit.__doc__ or '')}" for name, edit in EDITS.items()]
    command.epilog = "\n".join(["operations, on latents of --images, --data or --seeds:", *lines, "", EXAMPLES])
    text = "Edit to make; see below."
    command.add_argument("operation", choices=list(EDITS), metavar="OPERATION", help=text)
    options.model(command, default="for images Euler's, undone exactly; for seeds the config's")
    options.label(command)
    options.source(command, seeds=True)
    add = command.add_argument
    add("--groups", type=int, nargs="+", metavar="GROUP", help="Groups that the edit takes, moves or keeps.")
    text = "Elements that traverse moves, the lowest frequency first. Default: the first four."
    add("--elements", type=int, nargs="+", metavar="I", help=text)
    add("--channel", type=int, metavar="C", help="Channel that traverse moves. Default: all channels.")
    add("--count", type=int, metavar="N", help="Number of columns: steps, values or draws.")
    text = "Interpolation along straight lines instead of great circles."
    add("--linear", action="store_true", help=text)
    add("--seed", type=int, metavar="SEED", help="Seed of the noise that resample and keep draw.")
    text = "Image files or folders of swap's donors. Default: the images themselves."
    add("--donor-images", nargs="+", metavar="PATH", help=text)
    add("--donor-data", type=int, metavar="N", help="Number of examples of the data set to be donors instead.")
    add("--donor-seeds", type=int, nargs="+", metavar="SEED", help="Seeds of samples to be donors instead.")


def run(arguments: argparse.Namespace) -> None:
    loading, solving, folder = options.of_model(arguments)
    operation, values = arguments.operation, vars(arguments)
    given = {name: values[name] for name in ("groups", "elements", "channel", "count", "seed")}
    given = {name: value for name, value in given.items() if value is not None}
    given |= {"spherical": False} if arguments.linear else {}
    images = {**options.of_source(arguments), "seeds": arguments.seeds}
    donors = {**options.of_source(arguments, "donor_"), "seeds": arguments.donor_seeds}

    from gdm_jax.reports import edits

    outputs.claim(folder, f"{operation}.npz", f"{operation}.png")
    edit = edits.EDITS[operation]
    for name in _registry.lacks(edit, ["model", "source", "donors", *given]):
        raise ValueError(f"--{name}: {operation} needs {name}; name them")
    donated = [f"donor-{name}" for name in ("images", "data", "seeds") if donors[name] is not None]
    asked = {"linear" if name == "spherical" else name: name for name in given} | dict.fromkeys(donated, "donors")
    for option, name in asked.items():
        if name not in _registry.takes(edit):
            others = [other for other, made in edits.EDITS.items() if name in _registry.takes(made)]
            raise ValueError(f"--{option}: is for {', '.join(others)}, not for {operation}")
    model = inputs.model(**loading)
    if len(model.config.data.shape) != 3:
        raise ValueError("edit: draws images; for vectors use gdm_jax.latent")
    if np.ndim(solving.get("label", 0)):
        raise ValueError("--label: edits take one label for all images")
    edits.check(model, **given)  # before anything is solved

    def latents(source: dict, prefix: str = "") -> Source:
        inputs.check_source(prefix, **{name: source[name] for name in ("images", "data", "seeds")})
        seeds = source.pop("seeds")
        if seeds:
            return edits.from_seeds(model, seeds, **solving)
        found = edits.from_images(model, inputs.examples(model, **source)[0], **solving)
        outputs.warn_uncertain("edit", found.uncertain)
        return found

    source = latents(images)
    known = {"model": model, "source": source, "donors": source, **given}
    if donated:
        known["donors"] = latents(donors, "donor-")
    outputs.edit(folder, operation, _registry.call(edit, known))
