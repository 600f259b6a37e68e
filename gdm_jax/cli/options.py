"""Options that commands share, and the plain values that they stand for."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from gdm_jax import pretrained

__all__ = [
    "MODEL", "OfModel", "config", "label", "model", "of_model", "of_source", "processes", "source", "temperature",
    "workdir",
]  # fmt: skip

MODEL = "Folder of a run, a file of gdm export, a name of gdm models, or hf://OWNER/NAME."


def config(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    """--config; its overrides are parsed by `gdm_jax.cli.main`."""
    text = "Experiment file. --config.FIELD=VALUE changes one of its fields."
    command.add_argument("--config", required=required, metavar="FILE", help=text)


def workdir(command: argparse.ArgumentParser, text: str = "Folder of the run.", *, required: bool = True) -> None:
    """--workdir."""
    command.add_argument("--workdir", required=required, metavar="DIR", help=text)


def model(
    command: argparse.ArgumentParser, *, does: Sequence[str] = ("generates",), default: str = "the config's"
) -> None:
    """Which model, by which solver, along which path, and where to write.

    Args:
      command: Parser to add the options to.
      does: "generates", "encodes" or both; solvers that cannot are named for other commands alone.
      default: Words for the solver and steps that it takes unless told otherwise.
    """
    from gdm_jax import ode

    solvers = [name for name, solver in ode.SOLVERS.items() if all(getattr(solver, what, True) for what in does)]
    trained = "The model must have been trained on it."
    workdir(command, MODEL)
    add = command.add_argument
    add("--checkpoint", type=int, metavar="STEP", help="Step of the checkpoint to load. Default: the newest.")
    text = "Autoguidance: above 1 leads samples away from what an earlier checkpoint gets wrong, at twice the calls."
    add("--autoguidance", type=float, metavar="W", help=text)
    text = "Step of that earlier checkpoint; config.training.keep_every says which are kept."
    add("--weak-step", type=int, metavar="STEP", help=text)
    add("--out", metavar="DIR", help="Folder to write to. Default: the workdir, or one named like the model.")
    add("--solver", metavar="NAME", help=f"Solver of the ODE: {', '.join(solvers)}. Default: {default}.")
    text = "Number of steps: a total, at least one for each group, or one number for each group. 0 adapts them. "
    text += "Fewer steps take fewer network calls: euler, ab2, ab3 and abm3 take one a step, heun and midpoint two."
    add("--steps", type=int, nargs="+", metavar="N", help=text)
    add("--rtol", type=float, help="Relative tolerance of adaptive steps.")
    add("--atol", type=float, help="Absolute tolerance of adaptive steps.")
    add("--batch", type=int, metavar="N", help="Number of examples that are solved at once.")
    add("--order", type=int, nargs="+", metavar="GROUP", help=f"Order in which groups are generated. {trained}")
    text = f"Overlap of the groups' intervals, from 0 (one after another) to 1 (all at once). {trained}"
    add("--overlap", type=float, help=text)
    text = "Times at which neighbouring intervals meet, in rising order."
    add("--boundaries", type=float, nargs="+", metavar="T", help=text)


def temperature(command: argparse.ArgumentParser) -> None:
    """--temperature."""
    text = "Standard deviation of the noise that is drawn, for all groups or for each. Below 1 samples vary less. "
    text += "Good values are those of encoded data, which gdm analyse prints. Default: the config's."
    command.add_argument("--temperature", type=float, nargs="+", metavar="T", help=text)


def label(command: argparse.ArgumentParser) -> None:
    """--label and --guidance."""
    text = "Class to generate: one for all examples, or one for each."
    command.add_argument("--label", type=int, nargs="+", metavar="CLASS", help=text)
    text = "Strength of classifier-free guidance. 1 follows the label as trained, more sharpens. Default: the config's."
    command.add_argument("--guidance", type=float, metavar="W", help=text)


def source(command: argparse.ArgumentParser, *, seeds: bool = False) -> None:
    """--images, --data with --split and, where samples may serve, --seeds."""
    text = "Image files, or folders of them. Images are cropped to the model's proportions and resized."
    command.add_argument("--images", nargs="+", metavar="PATH", help=text)
    text = "Number of examples to take from the start of the data set."
    command.add_argument("--data", type=int, metavar="N", help=text)
    text = "Split that --data reads, e.g. 'train[1500:]'. Default: the config's."
    command.add_argument("--split", default="", metavar="SPLIT", help=text)
    if seeds:
        text = "Seeds of samples that take the place of images, one sample for each seed."
        command.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help=text)


def processes(command: argparse.ArgumentParser) -> None:
    """--coordinator, --processes and --process, where several processes run one command together."""
    text = "HOST:PORT of process 0 where several processes work together, or auto on TPU slices, SLURM and Open MPI."
    command.add_argument("--coordinator", metavar="WHERE", help=text)
    command.add_argument("--processes", type=int, metavar="N", help="Number of processes, with HOST:PORT.")
    command.add_argument("--process", type=int, metavar="I", help="Number of this process, from 0 on, with HOST:PORT.")


class OfModel(NamedTuple):
    """What the options of `model` and `label` stand for.

    Attributes:
      loading: Keywords of `gdm_jax.model.load`.
      solving: Keywords of `Model.sample`, `Model.encode` and their like.
      folder: Folder to write to.
    """

    loading: dict[str, Any]
    solving: dict[str, Any]
    folder: pathlib.Path


def of_model(arguments: argparse.Namespace) -> OfModel:
    """The plain values of `model`'s options and, where the command has them, of `label`'s."""
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    loading = {"workdir": arguments.workdir, "step": arguments.checkpoint}
    loading |= {name: tuple(given[name]) for name in ("order", "boundaries", "temperature") if name in given}
    loading |= {name: given[name] for name in ("autoguidance", "weak_step") if name in given}
    loading |= {"overlap": (given["overlap"],)} if "overlap" in given else {}
    names = ("solver", "rtol", "atol", "batch", "guidance")
    solving = {"progress": True, **{name: given[name] for name in names if name in given}}
    if "steps" in given:
        steps = given["steps"]
        solving["steps"] = (steps[0] or None) if len(steps) == 1 else tuple(steps)
    if "label" in given:
        solving["label"] = given["label"] if len(given["label"]) > 1 else given["label"][0]
    return OfModel(loading, solving, pathlib.Path(arguments.out or pretrained.home(arguments.workdir)))


def of_source(arguments: argparse.Namespace, prefix: str = "") -> dict[str, Any]:
    """The plain values of `source`'s options, or of those that begin with the prefix: keywords of `inputs.examples`."""
    values = vars(arguments)
    return {name: values.get(f"{prefix}{name}") for name in ("images", "data")} | {"split": arguments.split}
