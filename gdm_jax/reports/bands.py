"""Reports on a trained model: bits by group, and what the bands of its latent carry (Fig. 4a, Remark 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from gdm_jax import keys, latent, metrics, pixels
from gdm_jax.drawing import charts
from gdm_jax.model import Model
from gdm_jax.process.groups import Groups
from gdm_jax.process.process import Process
from gdm_jax.reports.report import Report, table

__all__ = ["bands", "counts", "sharing"]


def bands(
    model: Model,
    x: Float[np.ndarray, " n *shape"],
    labels: Int[np.ndarray, " n"] | None,
    features: Callable,
    *,
    sets: int = 24,
    members: int = 16,
    seed: int = 0,
    encoding: Mapping[str, Any] | None = None,
    **options: Any,
) -> Report:
    """What each group of the latent carries.

    * Remark 4.1: whether encoded latents of the data are normal and independent, group by group.
    * How well a linear probe reads the class off each group.
    * Fig. 4a: how much of what one sees is still free when the lowest components are fixed. It is measured as the
      perceptual variance of samples that share these components.

    Args:
      model: Model of images.
      x: Data in [-1, 1], more examples than elements.
      labels: Classes of the data. None, or one class alone, leaves out the probe.
      features: Function images -> `[n, dim]` that stands for perception; see `gdm_jax.metrics`.
      sets: Number of sets of samples that share their lowest components.
      members: Number of samples in a set.
      seed: Seed of the samples, and of the noise where the model was trained on dequantised data.
      encoding: Further options of `Model.encode` alone.
      **options: Options of `Model.encode` and `Model.decode`, each of which has its own default solver and steps.
    """
    labels = labels if labels is not None and len(np.unique(labels)) > 1 else None
    process, shape, data = model.process, model.config.data.shape, model.config.data
    if data.dequantise:  # the model was trained to encode such data
        x = np.asarray(pixels.dequantise(x, keys.each(seed, "dequantise", count=len(x)), data.levels))
    z_bar = np.asarray(process.basis.forward(model.encode(x, **options, **(encoding or {}))))
    index = np.asarray(process.groups.index)
    normal = metrics.group_normality(z_bar, index)
    numbers = {name: np.asarray(values).tolist() for name, values in normal._asdict().items()}
    heads, told = ["", "mean", "std", "kurtosis", "KS distance"], ""
    columns = [normal.mean, normal.std, normal.kurtosis, normal.ks]
    if labels is not None:
        probed = metrics.probe(z_bar, labels, index)
        numbers["probe"] = {name: np.asarray(values).tolist() for name, values in probed._asdict().items()}
        heads, columns = [*heads, "tells the class"], [*columns, probed.accuracy]
        told = f"\nAll groups together tell the class of {probed.accuracy_all:.3f}; chance is {probed.chance:.3f}.\n"
    rows = [(f"group {j}", *(f"{column[j]:.3f}" for column in columns)) for j in range(process.k)]
    text = table(heads, rows) + told
    if process.k > 1 and len(x) > z_bar[0].size + 1:
        correlation = metrics.group_correlation(z_bar, index)
        numbers["group_correlation"] = correlation._asdict()
        nats, error = correlation
        text += f"\nTotal correlation between groups: {nats:.3f} nats; if independent, 0 with error {error:.3f}.\n"

    fixed = counts(process.groups)
    found = []
    for count in fixed:
        z = sharing(process, shape, latent.lowest(process, count), sets=sets, members=members, seed=seed)
        made = model.decode(z.reshape(-1, *shape), **options).reshape(z.shape)
        found.append(metrics.perceptual_variance(made, features))
    mean, error = (np.array([getattr(one, name) for one in found]) for name in ("mean", "error"))
    numbers["perceptual_variance"] = {"fixed": fixed, "mean": mean.tolist(), "standard_error": error.tolist()}
    rows = [(count, f"{a:.4g}", f"{b:.2g}", f"{a / mean[0]:.1%}") for count, a, b in zip(fixed, mean, error)]
    text += "\n" + table(("fixed components", "perceptual variance", "standard error", "of all"), rows)
    axes = {"x_label": "components fixed, lowest first", "y_label": "perceptual variance"}
    return Report(text, numbers, {"perception": charts.curve(fixed, {"this model": (mean, error)}, **axes)})


def sharing(
    process: Process, shape: Sequence[int], chosen: Any, *, sets: int, members: int, seed: int = 0
) -> np.ndarray:
    """Latents `[sets, members, *shape]`: those of a set share the chosen elements and differ in all others.

    Args:
      process: Process whose basis and groups count.
      shape: Shape of a datum.
      chosen: Groups or a mask, as in `gdm_jax.latent`.
      sets, members: Number of sets, and of latents in each.
      seed: Seed of the first latent. What is not chosen is the same whatever is.
    """
    shared = np.asarray(latent.noise(np.arange(seed, seed + sets), shape))
    free = np.asarray(latent.noise(np.arange(seed + sets, seed + sets + sets * members), shape))
    free = free.reshape(sets, members, *shape)
    return np.stack([np.asarray(latent.swap(process, f, s[None], chosen)) for f, s in zip(free, shared)])


def counts(groups: Groups) -> list[int]:
    """Numbers of components to fix: none, powers of two, and where the groups end."""
    size = int(groups.sizes.sum())
    powers = [2**n for n in range(size.bit_length()) if 2**n < size]
    return sorted({0, *powers, *np.cumsum(groups.sizes)[:-1].tolist()})
