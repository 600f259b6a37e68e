"""Solvers: Frechet distance of samples and error of the round trip against network calls."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from gdm_jax import ode
from gdm_jax.drawing import charts
from gdm_jax.evaluation import search
from gdm_jax.evaluation.sets import of_sets
from gdm_jax.experiments.lab import Lab
from gdm_jax.model import Model
from gdm_jax.reports import Report, table

__all__ = ["run"]

CALLS = {"paper": (8, 12, 16, 24, 32, 64, 128), "small": (8, 12, 16, 24, 32, 64), "smoke": (4, 8)}
SEARCHED_CALLS = {"paper": (8, 12, 16, 24), "small": (8, 12, 16, 24), "smoke": (8,)}  # budgets that are searched
MOST = {"paper": 40, "small": 20, "smoke": 3}  # shares that a search tries
TOLERANCES = {"paper": (1e-2, 1e-3, 1e-4), "small": (1e-1, 1e-2, 1e-3), "smoke": (1e-1,)}
IMAGES = {"paper": 64, "small": 64, "smoke": 8}  # images of the round trip
ALL = ("euler", "heun", "midpoint", "ab2", "ab3", "abm3")
FIXED = {"paper": ALL, "small": ALL, "smoke": ("euler", "abm3")}
ADAPTIVE = "tsit5"
SEARCHED = 50  # the set of seeds that a search sees; reported numbers come from set 0
HEADS = ("solver", "steps", "calls", "Frechet distance", "round trip, median", "largest")


def run(lab: Lab) -> Report:
    """Distance and round trip against network calls; one model of ffhq64_bands.py.

    Each solver on equal steps at each budget of network calls, the best of them with its steps shared out by a search,
    Tsit5 to tighter and tighter tolerances, and Euler undone exactly.
    """
    model = lab.model("bands")
    real, _ = lab.real(model, IMAGES[lab.scale])
    counts = [n for n in CALLS[lab.scale] if n >= model.pieces]  # a step for every piece
    if not counts:
        raise ValueError(f"solvers: takes at most {max(CALLS[lab.scale])} groups, got {model.process.k}")
    found = [_judged(lab, model, real, solver, steps=n) for solver, n in _equal(model, FIXED[lab.scale], counts)]
    found += _searched(lab, model, real, found)
    for tolerance in TOLERANCES[lab.scale]:
        found.append(_judged(lab, model, real, ADAPTIVE, steps=None, rtol=tolerance, atol=tolerance))
    found += [_undone(model, real, steps) for steps in counts]

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
        "undoes Euler's steps one by one; its calls are those of encoding, those of sampling are Euler's. Unequal "
        "steps were found on other seeds.\n\n"
    )
    text += table(HEADS, rows) + _verdict(found)
    distances, trips = {}, {}
    for solver in (*FIXED[lab.scale], ADAPTIVE, "searched", "inverse_euler"):
        of = [one for one in found if (solver == "searched" if one["searched"] else one["solver"] == solver)]
        of.sort(key=lambda one: one["calls"])
        calls = [one["calls"] for one in of]
        if of and solver != "searched":
            trips[solver] = calls, [one["trip"]["median"] for one in of]
        if of and solver != "inverse_euler":
            distances[solver] = calls, [one["frechet"].mean for one in of]
    calls = "network calls"
    pictures = {
        "distances": charts.lines(distances, x_label=calls, y_label="Frechet distance", log="xy"),
        "round_trip": charts.lines(trips, x_label=calls, y_label="error of the round trip", log="xy"),
    }
    plain = [one | {"frechet": one["frechet"]._asdict()} if "frechet" in one else one for one in found]
    return Report(text, {"found": plain}, pictures)


def _equal(model: Model, solvers: tuple[str, ...], counts: list[int]) -> list[tuple[str, int]]:
    """Each solver with the most steps that each budget of calls allows."""
    kinds = []
    for solver in solvers:
        a_step = ode.calls(ode.SOLVERS[solver](), np.ones(1, int))
        kinds += [(solver, n // a_step) for n in counts if n // a_step >= model.pieces]
    return kinds


def _searched(lab: Lab, model: Model, real: np.ndarray, equal: list[dict]) -> list[dict]:
    """At each budget, the solver that asks once a step and is best on equal steps, with its best shares N_j."""
    k, found = model.process.k, []
    for budget in SEARCHED_CALLS[lab.scale]:
        of = [one for one in equal if one["calls"] == budget == one["total"]]
        if not of or model.pieces != k or k == 1:  # steps a group need groups that move one at a time
            continue
        solver = min(of, key=lambda one: one["frechet"].mean)["solver"]
        shares = np.full(k, budget // k) + (np.arange(k) < budget % k)

        def distance(steps: tuple[int, ...], solver: str = solver) -> float:
            some = lab.evaluate(model, sets=1, first_set=SEARCHED, neighbours=0, solver=solver, steps=steps)
            return some.frechet.mean

        best = search.share_steps(distance, shares, most=MOST[lab.scale])
        found.append(_judged(lab, model, real, solver, searched=True, steps=best.steps))
    return found


def _judged(
    lab: Lab, model: Model, real: np.ndarray, solver: str, *, searched: bool = False, steps: Any, **options: Any
) -> dict:
    """A solver's distance, calls and round trip."""
    options |= {"solver": solver, "steps": steps}
    made = lab.evaluate(model, sets=1, neighbours=0, **options)
    trip = _error_of(model.decode(model.encode(real, **options), **options), real)
    return {
        "solver": solver,
        "setting": str(steps) if steps else f"to {options['rtol']:.0e}",
        "calls": made.calls or _adaptive_calls(model, real, options),
        "total": int(np.sum(steps)) if steps else None,
        "searched": searched,
        "frechet": made.frechet,
        "trip": trip,
        "evaluation": made.as_dict(),
    }


