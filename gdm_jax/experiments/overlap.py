"""What overlap costs: quality against what is left of the hierarchy, as the intervals of the bands overlap more.

With one band after another, a band of the data is decided by its own band of the latent and by those before it. Bands
that move together decide each other. How much is measured on samples:

* Some of the coarsest bands of the latent are fixed, and the rest varies. The perceptual variance that is left says
  how much these bands carry. The variance that is left in the fixed bands of the data themselves says how far they
  depend on what comes after.
* One band of the latent is drawn anew. The share of the change, in squares, that lies in coarser bands of the data says
  how far an edit reaches back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gdm_jax import metrics
from gdm_jax.drawing import charts
from gdm_jax.evaluation.sets import of_sets
from gdm_jax.experiments.lab import ABM3, Lab
from gdm_jax.metrics.checks import FeatureFunction
from gdm_jax.model import Model
from gdm_jax.process.process import Process
from gdm_jax.reports import Report, bands, table

__all__ = ["Hierarchy", "hierarchy", "run"]

OVERLAPS = {"paper": (0.0, 0.3, 0.6, 1.0), "small": (0.0, 0.3, 0.6, 1.0), "smoke": (0.0, 1.0)}
STEPS = {"paper": 20_000, "small": 1_200, "smoke": 12}
SETS, MEMBERS = 32, 8  # of samples that share their coarsest bands
IMAGES = {"paper": 5_000, "small": 2_048, "smoke": 128}  # real ones, to be encoded


class Hierarchy(NamedTuple):
    """What is left of the hierarchy.

    Attributes:
      perception: Share of the perceptual variance that is left when the 1, 2, ... k - 1 coarsest bands are fixed.
      open: Largest share of its variance that is left in a band of the data while it is fixed in the latent.
      reaches_back: Share of the change in coarser bands of the data when band 1, 2, ... k - 1 is drawn anew.
    """

    perception: list[float]
    open: float
    reaches_back: list[float]


def run(lab: Lab) -> Report:
    """What overlap of the bands' intervals buys, and what of the hierarchy it takes; short runs of ffhq64_bands.py."""
    steps = STEPS[lab.scale]
    quality, shares, numbers, found = [], [], {}, []
    for overlap in OVERLAPS[lab.scale]:
        changes = ("schedule.boundaries=()", f"schedule.overlap=({overlap},)", "sampling.boundaries=()", *ABM3)
        model = lab.model("bands", *changes, f"training.steps={steps}", name=f"overlap/{overlap}")
        judged, see = lab.evaluate(model), lab.judge(model).features
        kept = hierarchy(model.process, model.config.data.shape, model.decode, see)
        deviation, accuracy = _encoded(lab, model)
        given = [list(groups) for groups in model.schedule.prefixes()]
        sure = f"{judged.measures['confident'].mean:.0%}" if "confident" in judged.measures else ""
        latents = (*(f"{value:.2f}" for value in deviation), *(f"{value:.0%}" for value in accuracy))
        quality.append((overlap, of_sets(judged.frechet), sure, ", ".join(map(str, given)) or "none", *latents))
        shares.append((overlap, *(f"{share:.0%}" for share in (*kept.perception, kept.open, *kept.reaches_back))))
        numbers[str(overlap)] = {"evaluation": judged.as_dict(), **kept._asdict(), "conditional": given}
        numbers[str(overlap)] |= {"deviation": deviation.tolist(), "probe": accuracy.tolist()}
        found.append((judged.frechet.mean, kept.perception[0], kept.open, max(kept.reaches_back)))
    k = model.process.k
    text = (
        f"# What overlap costs\n\n{lab.about(model.config.data)} Each model is trained for {steps:,} steps and sampled "
        f"by abm3 with 24 calls. The latents are those of {IMAGES[lab.scale]:,} real images; a perfect model's have "
        "standard deviation 1.\n\n"
    )
    heads = ["overlap", "Frechet distance", "sure of a class", "bands that can be given"]
    heads += [*(f"deviation, band {j}" for j in range(k)), *(f"tells the class, band {j}" for j in range(k))]
    text += table(heads, quality) + (
        "\nWhat is left of the hierarchy: the share of the perceptual variance that is left with some bands fixed, the "
        "largest share of its variance that is still open in a fixed band of the data, and the share of the change by "
        "an edit of one band that lies in coarser ones.\n\n"
    )
    heads = ["overlap", *(f"left with {n} fixed" for n in range(1, k)), "still open"]
    text += table([*heads, *(f"edit of band {n}" for n in range(1, k))], shares)
    distance, left, still, back = np.transpose(found)
    series = {
        "Frechet distance, of that without overlap": distance / distance[0],
        "perceptual variance left with band 0 fixed": left,
        "variance of a fixed band still open, at most": still,
        "change in coarser bands by an edit, at most": back,
    }
    chart = charts.curve(np.asarray(OVERLAPS[lab.scale]), series, x_label="overlap", y_label="share")
    return Report(text, {"found": numbers}, {"trade": chart})


def hierarchy(process: Process, shape: Sequence[int], decode: Callable, see: FeatureFunction) -> Hierarchy:
    """What is left of the hierarchy in samples.

    Args:
      process: Process whose groups are the bands.
      shape: Shape of an image.
      decode: Function from latents `[n, *shape]` to samples like them.
      see: Features that stand for perception.
    """

    def made(fixed: list[int]) -> np.ndarray:
        """Samples `[sets, members, *shape]` that have the bands `fixed` of the latent in common in each set."""
        z = bands.sharing(process, shape, fixed, sets=SETS, members=MEMBERS)
        return decode(z.reshape(-1, *shape)).reshape(z.shape)

    def squares(x: np.ndarray) -> np.ndarray:
        """The square of U^T x, summed over each band and averaged over the samples, `[k]`."""
        x = x.reshape(-1, *shape)
        each = np.asarray(process.spread(np.eye(process.k), x))  # one for the elements of a band, `[k, *shape]`
        return (each * np.square(np.asarray(process.basis.forward(x))).mean(0)).reshape(process.k, -1).sum(1)

    def variance(x: np.ndarray) -> np.ndarray:
        return squares(x - x.mean(1, keepdims=True))

    whole = made([])
    everything, of_band = metrics.perceptual_variance(whole, see).mean, variance(whole)
    perception, still, reaches_back = [], [], []
    for band in range(1, process.k):
        x, edited = made(list(range(band))), made([band])
        perception.append(metrics.perceptual_variance(x, see).mean / everything)
        still.append((variance(x) / of_band)[:band].max())
        change = squares(edited - whole)
        reaches_back.append(float(change[:band].sum() / change.sum()))
    return Hierarchy(perception, float(max(still)), reaches_back)


def _encoded(lab: Lab, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """By band, the standard deviation of encoded images, and the accuracy of a linear probe for their class."""
    x, labels = lab.real(model, IMAGES[lab.scale])
    index = np.asarray(model.process.groups.index)
    z_bar = np.asarray(model.process.basis.forward(model.encode(x, solver="heun", steps=32, progress=lab.progress)))
    return metrics.group_normality(z_bar, index).std, metrics.probe(z_bar, labels, index).accuracy
