"""Find out what the groups of the latent carry: normality, class probes, perceptual variance.

The report says whether encoded latents are normal and independent, which group tells the class, and how much of what
one sees is still free when the lowest components are fixed (Fig. 4a).
"""

from __future__ import annotations

import argparse

import numpy as np

from gdm_jax.cli import inputs, options, outputs

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm analyse --workdir digits --data 500
  gdm analyse --workdir digits --data 500 --features pixels
"""


def arguments(command: argparse.ArgumentParser) -> None:
    from gdm_jax.metrics.features import features_for

    options.model(command, does=("generates", "encodes"), default="32 steps of tsit5 to encode, the config's to sample")
    options.source(command)
    names = list(features_for("perception"))
    text = f"Features that stand for what one sees: {', '.join(names)}. Default: classifier."
    command.add_argument("--features", choices=names, default="classifier", metavar="NAME", help=text)
    text = "File with the weights of vgg19. Default: the weights that Keras downloads."
    command.add_argument("--weights", metavar="FILE", help=text)
    text = "Number of sets of samples. Samples of one set share their lowest components. Default: 24."
    command.add_argument("--sets", type=int, default=24, metavar="N", help=text)
    text = "Number of samples in a set. Default: 16."
    command.add_argument("--members", type=int, default=16, metavar="N", help=text)


def run(arguments: argparse.Namespace) -> None:
    loading, solving, folder = options.of_model(arguments)
    source, features, weights = options.of_source(arguments), arguments.features, arguments.weights
    sets, members = arguments.sets, arguments.members

    from gdm_jax import metrics
    from gdm_jax.drawing import charts
    from gdm_jax.reports import bands

    charts.check()  # before the long part
    outputs.claim(folder, "analysis.md", "analysis.json", "perception.png")
    model = inputs.model(**loading)
    x, label = inputs.examples(model, **source)
    if x.ndim != 4:
        raise ValueError("analyse: looks at models of images")

    def to_fit() -> dict:
        if label is None or len(np.unique(label)) < 2:
            field = f"--features {features}"
            raise ValueError(f"{field}: needs --data of at least two classes; or pass --features pixels")
        return dict(zip(("images", "labels"), inputs.examples(model, data=10**9)))

    see = metrics.make_features(features, "perception", to_fit, weights=weights)
    outputs.report(folder, "analysis", bands.bands(model, x, label, see, sets=sets, members=members, **solving))
