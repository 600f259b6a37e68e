"""What teaches: losses and times of training, after equal training, for bands, stripes and blocks in any order.

Every choice trains the same network for as many steps, which take as long, from the same first parameters and on the
same images and noise. Choices are compared pair by pair over repetitions, each with another seed of training and other
seeds of sampling.
"""

from __future__ import annotations

import numpy as np

from gdm_jax.drawing import charts
from gdm_jax.evaluation import Evaluation
from gdm_jax.evaluation.sets import interval, of_sets, summary
from gdm_jax.experiments.lab import Lab
from gdm_jax.reports import Report, table

__all__ = ["CHOICES", "PARTITIONS", "run"]

EQ_8 = (
    "training.loss=unweighted", "training.density=uniform", "training.shares=()", "training.shift=()",
    "model.precondition=False", "sampling.solver=abm3", "sampling.steps=(24,)",
)  # fmt: skip
IN_TURN = ("schedule.boundaries=()", "schedule.overlap=(0.0,)")
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
REPETITIONS = {"paper": 2, "small": 3, "smoke": 2}
CALLS = 24  # and at least three for every group


def run(lab: Lab) -> Report:
    """What teaches: losses and times of training; short runs of cifar10.py and ffhq64_bands.py.

    Each choice is trained as long as the others, and compared with Eq. 8 at uniform times, pair by pair.
    """
    repetitions, steps = REPETITIONS[lab.scale], STEPS[lab.scale]
    text = (
        f"# What teaches\n\n{lab.about(lab.config('bands').data, sets=1)} Every choice has {repetitions} models, each "
        f"of {steps:,} steps and of another seed; given are the mean and standard deviation over them. Sampled by abm3 "
        f"with {CALLS} calls or three for every group. Differences are from the first row, paired by seed, with 95% "
        "confidence intervals.\n"
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
    chart = charts.points(names, values, label="Frechet distance; a dot for each repetition")
    return Report(text, {"found": numbers}, {"distances": chart})


def _repetition(lab: Lab, partition: str, choice: str, seed: int) -> Evaluation:
    """The evaluation of one model, trained if it is not there."""
    variant, changes, k = PARTITIONS[partition]
    changes += (*EQ_8, *CHOICES[choice], f"training.steps={STEPS[lab.scale]}", f"seed={seed}")
    name = f"draws/{partition} {choice} {seed}".replace(",", "").replace(" ", "_")
    model = lab.model(variant, *changes, name=name)
    calls = max(CALLS, 3 * k)
    return lab.evaluate(model, solver="abm3", steps=calls, sets=1, first_set=seed)
