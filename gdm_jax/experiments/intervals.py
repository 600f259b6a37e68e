"""Table 2, A.3: intervals in training and in sampling for GDM-F, and a search for the best steps of each band."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdm_jax.drawing import charts
from gdm_jax.evaluation import Evaluation, search
from gdm_jax.evaluation.sets import distances, interval, of_sets
from gdm_jax.experiments.lab import Lab
from gdm_jax.model import Model
from gdm_jax.reports import Report, table

__all__ = ["run"]

EVEN = (0.25, 0.5, 0.75)
LATE, EARLY = (0.1, 0.2, 0.3), (0.6, 0.8, 0.9)
TRIPLES = {"paper": (LATE, EVEN, EARLY), "small": (LATE, EVEN, EARLY), "smoke": (EVEN, EARLY)}
PAPER_BEST = 17.41  # FID10K, trained with (0.6, 0.8, 0.9), sampled with (0.1, 0.2, 0.3)
STEPS = {"paper": 128, "small": 24, "smoke": 16}
BUDGET = {"paper": 32, "small": 16, "smoke": 8}
COUNT = {"paper": 5_000, "small": 1_000, "smoke": 96}  # images that the search judges steps by
MOST = {"paper": 120, "small": 80, "smoke": 6}
SEARCHED = 50  # the set of seeds that the search sees; reported numbers come from sets 0, 1, ...


def run(lab: Lab) -> Report:
    """Table 2: intervals, and a search for the best; 3 models of ffhq64_bands.py.

    A model is trained for each triple, and one with the config's shares where it has them. For the config's model the
    best N_j at a fixed budget of calls are searched.
    """
    triples, cells, rows = TRIPLES[lab.scale], {}, []
    solving = {"solver": lab.settings.solver, "steps": STEPS[lab.scale], "sets": 1, "neighbours": 0}
    models = {str(trained): _trained_with(lab, trained) for trained in triples}
    shares = lab.config("bands").training.shares
    if shares:
        models[f"shares {shares}"] = lab.model("bands")
    for trained, model in models.items():
        found = [lab.evaluate(model.under(boundaries=sampled), **solving) for sampled in triples]
        cells[trained] = {str(sampled): one.as_dict() for sampled, one in zip(triples, found)}
        rows.append((trained, *(of_sets(one.frechet) for one in found)))
    about = lab.about(lab.config("bands").data, sets=1)
    text = (
        f"# Table 2: intervals of the bands\n\n{about} Sampled by {solving['solver']} with {solving['steps']} "
        "steps. A triple holds the times where the bands' intervals meet; the highest band has the first. The paper's "
        f"best is {PAPER_BEST}, trained with (0.6, 0.8, 0.9) and sampled with (0.1, 0.2, 0.3).\n\n"
    )
    text += table(("trained with", *(f"sampled with {sampled}" for sampled in triples)), rows)
    series = {
        f"trained with {trained}": [one["frechet"]["mean"] for one in row.values()] for trained, row in cells.items()
    }
    starts = [sampled[0] for sampled in triples]
    axes = {"x_label": "length of the highest band's interval in sampling", "y_label": "Frechet distance"}
    searched, numbers = _best_steps(lab)
    chart = charts.curve(starts, series, **axes)
    return Report(text + searched, {"cells": cells, "search": numbers}, {"distances": chart})


def _trained_with(lab: Lab, boundaries: tuple[float, ...]) -> Model:
    """The model of bands whose intervals say how often each band is taught; the scale's own where it is that."""
    own = lab.config("bands")
    if own.schedule.boundaries == boundaries and not own.training.shares:
        return lab.model("bands")
    name = "_".join(["bands", *(str(round(100 * b)) for b in boundaries)])
    changes = (f"schedule.boundaries={boundaries}", "sampling.boundaries=()", "training.shares=()")
    return lab.model("bands", *changes, name=name)


def _best_steps(lab: Lab) -> tuple[str, dict]:
    """The search, and its gain over uniform steps on seeds that it has not seen."""
    model = lab.model("bands") if lab.config("bands").training.shares else _trained_with(lab, EVEN)
    model, budget = model.under(boundaries=EVEN), BUDGET[lab.scale]
    uniform = (budget // model.process.k,) * model.process.k

    def distance(steps: tuple[int, ...], **more: Any) -> Evaluation:
        return lab.evaluate(model, solver=lab.settings.solver, steps=steps, neighbours=0, **more)

    def note(steps: tuple[int, ...], value: float, best: float) -> None:
        if lab.progress:
            print(f"  steps {steps}: {value:.4f} (best {best:.4f})")

    def on_searched(steps: tuple[int, ...]) -> float:
        return distance(steps, count=COUNT[lab.scale], sets=1, first_set=SEARCHED).frechet.mean

    found = search.share_steps(on_searched, uniform, most=MOST[lab.scale], note=note)
    before, after = distance(uniform), distance(found.steps)
    values, _ = distances([before, after])
    gain, half = interval(1 - np.divide(values[1], values[0]))  # set by set, on the same noise
    meet = ", ".join(f"{b:.3f}" for b in search.boundaries(found.steps, np.asarray(model.schedule.t_start)))
    text = (
        f"\n## The best schedule of {budget} calls\n\nFound among {len(found.tried)} "
        f"on {COUNT[lab.scale]:,} samples of other seeds: steps {found.steps} of bands 0, 1, ..., or intervals that "
        f"meet at ({meet}). Uniform steps {uniform}: {of_sets(before.frechet)}; the best: "
        f"{of_sets(after.frechet)}, less by {gain:.1%} ± {half:.1%} (95%, Student's t over sets).\n"
    )
    tried = [{"steps": list(steps), "frechet": value} for steps, value in found.tried.items()]
    ends = {"uniform": before.as_dict(), "best": after.as_dict()}
    return text, {"steps": found.steps, **ends, "gain": [gain, half], "tried": tried}