def _verdict(found: list[dict]) -> str:
    """The best solver at each budget."""
    judged = [one for one in found if "frechet" in one and one["total"]]
    rows = []
    for budget in sorted({one["calls"] for one in judged}):
        best = min((one for one in judged if one["calls"] <= budget), key=lambda one: one["frechet"].mean)
        rows.append((f"{budget:.0f}", best["solver"], best["setting"], of_sets(best["frechet"])))
    return "\nThe best at each budget:\n\n" + table(("calls at most", "solver", "steps", "Frechet distance"), rows)


def _undone(model: Model, real: np.ndarray, steps: int) -> dict:
    """Euler's steps undone exactly, and taken again; images that could not be undone count with their error."""
    inverse = model.invert(real, steps=steps)
    again = model.decode(inverse.z, solver="euler", steps=steps)
    converged = int(np.sum(inverse.converged))
    setting = str(steps) if converged == len(real) else f"{steps} ({converged} of {len(real)} undone)"
    calls = float(np.mean(inverse.calls))
    trip = _error_of(again, real)
    return {"solver": "inverse_euler", "setting": setting, "calls": calls, "searched": False, "trip": trip}


def _error_of(again: np.ndarray, real: np.ndarray) -> dict:
    """The largest error of a pixel in each image: the median over images, and the largest."""
    error = np.abs(np.asarray(again) - real).reshape(len(real), -1).max(1)
    return {"median": float(np.median(error)), "largest": float(error.max())}


def _adaptive_calls(model: Model, real: np.ndarray, options: dict) -> float:
    """Mean calls an image of sampling with adaptive steps."""
    z = model.noise(np.arange(len(real)))
    solved = ode.solve(model.u, model.process, model.schedule, z, forward=False, **options)
    solver = ode.SOLVERS[options["solver"]]()
    return float(np.mean([ode.calls(solver, steps) for steps in np.asarray(jax.device_get(solved.steps))]))
