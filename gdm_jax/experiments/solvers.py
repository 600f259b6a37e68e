"""Solvers: Frechet distance of samples and error of the round trip against network calls."""

from __future__ import annotations

import jax
import numpy as np

from gdm_jax import data, latent, ode
from gdm_jax.drawing import charts
from gdm_jax.evaluation.sets import of_sets
from gdm_jax.experiments.lab import Lab
from gdm_jax.model import Model
from gdm_jax.reports import Report, table

__all__ = ["run"]

STEPS = {"paper": (8, 16, 32, 64, 128), "small": (8, 16, 32, 64, 128), "smoke": (4, 8)}
TOLERANCES = {"paper": (1e-2, 1e-3, 1e-4), "small": (1e-1, 1e-2, 1e-3), "smoke": (1e-1,)}
IMAGES = {"paper": 64, "small": 64, "smoke": 8}  # images of the round trip
FIXED = {"paper": ("euler", "heun"), "small": ("euler", "heun"), "smoke": ("euler",)}
ADAPTIVE = "tsit5"


def run(lab: Lab) -> Report:
    """Distance and round trip against network calls; one model of ffhq64_bands.py.

    Euler and Heun take more and more steps, Tsit5 steps to tighter tolerances, and Euler is undone exactly.
    """
    model = lab.model("bands")
    source = data.open_source(model.config.data, write=not lab.workdir)
    real, _ = data.examples(source, data.spread(IMAGES[lab.scale], len(source)))
    counts = [n for n in STEPS[lab.scale] if n >= model.process.k]  # a step for every group
    if not counts:
        raise ValueError(f"solvers: takes at most {max(STEPS[lab.scale])} groups, got {model.process.k}")
    kinds = [(solver, n, {"solver": solver, "steps": n}) for solver in FIXED[lab.scale] for n in counts]
    kinds += [
        (ADAPTIVE, f"to {tolerance:.0e}", {"solver": ADAPTIVE, "steps": None, "rtol": tolerance, "atol": tolerance})
        for tolerance in TOLERANCES[lab.scale]
    ]
    found = []
    for solver, setting, options in kinds:
        made = lab.evaluate(model, sets=1, neighbours=0, **options)
        trip = _error_of(model.decode(model.encode(real, **options), **options), real)
        calls = made.calls or _adaptive_calls(model, real, options)
        one = {"solver": solver, "setting": setting, "calls": calls}
        found.append(one | {"frechet": made.frechet, "trip": trip, "evaluation": made.as_dict()})
    for steps in counts:
        found.append(_undone(model, real, steps))

    rows = [
        (
            one["solver"],
            one["setting"],
            f"{one['calls']:.0f}",
            of_sets(one["frechet"]) if "frechet" in one else "as euler",
            f"{one['trip']['median']:.1e}",
            f"{one['trip']['largest']:.1e}",
        )
        for one in found
    ]
    about = lab.about(model.config.data, sets=1)
    text = (
        f"# Solvers\n\n{about} Round trip: {len(real)} real images encoded and decoded by the "
        "same solver, the largest error of a pixel (range 2), its median over images and the largest. inverse_euler "
        "undoes Euler's steps one by one; its calls are those of encoding, those of sampling are Euler's.\n\n"
    )
    heads = ("solver", "steps", "calls", "Frechet distance", "round trip, median", "largest")
    text += table(heads, rows)
    distances, trips = {}, {}
    for solver in (*FIXED[lab.scale], ADAPTIVE, "inverse_euler"):
        of = [one for one in found if one["solver"] == solver]
        calls = [one["calls"] for one in of]
        trips[solver] = calls, [one["trip"]["median"] for one in of]
        if solver != "inverse_euler":
            distances[solver] = calls, [one["frechet"].mean for one in of]
    calls = "network calls"
    pictures = {
        "distances": charts.lines(distances, x_label=calls, y_label="Frechet distance", log="x"),
        "round_trip": charts.lines(trips, x_label=calls, y_label="error of the round trip", log="xy"),
    }
    plain = [one | {"frechet": one["frechet"]._asdict()} if "frechet" in one else one for one in found]
    return Report(text, {"found": plain}, pictures)


def _undone(model: Model, real: np.ndarray, steps: int) -> dict:
    """Euler's steps undone exactly, and taken again; images that could not be undone count with their error."""
    inverse = model.invert(real, steps=steps)
    again = model.decode(inverse.z, solver="euler", steps=steps)
    converged = int(np.sum(inverse.converged))
    setting = str(steps) if converged == len(real) else f"{steps} ({converged} of {len(real)} undone)"
    calls = float(np.mean(inverse.calls))
    return {"solver": "inverse_euler", "setting": setting, "calls": calls, "trip": _error_of(again, real)}


def _error_of(again: np.ndarray, real: np.ndarray) -> dict:
    """The largest error of a pixel in each image: the median over images, and the largest."""
    error = np.abs(np.asarray(again) - real).reshape(len(real), -1).max(1)
    return {"median": float(np.median(error)), "largest": float(error.max())}


def _adaptive_calls(model: Model, real: np.ndarray, options: dict) -> float:
    """Mean calls an image of sampling with adaptive steps."""
    z = latent.noise(np.arange(len(real)), model.config.data.shape)
    solved = ode.solve(model.u, model.process, model.schedule, z, forward=False, **options)
    solver = ode.SOLVERS[options["solver"]]()
    return float(np.mean([ode.calls(solver, steps) for steps in np.asarray(jax.device_get(solved.steps))]))
