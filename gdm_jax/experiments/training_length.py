"""Does long training close the gap?  One group and four bands are trained for long, and judged along the way.

The learning rate falls to zero at the last step alone, so that a checkpoint on the way is worse than the end of a run
as short as that would be.
"""

from __future__ import annotations

import functools

import numpy as np

from gdm_jax.drawing import charts
from gdm_jax.evaluation.sets import of_sets
from gdm_jax.experiments.lab import ABM3, Lab
from gdm_jax.reports import Report, table

__all__ = ["run"]

STEPS = {"paper": 360_000, "small": 20_000, "smoke": 12}
PARTS = {"paper": 12, "small": 10, "smoke": 2}  # after each of which the models are judged
ONE_GROUP = ("process.bands=()", "schedule.boundaries=()", "sampling.boundaries=()", "training.shares=()")
MODELS = {"one group": ONE_GROUP, "bands": ()}  # name -> overrides of the config of bands


def run(lab: Lab) -> Report:
    """Distance against images seen, for one group and for four bands; 2 models of ffhq64_bands.py."""
    steps, parts = STEPS[lab.scale], PARTS[lab.scale]
    each = steps // parts
    changes = [f"training.steps={steps}", f"training.keep_every={each}", f"training.save_every={each}"]
    found = {}
    for name, own in MODELS.items():
        of_run = functools.partial(lab.model, "bands", *own, *changes, *ABM3, name=f"length/{name.replace(' ', '_')}")
        found[name] = [lab.evaluate(of_run(step=n * each), sets=1) for n in range(1, parts + 1)]
    batch, data = lab.config("bands").training.batch, lab.config("bands").data
    images = np.arange(1, parts + 1) * each * batch
    text = (
        f"# Does long training close the gap?\n\n{lab.about(data, sets=1)} Sampled by abm3 with 24 calls. The "
        "rate falls to zero at the last step alone.\n\n"
    )
    rows = [(f"{seen:,}", *(of_sets(of[n].frechet) for of in found.values())) for n, seen in enumerate(images)]
    text += table(("images seen", *found), rows)
    series = {name: [one.frechet.mean for one in of] for name, of in found.items()}
    ratio = series["bands"][-1] / series["one group"][-1]
    text += f"\nAt the end the distance of the bands is {ratio:.3g} times that of one group.\n"
    chart = charts.curve(images / 1000, series, x_label="thousand images seen", y_label="Frechet distance", log="xy")
    numbers = {"images": images.tolist(), "found": {name: [one.as_dict() for one in of] for name, of in found.items()}}
    return Report(text, numbers, {"distances": chart})
