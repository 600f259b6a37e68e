"""Figs. 3, 4, 6-9: what each band of the latent carries, and what it is good for."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from gdm_jax import data, latent
from gdm_jax.drawing import charts
from gdm_jax.evaluation import Judge
from gdm_jax.experiments.lab import Lab
from gdm_jax.model import Model
from gdm_jax.reports import Report, bands, edits, table

__all__ = ["run"]

IMAGES = {"paper": 4_500, "small": 1_000, "smoke": 200}  # images encoded for normality and probes
MEMBERS = {"paper": (96, 16), "small": (48, 16), "smoke": (4, 4)}  # sets of samples, and samples a set
STEPS = {"paper": 64, "small": 32, "smoke": 4}  # steps of Heun, where images are encoded
SHOWN = 6  # images on a sheet
RECONSTRUCTED = {"paper": 256, "small": 128, "smoke": 16}


def run(lab: Lab) -> Report:
    """Figs. 3, 4, 6-9: what the bands carry; one model of ffhq64_bands.py.

    The report holds the tables of `reports.bands` and of reconstruction, and the sheets of edits.
    """
    model, scale = lab.model("bands"), lab.scale
    judge = lab.judge(model)
    x, labels = lab.real(model, IMAGES[scale])
    heun = {"solver": "heun", "steps": max(STEPS[scale], model.pieces)}
    (sets, members), shown = MEMBERS[scale], {"progress": lab.progress}
    found = bands.bands(model, x, labels, judge.features, sets=sets, members=members, encoding=heun, **shown)
    kept = _reconstruction(model, x[: RECONSTRUCTED[scale]], judge, **heun, **shown)
    seen = judge.name.split()[0]
    shape, sizes = "x".join(map(str, x.shape[1:])), ", ".join(map(str, model.process.groups.sizes))
    text = (
        f"# Figs. 3, 4, 6-9: the hierarchy of bands\n\n{model.config.data.name} at {shape}, {len(x):,} real images, "
        f"bands of {sizes} frequencies; encoded by {heun['steps']} steps of Heun, sampled as the config says; "
        f"perception by {seen} features.\n\n"
        f"{found.text}\n## Reconstruction from the lowest components, the rest zero\n\n{kept.text}"
    )
    pages, uncertain = _sheets(model, x, labels)
    if uncertain:
        text += f"\nDo not trust images {uncertain} of the sheets: Euler's steps could not be undone for them.\n"
    return Report(text, found.numbers | kept.numbers, found.pictures | kept.pictures | pages)


def _reconstruction(model: Model, x: np.ndarray, judge: Judge, **options: Any) -> Report:
    """Images decoded from their lowest components alone: how far they are from what they were (Fig. 4b)."""
    z = model.encode(x, **options)
    counts = [n for n in bands.counts(model.process.groups) if n] + [int(model.process.groups.sizes.sum())]
    rows, pixels, perceived = [], [], []
    original = judge.features(x)
    scale = np.square(original - original.mean(0)).sum(1).mean()
    for count in counts:
        made = model.decode(np.asarray(latent.keep(model.process, z, latent.lowest(model.process, count))), **options)
        pixels.append(float(np.square(made - x).mean() ** 0.5))
        perceived.append(float(np.square(judge.features(made) - original).sum(1).mean() / scale))
        rows.append((count, f"{pixels[-1]:.4f}", f"{perceived[-1]:.4f}"))
    heads = ("components", "error of a pixel, root mean square", "error of features, share of their variance")
    text = table(heads, rows)
    series = {"pixels (root mean square)": pixels, "features (share of variance)": perceived}
    axes = {"x_label": "components kept, lowest first", "y_label": "error of reconstruction", "log": "x"}
    numbers = {"reconstruction": {"components": counts, "pixels": pixels, "features": perceived}}
    return Report(text, numbers, {"reconstruction": charts.curve(counts, series, **axes)})


def _sheets(model: Model, x: np.ndarray, labels: np.ndarray) -> tuple[dict[str, Image.Image], list[int]]:
    """Figs. 3, 4b and 6-9 on real images, and the numbers of the images whose latent does not decode to them.

    Neighbours are of different classes where there are classes.
    """
    of_classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    each = -(-SHOWN // len(of_classes))
    chosen = [np.resize(of_class[data.spread(each, len(of_class))], each) for of_class in of_classes]
    source = edits.from_images(model, x[np.stack(chosen, axis=1).ravel()[:SHOWN]])

    def first(count: int) -> edits.Source:
        return source._replace(x=source.x[:count], z=source.z[:count])

    made = {
        "fig3_interpolate": edits.interpolate(model, first(2)),
        "fig4_keep": edits.keep(model, source),
        "fig6_8_traverse": edits.traverse(model, first(1), range(6)),
        "fig7_swap": edits.swap(model, source, source, [0]),
        "fig9_resample": edits.resample(model, first(2)),
    }
    return {name: edit.page for name, edit in made.items()}, source.uncertain
