"""Measure how far samples are from data: Frechet distance, precision and recall.

The protocol is that of FID10K: one seed an image, bytes, float64. What was computed is kept, so that the same command
goes on after an interruption. Images unlike ImageNet's are better judged by a classifier fitted to the data, or by
their pixels. Several labels are given to the samples in turn. The floor is the score of fresh samples from the data
distribution.
"""

from __future__ import annotations

import argparse
import pathlib

from gdm_jax import pretrained
from gdm_jax.cli import inputs, options, outputs

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm evaluate --workdir digits --features pixels --count 1797
  gdm evaluate --workdir digits --features classifier --count 1000 --sets 3 --solver heun --steps 32
  gdm evaluate --workdir runs/cifar10 --count 10000 --reference cifar10-32x32.npz
  gdm evaluate --workdir digits --features pixels --images my_samples/
  gdm evaluate --workdir runs/digits_labels --features classifier --count 1000 --label 0 1 2 3 4 5 6 7 8 9 --guidance 2
"""
# Options that say how samples are made, which --images are not.
OF_SAMPLES = ("count", "sets", "solver", "steps", "rtol", "atol", "order", "overlap", "boundaries", "label", "guidance")
OF_SAMPLES += ("autoguidance", "weak_step", "temperature")


def arguments(command: argparse.ArgumentParser) -> None:
    from gdm_jax.metrics.features import features_for

    options.model(command)
    options.temperature(command)
    options.label(command)
    options.processes(command)
    add, names = command.add_argument, list(features_for("samples"))
    text = f"Features by which images are judged: {', '.join(names)}. Default: inception."
    add("--features", choices=names, default="inception", metavar="NAME", help=text)
    text = "File with the weights of inception or efficientnet. Default: a download, or those of the package."
    add("--weights", metavar="FILE", help=text)
    add("--count", type=int, metavar="N", help="Number of samples in a set. Default: 10000.")
    add("--sets", type=int, metavar="N", help="Number of sets of seeds; several give a standard deviation. Default: 1.")
    text = "Split of the data that samples are judged against, e.g. test. Default: the one trained on."
    add("--split", default="", metavar="SPLIT", help=text)
    text = "An .npz with mu and sigma that takes the place of the data set."
    add("--reference", metavar="FILE", help=text)
    add("--images", metavar="DIR", help="Folder of images to judge in place of samples.")
    text = "Folder for classifiers and for statistics of data. Default: judges beside the workdir."
    add("--judges", metavar="DIR", help=text)


def run(arguments: argparse.Namespace) -> None:
    loading, solving, out = options.of_model(arguments)
    features, weights, images = arguments.features, arguments.weights, arguments.images
    split, reference = arguments.split, arguments.reference
    given = [name for name in OF_SAMPLES if getattr(arguments, name) is not None]
    of_samples = {"count": 10_000 if arguments.count is None else arguments.count}
    of_samples["sets"] = 1 if arguments.sets is None else arguments.sets
    folder = out / "evaluations"
    judges = pathlib.Path(arguments.judges or pretrained.home(arguments.workdir).resolve().parent / "judges")

    from gdm_jax import evaluation
    from gdm_jax.devices import hosts
    from gdm_jax.workdir import files

    outputs.claim(out, "evaluations")
    files.claim(judges, "", field="--judges")
    model = inputs.model(**loading)
    if images and given:
        raise ValueError(f"--{given[0].replace('_', '-')}: says how samples are made; --images are judged as they are")
    x = inputs.pictures([images], model) if images else None
    if x is None:
        evaluation.check(model, **of_samples, **{name: solving[name] for name in solving if name != "progress"})
    with hosts.first_before_the_others("judge made"):
        judge = evaluation.judge(
            model.config.data,
            features,
            judges,
            split=split,
            weights=weights,
            reference=reference,
            progress=hosts.first(),
        )
    if x is None:
        found = evaluation.evaluate(model, judge, folder, **of_samples, **solving)
    else:
        found = evaluation.compare_images(x, judge)
    if not hosts.first():
        return
    real = "statistics" if judge.real.count is None else f"{judge.real.count:,}"
    print(f"{found.count:,} images against {real} by {judge.name}")
    for name, measured in found.measures.items():
        spread = "" if measured.std is None else f" ± {measured.std:.2g}"
        print(f"{name:<10} {measured.mean:.4g}{spread}")
    if found.floor is not None:
        print(f"floor      {found.floor:.4g}  (the score of fresh samples from the data distribution)")
    path = folder / ("images.json" if images else "evaluation.json")
    files.write(path, ({"images": str(images)} if images else {}) | found.as_dict())
    print(path)
