"""Reports on a trained model: bits by group, and what the bands of its latent carry (Fig. 4a, Remark 4.1)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gdm_jax import keys, latent, metrics, pixels
from gdm_jax.drawing import charts
from gdm_jax.model import Model
from gdm_jax.reports.report import Report, table


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
        x = pixels.dequantise(x, keys.each(seed, "dequantise", count=len(x)), data.levels)
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
    shared = np.asarray(latent.noise(np.arange(seed, seed + sets), shape))
    free = np.asarray(latent.noise(np.arange(seed + sets, seed + sets + sets * members), shape))
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
