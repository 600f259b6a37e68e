"""Reports on a trained model: bits by group, and what the bands of its latent carry (Fig. 4a, Remark 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from gdm_jax import charts, figures, keys, latent, likelihood, metrics, ode
from gdm_jax.likelihood import Likelihood
from gdm_jax.model import Model

PICTURED = 8  # images on a map of bits


class Report(NamedTuple):
    """Tables as Markdown, the same numbers to be kept as JSON, and pictures by name."""

    text: str
    numbers: dict
    pictures: dict[str, Image.Image]


def bits(model: Model, x, found: Likelihood, *, dequantised: bool) -> Report:
    """Likelihoods of data as a table by group and, for images, a map: dark where an element costs many bits.

    Args:
      x: `[n, *shape]`, what `found` is of.
      found: of `Model.log_likelihood`.
      dequantised: `found` is of grey levels, counted in bits a dimension; otherwise of densities, in nats.
    """
    channels = int(np.prod(x.shape[1:])) // int(model.process.groups.sizes.sum())
    sizes = model.process.groups.sizes * channels
    levels = model.config.data.levels

    def counted(log_p, elements):
        return likelihood.bits_per_dimension(log_p, elements, levels) if dequantised else log_p

    total, groups = counted(found.total, sizes.sum()), counted(found.groups, sizes)
    unit = "bits/dim" if dequantised else "nats"
    names = [*(f"group {j}" for j in range(model.process.k)), "total"]
    rows, numbers = [], {"unit": unit, "n": len(x), "levels": levels if dequantised else None}
    for name, size, values in zip(names, [*sizes, sizes.sum()], [*groups.T, total]):
        error = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
        rows.append((name, int(size), f"{values.mean():.4f}", "unknown" if error is None else f"{error:.4f}"))
        numbers[name] = {"elements": int(size), "mean": float(values.mean()), "standard_error": error}
    scale = np.log(2) * sizes.sum() if dequantised else 1.0
    known = not np.isnan(found.error).any()  # one probe of one draw does not tell
    within = float(np.mean(np.square(found.error)) ** 0.5 / scale) if known else None
    numbers["standard_error_of_one"] = within
    text = table(("", "elements", unit, "standard error"), rows)
    estimated = f"; of one, estimated to a standard error of {within:.2g}" if within else ""
    if not known:
        estimated = "; of one, an estimate of unknown error"
    text += f"\nOver {len(x)} examples{estimated}.\n"
    if not dequantised or x.ndim != 4:
        return Report(text, numbers, {})
    per_element = np.asarray(model.process.spread(groups[:PICTURED].astype(np.float32), x[:PICTURED]))
    maps = per_element.mean(-1)  # over channels, where they have groups of their own
    of = "" if model.process.basis.rank is None else ", by frequency, the lowest at the top left"
    heads = [f"{value:.2f}" for value in total[:PICTURED]]
    page = figures.heat(maps, images=x[:PICTURED], columns=len(maps), heads=heads, unit=f"{unit}{of}")
    return Report(text, numbers, {"likelihood": page})


def bands(
    model: Model, x, labels, features: Callable, *, sets: int = 24, members: int = 16, seed: int = 0, **options
) -> Report:
    """What each group of the latent carries.

    * whether encoded latents of the data are normal and independent, group by group (Remark 4.1);
    * how well a linear probe reads the class off each group;
    * how much of what one sees is still free when the lowest components are fixed (Fig. 4a): the perceptual variance
      of `sets` times `members` samples that share them.

    Args:
      x: data `[n, *shape]` in [-1, 1], n above the number of elements.
      labels: `[n]`; None, or one class alone, leaves out the probe.
      features: images -> `[n, d]`, what perception is taken to be; see `gdm_jax.metrics`.
      seed: of the samples, and of the noise where the model was trained on dequantised data.
      **options: of `Model.encode` and `Model.decode`.
    """
    labels = labels if labels is not None and len(np.unique(labels)) > 1 else None
    process, shape, data = model.process, model.config.data.shape, model.config.data
    if data.dequantise:  # the data that it was trained to encode
        x = likelihood.dequantise(x, keys.each(seed, "dequantise", count=len(x)), data.levels)
    z_bar = np.asarray(process.basis.forward(model.encode(x, **options)))
    index = np.asarray(process.groups.index)
    normal = metrics.group_normality(z_bar, index)
    numbers = {name: np.asarray(values).tolist() for name, values in normal._asdict().items()}
    heads = ["", "mean", "std", "kurtosis", "KS distance"]
    columns = [normal.mean, normal.std, normal.kurtosis, normal.ks]
    if labels is not None:
        probed = metrics.probe(z_bar, labels, index)
        numbers["probe"] = {name: np.asarray(values).tolist() for name, values in probed._asdict().items()}
        heads, columns = [*heads, "tells the class"], [*columns, probed.accuracy]
    rows = [(f"group {j}", *(f"{column[j]:.3f}" for column in columns)) for j in range(process.k)]
    text = table(heads, rows)
    if labels is not None:
        text += f"\nAll groups together tell the class of {probed.accuracy_all:.3f}; chance is {probed.chance:.3f}.\n"
    if process.k > 1 and len(x) > z_bar[0].size + 1:
        correlation = metrics.group_correlation(z_bar, index)
        numbers["group_correlation"] = correlation._asdict()
        nats, error = correlation
        text += f"\nTotal correlation between groups: {nats:.3f} nats; if independent, 0 with error {error:.3f}.\n"

    fixed = counts(process.groups)
    shared = np.asarray(ode.latents(np.arange(seed, seed + sets), shape))
    free = np.asarray(ode.latents(np.arange(seed + sets, seed + sets + sets * members), shape))
    free = free.reshape(sets, members, *shape)
    found = []
    for count in fixed:
        mask = latent.lowest(process, count)
        z = np.stack([np.asarray(latent.swap(process, f, s[None], mask)) for f, s in zip(free, shared)])
        made = model.decode(z.reshape(-1, *shape), **options).reshape(z.shape)
        found.append(metrics.perceptual_variance(made, features))
    mean, error = (np.array([getattr(one, name) for one in found]) for name in ("mean", "error"))
    numbers["perceptual_variance"] = {"fixed": fixed, "mean": mean.tolist(), "standard_error": error.tolist()}
    rows = [(count, f"{a:.4g}", f"{b:.2g}", f"{a / mean[0]:.1%}") for count, a, b in zip(fixed, mean, error)]
    text += "\n" + table(("fixed components", "perceptual variance", "standard error", "of all"), rows)
    axes = {"x_label": "components fixed, lowest first", "y_label": "perceptual variance"}
    return Report(text, numbers, {"perception": charts.curve(fixed, {"this model": (mean, error)}, **axes)})


def counts(groups) -> list[int]:
    """Numbers of components to fix: none, powers of two, and where the groups end."""
    size = int(groups.sizes.sum())
    powers = [2**n for n in range(size.bit_length()) if 2**n < size]
    return sorted({0, *powers, *np.cumsum(groups.sizes)[:-1].tolist()})


def table(heads, rows) -> str:
    """A Markdown table."""
    cells = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
