"""Few network calls: a network that knows the mean of its field over a jump, beside a multistep solver."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdm_jax import data
from gdm_jax.drawing import charts
from gdm_jax.evaluation.sets import distances, of_sets
from gdm_jax.experiments.lab import Lab
from gdm_jax.metrics import group_normality
from gdm_jax.model import Model
from gdm_jax.reports import Report, table

__all__ = ["run"]

JUMPS = {"paper": (1, 2, 4), "small": (1, 2, 3, 4), "smoke": (1, 2)}  # calls a piece of the path
IMAGES = {"paper": 512, "small": 512, "smoke": 16}  # real images of the round trip, of latents and of likelihoods
PROBES = {"paper": 4, "small": 4, "smoke": 1}
FINE = {"paper": 64, "small": 64, "smoke": 8}  # steps of Heun that encode


def run(lab: Lab) -> Report:
    """Distance at few calls, with jumps and without; 2 models of ffhq64_bands.py.

    The second model begins with the parameters of the first and learns jumps in as many steps (loss mean_flow). The
    report also says whether its field still encodes and decodes as before.
    """
    base = lab.model("bands")
    changes = ("model.jumps=True", "training.loss=mean_flow", f"training.start_from={lab.folder / 'bands'}")
    model = lab.model("bands", *changes, name="few_calls")
    rows: list[tuple] = []
    series, numbers = {}, {}
    calls = [n * base.pieces for n in JUMPS[lab.scale]]
    kinds = (("before, abm3", base), ("after, abm3", model), ("after, mean_flow", model))
    for name, of in kinds:
        solver = name.split()[-1]
        found = [lab.evaluate(of, solver=solver, steps=n, neighbours=0) for n in calls]
        rows.append((name, *(of_sets(one.frechet) for one in found)))
        values, errors = distances(found)
        series[name] = np.mean(values, axis=1), errors
        numbers[name] = [one.as_dict() for one in found]
    text = f"# Few calls\n\n{lab.about(base.config.data)}\n\n" + table(("", *(f"{n} calls" for n in calls)), rows)
    axes = {"x_label": "network calls", "y_label": "Frechet distance", "log": "xy"}
    kept, fields = _fields(lab, base, model)
    return Report(text + kept, {"found": numbers, "fields": fields}, {"distances": charts.curve(calls, series, **axes)})


def _fields(lab: Lab, base: Model, model: Model) -> tuple[str, dict]:
    """What both fields do on the same real images: round trip, latents by group, likelihood."""
    source = data.open_source(base.config.data)
    x, _ = data.examples(source, data.spread(IMAGES[lab.scale], len(source)))
    options: dict[str, Any] = {"solver": "heun", "steps": max(FINE[lab.scale], base.pieces)}
    rows, numbers = [], {}
    for name, of in (("before", base), ("after", model)):
        z = of.encode(x, **options)
        trip = np.abs(of.decode(z, **options) - x).reshape(len(x), -1).max(1)
        z_bar = np.asarray(of.process.basis.forward(z))
        normal = group_normality(z_bar, of.process.groups.index)
        density = of.log_likelihood(x, probes=PROBES[lab.scale], **options).total / x[0].size
        error = float(density.std(ddof=1) / len(x) ** 0.5)
        numbers[name] = {
            "trip": float(np.median(trip)),
            "mean": np.asarray(normal.mean).tolist(),
            "deviation": np.asarray(normal.std).tolist(),
            "nats": [float(density.mean()), error],
        }
        deviations = ", ".join(f"{value:.3f}" for value in numbers[name]["deviation"])
        means = ", ".join(f"{value:.3f}" for value in numbers[name]["mean"])
        nats = f"{density.mean():.3f} ± {error:.3f}"
        rows.append((name, f"{numbers[name]['trip']:.1e}", means, deviations, nats))
    heads = ("field", "round trip, median", "latents: mean by group", "deviation by group", "log p(x), nats an element")
    about = f"\n## The field itself\n\n{len(x)} real images by Heun with {options['steps']} steps.\n\n"
    return about + table(heads, rows), numbers
