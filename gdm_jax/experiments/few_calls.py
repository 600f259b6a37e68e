"""Few network calls: a network that knows the mean of its field over a jump, beside multistep solvers."""

from __future__ import annotations

import numpy as np

from gdm_jax.drawing import charts
from gdm_jax.evaluation.sets import distances, of_sets
from gdm_jax.experiments.lab import Lab
from gdm_jax.reports import Report, table

__all__ = ["run"]

JUMPS = {"paper": (1, 2, 3, 4), "small": (1, 2, 3, 4), "smoke": (1, 2)}  # calls a piece of the path


def run(lab: Lab) -> Report:
    """Distance at few calls, with jumps and without; 2 models of ffhq64_bands.py.

    The second model has the field of the first, and beside it a network that learns jumps along that field in as many
    steps (loss mean_flow). Its times are uniform, since most jumps begin where a group is all noise.
    """
    base = lab.model("bands")
    changes = ["model.jumps=True", "training.loss=mean_flow", f"training.start_from={lab.folder / 'bands'}"]
    changes += ["training.density=uniform", "training.shares=()", "training.shift=()"]
    jumping = lab.model("bands", *changes, name="few_calls")
    series, numbers, rows = {}, {}, []
    steps = [n * base.pieces for n in JUMPS[lab.scale]]
    for solver, model in (("euler", base), ("abm3", base), ("mean_flow", jumping)):
        found = [lab.evaluate(model, solver=solver, steps=n, neighbours=0) for n in steps]
        rows.append((solver, *(of_sets(one.frechet) for one in found)))
        values, errors = distances(found)
        series[solver] = np.mean(values, axis=1), errors
        numbers[solver] = [one.as_dict() for one in found]
    text = f"# Few calls\n\n{lab.about(base.config.data)}\n\n" + table(("", *(f"{n} calls" for n in steps)), rows)
    axes = {"x_label": "network calls", "y_label": "Frechet distance", "log": "xy"}
    return Report(text, {"found": numbers}, {"distances": charts.curve(steps, series, **axes)})
