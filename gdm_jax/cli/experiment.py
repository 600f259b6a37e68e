"""Run one of the paper's experiments: train or reuse its models, judge them, draw its table and figures.

Models are trained where there are none, and reused. All that was computed is kept in --runs.
"""

from __future__ import annotations

import argparse
import pathlib

from gdm_jax import _registry
from gdm_jax.cli import options

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm experiment groupings --scale smoke
  gdm experiment groupings --scale small --config.data.path=~/mnist/train
  gdm experiment hierarchy --scale smoke --workdir digits
"""


def arguments(command: argparse.ArgumentParser) -> None:
    from gdm_jax import experiments
    from gdm_jax.metrics.features import features_for

    names = list(features_for("samples"))
    known, own = experiments.EXPERIMENTS, " or ".join(experiments.OF_ANY_MODEL)
    lines = [f"  {name:<11} {_registry.first_line(run.__doc__ or '')}" for name, run in known.items()]
    command.epilog = "\n".join(["experiments, and the models of --scale paper:", *lines, "", EXAMPLES])
    add = command.add_argument
    add("experiment", metavar="NAME", help="Experiment to run; see below.")
    options.workdir(command, f"Trained model for {own} to look at. {options.MODEL}", required=False)
    text = f"Size of the experiment: {', '.join(experiments.SCALES)}. Default: small."
    add("--scale", choices=list(experiments.SCALES), default="small", metavar="SCALE", help=text)
    text = f"Features by which images are judged: {', '.join(names)}. Default: those of the scale."
    add("--features", choices=names, metavar="NAME", help=text)
    text = "File with the weights of inception or efficientnet. Default: a download, or those of the package."
    add("--weights", metavar="FILE", help=text)
    text = "Samples that a model is judged by. Default: those of the scale."
    add("--count", type=int, metavar="N", help=text)
    texts = {"runs": "Folder for models and reports.", "configs": "Folder of config files."}
    for name, default in experiments.DEFAULTS.items():
        add(f"--{name}", default=default, metavar="DIR", help=f"{texts[name]} Default: {default}.")


def run(arguments: argparse.Namespace) -> None:
    name, workdir, scale = arguments.experiment, arguments.workdir, arguments.scale
    runs, configs = pathlib.Path(arguments.runs), pathlib.Path(arguments.configs)
    overrides = tuple(arguments.overrides)
    judged = {option: getattr(arguments, option) for option in ("features", "weights", "count")}

    from gdm_jax import experiments
    from gdm_jax.drawing import charts

    charts.check()  # before the long part
    made = _registry.choose(experiments.EXPERIMENTS, name, "experiment")
    if workdir and name not in experiments.OF_ANY_MODEL:
        own = " and ".join(experiments.OF_ANY_MODEL)
        raise ValueError(f"--workdir: is for {own}; the others train their own models")
    lab = experiments.Lab(scale, runs, configs, overrides, workdir=workdir, **judged)
    experiments.claim(lab, name)
    report = made(lab)
    print(report.text, *experiments.write(lab, name, report), sep="\n")
