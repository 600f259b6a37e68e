"""Fig. 10: a network that sees pixels against one that sees coefficients, for the same bands."""

from __future__ import annotations

import numpy as np

from gdm_jax import drawing
from gdm_jax.drawing import charts
from gdm_jax.evaluation.sets import distances, of_sets
from gdm_jax.experiments.lab import Lab
from gdm_jax.reports import Report, table

__all__ = ["run"]

CALLS = {"paper": (32, 64, 128), "small": (16, 32, 64), "smoke": (8, 16)}


def run(lab: Lab) -> Report:
    """Fig. 10: pixels or coefficients to the network; 2 models of ffhq64_bands.py.

    GDM-F is trained twice, with u in pixel space and in the frequency domain.
    """
    calls = CALLS[lab.scale]
    models = {
        "pixels": lab.model("bands", "model.space=pixels"),
        "coefficients": lab.model("bands", "model.space=frequency", name="bands_frequency"),
    }
    found = {
        name: [lab.evaluate(model, solver=lab.settings.solver, steps=n, neighbours=0) for n in calls]
        for name, model in models.items()
    }
    about = lab.about(models["pixels"].config.data)
    text = f"# Fig. 10: what the network sees\n\n{about} Sampled by {lab.settings.solver}.\n\n"
    rows = [(name, *(of_sets(one.frechet) for one in of)) for name, of in found.items()]
    text += table(("network on", *(f"{n} calls" for n in calls)), rows)
    series = {}
    for name, of in found.items():
        values, errors = distances(of)
        series[name] = np.mean(values, axis=1), errors
    samples = {name: model.sample(12, solver=lab.settings.solver, steps=calls[-1]) for name, model in models.items()}
    pages = [drawing.grid(x, columns=12, title=f"network on {name}") for name, x in samples.items()]
    axes = {"x_label": "network calls", "y_label": "Frechet distance", "log": "x"}
    pictures = {"distances": charts.curve(calls, series, **axes), "samples": drawing.stack(pages)}
    numbers = {name: [one.as_dict() for one in of] for name, of in found.items()}
    return Report(text, {"found": numbers}, pictures)
