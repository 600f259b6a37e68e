"""Table 1: which elements make a group, in two groups of pixels."""

from __future__ import annotations

import numpy as np

from gdm_jax import drawing
from gdm_jax.drawing import charts
from gdm_jax.evaluation.sets import distances, of_sets
from gdm_jax.experiments.lab import Lab
from gdm_jax.reports import Report, table

__all__ = ["PAPER", "run"]

PAPER = {"bottom_to_top": 12.63, "right_to_left": 13.14, "cascade": 14.03, "cascade_inverse": 13.70}
VARIANTS = {"paper": (*PAPER, "vanilla"), "small": (*PAPER, "vanilla"), "smoke": ("bottom_to_top", "vanilla")}
STEPS = {"paper": 128, "small": 32, "smoke": 8}


def run(lab: Lab) -> Report:
    """Table 1: which elements make a group; 5 models of cifar10.py.

    A model is trained for each of four groupings, and one with a single group for comparison.
    """
    variants, solving = VARIANTS[lab.scale], {"solver": lab.settings.solver, "steps": STEPS[lab.scale]}
    found, pages = [], []
    for variant in variants:
        model = lab.model(variant, f"process.k={1 if variant == 'vanilla' else 2}")
        found.append(lab.evaluate(model, **solving))
        x = model.sample(12, **solving)
        pages.append(drawing.grid(x, columns=12, title=variant))
    rows = [
        (variant, PAPER.get(variant, ""), *(of_sets(one.measures[name]) for name in ("frechet", "precision", "recall")))
        for variant, one in zip(variants, found)
    ]
    about = lab.about(lab.config("vanilla").data)
    text = f"# Table 1: groupings, k = 2\n\n{about} Sampled by {solving['solver']} with {solving['steps']} steps.\n\n"
    text += table(("grouping", "paper, FID10K", "Frechet distance", "precision", "recall"), rows)
    values, errors = distances(found)
    chart = charts.points(variants, values, errors, label="Frechet distance")
    order = [variants[i] for i in np.argsort([one.frechet.mean for one in found])]
    in_paper = ", ".join(sorted(PAPER, key=PAPER.__getitem__))
    text += f"\nBy their means, from the least: {', '.join(order)}. In the paper: {in_paper}.\n"
    numbers = {"paper": PAPER, "found": {variant: one.as_dict() for variant, one in zip(variants, found)}}
    return Report(text, numbers, {"distances": chart, "samples": drawing.stack(pages)})
