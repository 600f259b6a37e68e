"""Likelihoods of data as a table by group, and as a map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from gdm_jax import drawing, pixels
from gdm_jax.likelihood import Likelihood
from gdm_jax.model import Model
from gdm_jax.process.groups import element_counts
from gdm_jax.reports.report import Report, table

__all__ = ["bits"]

PICTURED = 8  # images on a map of bits


def bits(
    model: Model, x: Float[np.ndarray, " n *shape"], found: Likelihood, *, split: str = "", **way: Any
) -> Report:
    """Likelihoods of data as a table by group and, for images, a map: dark where an element costs many bits.

    Args:
      model: Model that computed the likelihoods.
      x: Data.
      found: Likelihoods of the data, from `Model.log_likelihood`.
      split: Split of the data set that the data are from, if they are.
      **way: How they were computed: solver, steps, probes and draws. With draws the likelihoods are bounds for grey
        levels, counted in bits a dimension; without they are densities, in nats.
    """
    dequantised = way["draws"] > 0
    sizes = element_counts(model.process.groups, x.shape[1:])
    levels = model.config.data.levels

    def counted(log_p, elements):
        return pixels.bits_per_dimension(log_p, elements, levels) if dequantised else log_p

    total, groups = counted(found.total, sizes.sum()), counted(found.groups, sizes)
    unit = "bits/dim" if dequantised else "nats"
    names = [*(f"group {j}" for j in range(model.process.k)), "total"]
    rows, numbers = [], {"unit": unit, "n": len(x), "levels": levels if dequantised else None}
    numbers |= {"split": split or None, **way}
    for name, size, values in zip(names, [*sizes, sizes.sum()], [*groups.T, total]):
        error = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
        rows.append((name, int(size), f"{values.mean():.4f}", "unknown" if error is None else f"{error:.4f}"))
        numbers[name] = {"elements": int(size), "mean": float(values.mean()), "standard_error": error}
    scale = np.log(2) * sizes.sum() if dequantised else 1.0
    known = not np.isnan(found.error).any()  # a single probe of a single draw does not tell
    within = float(np.mean(np.square(found.error)) ** 0.5 / scale) if known else None
    numbers["standard_error_of_one"] = within
    text = table(("", "elements", unit, "standard error"), rows)
    estimated = f"; the estimate for one example has a standard error of {within:.2g}" if within else ""
    if not known:
        estimated = "; the standard error of each estimate is unknown"
    text += f"\nOver {len(x)} examples{estimated}.\n"
    text += "".join(f"\n{line}\n" for line in _reading(model, numbers))
    if not dequantised or x.ndim != 4:
        return Report(text, numbers, {})
    per_element = np.asarray(model.process.spread(groups[:PICTURED].astype(np.float32), x[:PICTURED]))
    maps = per_element.mean(-1)  # over channels, where they have groups of their own
    place = "" if model.process.basis.rank is None else ", by frequency, the lowest at the top left"
    heads = [f"{value:.2f}" for value in total[:PICTURED]]
    page = drawing.heat(maps, images=x[:PICTURED], columns=len(maps), heads=heads, unit=f"{unit}{place}")
    return Report(text, numbers, {"likelihood": page})


def _reading(model: Model, numbers: dict[str, Any]) -> Iterator[str]:
    """How the numbers were made, what they are, and what is in the way of their meaning."""
    levels, steps, k = numbers["levels"], numbers["steps"], model.process.k
    traces = f"{numbers['probes']} probes a trace" if numbers["probes"] else "exact traces"
    noise = f"{numbers['draws']} draws of the noise, {levels} grey levels" if levels else "data as they are"
    yield f"Computed by {numbers['solver']}, steps {steps or 'adapted'}, {traces}, {noise}."
    yield "Standard errors are those of the mean over the examples."
    if k > 1 and levels:
        yield "A group's term is in bits for each of its own elements. The total is the mean of the terms by elements."
    elif k > 1:
        yield "The total is the sum of the terms."
    if levels and numbers["total"]["mean"] > np.log2(levels):
        yield f"The total is above {np.log2(levels):.2f} bits, those of uniform noise: the model is of no use here."
    if levels and not model.config.data.dequantise:
        yield "These bits bound nothing: the model was trained without data.dequantise, on images that have no density."
    if k > 1 and not model.config.process.strict:
        yield "The terms are conditional likelihoods only nearly: the model was trained without process.strict."
    if numbers["split"] == model.config.data.split:
        yield f"The examples are of {numbers['split']!r}, on which the model was trained."
