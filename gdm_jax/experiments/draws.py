"""What teaches: losses and times of training, after equal training, for bands, stripes and blocks in any order.

Every choice trains the same network for as many steps, which take as long, from the same first parameters and on the
same images and noise. Choices are compared pair by pair over repetitions, each with another seed of training and other
seeds of sampling.

Why they differ is looked for in the gradient. Of the gradient g of one example's loss, |E g|^2 teaches and the trace of
Cov(g) is noise. Both are measured on a model of bands, at the times of each band and for each loss.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float

from gdm_jax import latent
from gdm_jax.drawing import charts
from gdm_jax.evaluation import Evaluation
from gdm_jax.evaluation.sets import interval, of_sets, summary
from gdm_jax.experiments.lab import ABM3, Lab
from gdm_jax.loss import LOSSES
from gdm_jax.model import Model
from gdm_jax.network import Network
from gdm_jax.process.process import Process
from gdm_jax.reports import Report, table

__all__ = ["CHOICES", "PARTITIONS", "gradient_noise", "overrides", "run"]

EQ_8 = (
    "training.loss=unweighted", "training.density=uniform", "training.shares=()", "training.shift=()",
    "model.precondition=False", *ABM3,
)  # fmt: skip
IN_TURN = ("schedule.boundaries=()", "schedule.overlap=(0.0,)", "sampling.boundaries=()")
LESS_NOISE = ("training.loss=rao_blackwell",)
MIDDLE = ("training.density=logit_normal", "training.width=0.7")
SHARES = ("training.shares=(0.1, 0.4, 0.4, 0.1)",)
OVERLAP = ("schedule.overlap=(0.3,)",)
PRECONDITION = ("model.precondition=True",)
PARTITIONS = {  # name -> variant of the config, overrides, number of groups
    "bands": ("bands", IN_TURN, 4),
    "2 stripes": ("right_to_left", ("process.k=2",), 2),
    "8 stripes": ("right_to_left", ("process.k=8",), 8),
    "blocks in any order": ("blockwise", (), 9),
}
CHOICES = {  # name -> overrides beside those of Eq. 8 at uniform times
    "Eq. 8": (),
    "rao_blackwell": LESS_NOISE,
    "logit_normal": MIDDLE,
    "both": LESS_NOISE + MIDDLE,
    "both, preconditioned": LESS_NOISE + MIDDLE + PRECONDITION,
    "both, nearer the data": LESS_NOISE + MIDDLE + ("training.shift=(0.5, 0.5, 0.5, 0.5)",),
    "both, nearer the noise": LESS_NOISE + MIDDLE + ("training.shift=(2.0, 2.0, 2.0, 2.0)",),
    "both, shares": LESS_NOISE + MIDDLE + SHARES,
    "both, overlap": LESS_NOISE + MIDDLE + OVERLAP,
    "all of these": LESS_NOISE + MIDDLE + PRECONDITION + SHARES + OVERLAP,
}
ANYWHERE = tuple(CHOICES)[:5]  # the others are for bands alone
CHOSEN = {"paper": tuple(CHOICES), "small": tuple(CHOICES), "smoke": ("Eq. 8", "both")}
CHOSEN_PARTITIONS = {"paper": tuple(PARTITIONS), "small": tuple(PARTITIONS), "smoke": ("bands",)}
STEPS = {"paper": 20_000, "small": 1_200, "smoke": 12}
SMALLER = {  # for 75 trainings: half the channels and half the batch of mnist.py, and a warm-up as short as they are
    "paper": (),
    "small": ("model.channels=64", "training.batch=32", "training.warmup_images=4000"),
    "smoke": (),
}
REPETITIONS = {"paper": 2, "small": 3, "smoke": 2}
CALLS = 24  # and at least three for every group
PARTS = 4  # of a band's interval, in which the gradient's noise is measured
BATCHES, BATCH = {"paper": 32, "small": 16, "smoke": 3}, 64  # of examples that a gradient is measured on


def run(lab: Lab) -> Report:
    """What teaches: losses and times of training; short runs of cifar10.py and ffhq64_bands.py.

    Each choice is trained as long as the others, and compared with Eq. 8 at uniform times, pair by pair.
    """
    repetitions, steps = REPETITIONS[lab.scale], STEPS[lab.scale]
    config = lab.config("bands", *SMALLER[lab.scale])
    text = (
        f"# What teaches\n\n{lab.about(config.data, sets=1)} Every choice has {repetitions} models of "
        f"{config.model.channels} channels, each of {steps:,} steps of {config.training.batch} images and of another "
        "seed; given are the mean and standard deviation over them. "
        f"Sampled by abm3 with {CALLS} calls or three for every group. Differences are from the "
        "first row, paired by seed, with 95% confidence intervals.\n"
    )
    numbers, names, values = {}, [], []
    for partition in CHOSEN_PARTITIONS[lab.scale]:
        rows, first = [], None
        for choice in CHOSEN[lab.scale]:
            if choice not in ANYWHERE and partition != "bands":
                continue
            found = [_repetition(lab, partition, choice, seed) for seed in range(repetitions)]
            distances = [one.frechet.mean for one in found]
            first = first or distances
            mean, half = interval(np.subtract(distances, first))
            sure = [one.measures["confident"].mean for one in found if "confident" in one.measures]
            changed = "" if first is distances else f"{mean:.3g} ± {half:.2g}"
            rows.append((choice, of_sets(summary(distances)), changed, f"{np.mean(sure):.0%}" if sure else ""))
            record = {"difference": mean, "half_width_95": half, "found": [one.as_dict() for one in found]}
            numbers.setdefault(partition, {})[choice] = record
            names.append(f"{partition}: {choice}")
            values.append(distances)
        best = min(numbers[partition], key=lambda name: numbers[partition][name]["difference"])
        text += f"\n## {partition}\n\n" + table(("choice", "Frechet distance", "difference", "sure of a class"), rows)
        text += f"\nThe best: {best}.\n"
    noise, measured = _noise(lab, _model(lab, "bands", "Eq. 8", 0))
    chart = charts.points(names, values, label="Frechet distance; a dot for each repetition")
    return Report(text + noise, {"found": numbers, "gradient_noise": measured}, {"distances": chart})


def gradient_noise(
    u: Network,
    loss: Callable,
    process: Process,
    x: Float[np.ndarray, "batches batch *shape"],
    z: Float[np.ndarray, "batches batch *shape"],
    alpha: Float[np.ndarray, "batches batch k"],
) -> tuple[float, float]:
    """The noise of the gradient of one example's loss, and the square of its mean.

    Args:
      u: Network, a pytree whose leaves are its parameters.
      loss: Loss (u, process, x, z, alpha) -> `[batch]`.
      process: Process that turns x into noise.
      x: Data, in two batches or more.
      z: Standard normal noise, like x.
      alpha: Progress of every group.

    Returns:
      Estimates of the trace of Cov(g) and of |E g|^2, neither of them biased.
    """
    gradients = [jax.tree.leaves(_gradient(u, loss, process, *drawn)) for drawn in zip(x, z, alpha)]
    each = [np.concatenate([np.ravel(leaf) for leaf in leaves]) for leaves in gradients]
    of_batch = np.var(each, axis=0, ddof=1, dtype=np.float64).sum()
    return x.shape[1] * of_batch, np.square(np.mean(each, axis=0)).sum() - of_batch / len(each)


@functools.partial(jax.jit, static_argnames="loss")
def _gradient(u, loss, process, x, z, alpha):
    return jax.grad(lambda u: loss(u, process, x, z, alpha).mean())(u)


def _noise(lab: Lab, model: Model) -> tuple[str, list[dict]]:
    """The gradient's noise at the times of each band, near the data and near the noise, for each loss."""
    shape, k, batches = model.config.data.shape, model.process.k, BATCHES[lab.scale]
    x, _ = lab.real(model, batches * BATCH)
    x = x[: len(x) // batches * batches]
    z, v = np.asarray(latent.noise(np.arange(len(x)), shape)), np.random.default_rng(0).permutation(len(x)) / len(x)
    x, z = (values.reshape(batches, -1, *shape) for values in (x, z))
    rows, measured = [], []
    for band in range(k):
        for part in range(PARTS):
            alpha = np.where(np.arange(k) < band, 1.0, np.zeros((len(v), k))).astype(np.float32)
            alpha[:, band] = 1 - (part + v) / PARTS
            found = {
                name: gradient_noise(model.u, LOSSES[name], model.process, x, z, alpha.reshape(batches, -1, k))
                for name in ("unweighted", "rao_blackwell")
            }
            measured.append({"band": band, "part": part, **found})
    total = sum(one["unweighted"][0] for one in measured)
    for one in measured:
        noise, less, signal = one["unweighted"][0], one["rao_blackwell"][0], one["unweighted"][1]
        near = f"{one['part'] / PARTS:g} to {(one['part'] + 1) / PARTS:g}"
        rows.append((one["band"], near, f"{noise / total:.1%}", f"{less / total:.1%}", f"{signal / total:.2g}"))
    text = (
        f"\n## The gradient's noise\n\nMeasured on the first model of bands of Eq. 8, on {x.shape[0] * x.shape[1]:,} "
        "images at each place. Noise is the trace of the covariance of one example's gradient. It and the square of "
        "the mean are given as shares of all the noise of Eq. 8 at uniform times.\n\n"
    )
    heads = ("band", "noise s in it", "noise of Eq. 8", "of rao_blackwell", "square of the mean, Eq. 8")
    return text + table(heads, rows), measured


def overrides(partition: str, choice: str, scale: str, seed: int) -> tuple[str, ...]:
    """Variant of the config and overrides of one model."""
    variant, changes, _ = PARTITIONS[partition]
    length = (f"training.steps={STEPS[scale]}", f"seed={seed}")
    return variant, *EQ_8, *changes, *CHOICES[choice], *SMALLER[scale], *length


def _model(lab: Lab, partition: str, choice: str, seed: int) -> Model:
    """One model, trained if it is not there."""
    name = f"draws/{partition} {choice} {seed}".replace(",", "").replace(" ", "_")
    return lab.model(*overrides(partition, choice, lab.scale, seed), name=name)


def _repetition(lab: Lab, partition: str, choice: str, seed: int) -> Evaluation:
    """The evaluation of one model."""
    calls = max(CALLS, 3 * PARTITIONS[partition][2])
    return lab.evaluate(_model(lab, partition, choice, seed), solver="abm3", steps=calls, sets=1, first_set=seed)
