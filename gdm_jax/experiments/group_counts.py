"""Fig. 11, A.2: the number of groups against Frechet distance and network calls."""

from __future__ import annotations

from gdm_jax.drawing import charts
from gdm_jax.evaluation.sets import of_sets
from gdm_jax.experiments.lab import Lab
from gdm_jax.reports import Report, table

__all__ = ["run"]

GROUPS = {"paper": (1, 2, 4, 8, 16, 29), "small": (1, 2, 4, 8, 16), "smoke": (1, 4)}
CALLS = {"paper": (32, 64, 128, 256), "small": (16, 32, 64, 128), "smoke": (4, 8)}


def run(lab: Lab) -> Report:
    """Fig. 11: the number of groups; 6 models of cifar10.py.

    A model is trained for each number of right-to-left stripes, and sampled with more and more calls.
    """
    groups, calls = GROUPS[lab.scale], CALLS[lab.scale]
    found, series, rows = {}, {}, []
    for k in groups:
        variant = "vanilla" if k == 1 else "right_to_left"
        model = lab.model(variant, f"process.k={k}", name=variant if k <= 2 else f"{variant}_{k}")
        of_k = [lab.evaluate(model, solver=lab.settings.solver, steps=n, sets=1, neighbours=0) for n in calls]
        found[k] = {n: one.as_dict() for n, one in zip(calls, of_k)}
        series[f"k = {k}"] = [one.frechet.mean for one in of_k]
        rows.append((k, *(of_sets(one.frechet) for one in of_k)))
    about = lab.about(lab.config("right_to_left").data, sets=1)
    text = f"# Fig. 11: number of groups, right to left\n\n{about} Sampled by {lab.settings.solver}.\n\n"
    text += table(("k", *(f"{n} calls" for n in calls)), rows)
    axes = {"x_label": "network calls", "y_label": "Frechet distance", "log": "xy"}
    return Report(text, {"found": found}, {"distances": charts.curve(calls, series, **axes)})
