"""Fig. 5: one network that knows every order of nine blocks; how much does the order matter?"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from gdm_jax import drawing
from gdm_jax.drawing import charts
from gdm_jax.evaluation import Evaluation
from gdm_jax.evaluation.sets import interval
from gdm_jax.experiments.lab import Lab
from gdm_jax.model import Model
from gdm_jax.process import family
from gdm_jax.process.arrays import Integers
from gdm_jax.reports import Report, samples, table

__all__ = ["run"]

ORDERS = {"paper": 100, "small": 24, "smoke": 3}
STEPS = {"paper": 128, "small": 27, "smoke": 9}
COUNT = {"paper": 5_000, "small": 1_000, "smoke": 96}
SETS = {"paper": 3, "small": 3, "smoke": 3}
SHOWN = 3  # best and worst orders that are looked at again


def run(lab: Lab) -> Report:
    """Fig. 5: every order of nine blocks; one model of cifar10.py:blockwise.

    Random orders start from the same noise. The best and the worst are judged again on seeds that did not choose them.
    """
    model = lab.model("blockwise")
    steps, count, sets = STEPS[lab.scale], COUNT[lab.scale], SETS[lab.scale]
    orders = family.random_orders(model.process.k, ORDERS[lab.scale], seed=0)
    options = {"solver": lab.settings.solver, "steps": steps, "count": count, "neighbours": 0}

    def distance(order: Integers, **more: Any) -> Evaluation:
        return lab.evaluate(model.under(order=order), **options, **more)

    first = np.array([distance(order, sets=1).frechet.mean for order in orders])
    rank = np.argsort(first)
    shown = [*rank[:SHOWN], *rank[-SHOWN:]] if len(orders) >= 2 * SHOWN else list(rank)
    again = {i: distance(orders[i], sets=sets, first_set=1) for i in shown}

    rows = []
    for i in shown:
        mean, half = interval(again[i].frechet.sets)
        rows.append((" ".join(map(str, orders[i])), f"{first[i]:.4g}", f"{mean:.4g} ± {half:.2g}"))
    best, worst = shown[0], shown[-1]
    paired = np.subtract(again[worst].frechet.sets, again[best].frechet.sets)
    mean, half = interval(paired)
    about = lab.about(model.config.data, count=count, sets=1)
    text = (
        f"# Fig. 5: {len(orders)} orders of {model.process.k} blocks\n\n{about} The "
        f"noise is the same for every order. Sampled by {lab.settings.solver} with {steps} steps.\n\nOver the orders: "
        f"best {first.min():.4g}, median {np.median(first):.4g}, worst {first.max():.4g}. Best and worst "
        f"again, on {sets} sets of seeds that did not choose them, with 95% confidence intervals (Student's t over "
        "sets):\n\n"
    )
    text += table(("order of generation", "first set", "held-out sets"), rows)
    text += f"\nWorst less best, paired by noise: {mean:.3g} ± {half:.2g}.\n"
    names = [" ".join(map(str, orders[i])) for i in rank]
    solving = {"solver": lab.settings.solver, "steps": steps}
    ends = {"best": best, "worst": worst}
    pages = [_strip(model, orders[i], f"{word}: {orders[i]}", **solving) for word, i in ends.items()]
    numbers = {
        "orders": [list(order) for order in orders],
        "first": first.tolist(),
        "again": {str(orders[i]): again[i].as_dict() for i in shown},
        "worst_less_best": {"mean": mean, "half_width_95": half, "sets": paired.tolist()},
    }
    pictures = {
        "distances": charts.points(names, first[rank], label="Frechet distance of the first set"),
        "strips": drawing.stack(pages),
    }
    return Report(text, numbers, pictures)


def _strip(model: Model, order: Integers, title: str, **solving: Any) -> Image.Image:
    model = model.under(order=order)
    _, times, states = model.sample(4, **solving, frames=samples.frames(model))
    return samples.strip(model, times, samples.begun(model, times, states), title=title)
