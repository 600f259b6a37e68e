"""The pictures of a trained model: samples, generation from coarse to fine, reconstructions, mixed bands."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from gdm_jax import data, drawing, latent
from gdm_jax.model import Model
from gdm_jax.ode.inversion import Inversion
from gdm_jax.process.schedule import Schedule

__all__ = ["begun", "compare", "frames", "moment", "strip", "write"]

PAIRS = 8


def moment(schedule: Schedule, progress: float | int) -> str:
    """Which groups generation is in at `progress` in [0, 1], e.g. "1: 50%" for half-way through group 1."""
    alpha = np.asarray(schedule.alpha(1 - progress))
    active = [j for j in range(len(alpha)) if 0 < alpha[j] < 1]
    if active:
        return " ".join(f"{j}: {alpha[j]:.0%}" for j in active[:2])
    return "noise" if progress <= 0 else "data" if progress >= 1 else f"{(alpha == 1).sum()} done"


def write(model: Model, folder: str | os.PathLike, *, progress: bool = False, **options: Any) -> list[str]:
    """Write every picture that fits the model's data into `folder`.

    Args:
      model: Model of images, or of points on the plane.
      folder: Folder for the files; made if missing.
      progress: Whether bars are shown.
      **options: Options of `Model.decode`.

    Returns:
      One line for each file: its name and what it shows.
    """
    folder, options = pathlib.Path(folder), {"progress": progress, **options}
    if len(model.config.data.shape) != 3:
        drawing.save(drawing.cloud(model.sample(8192, **options), side=384), folder / "samples.png")
        return ["samples.png: 8,192 samples"]
    source = data.open_source(model.config.data, write=False)  # before the long part
    real, _ = data.examples(source, data.spread(64, len(source)))
    lines = _samples(model, folder, options)
    z = model.invert(real, progress=options["progress"])
    options |= {"solver": "euler", "steps": model.inverse_steps}  # with which these latents decode to the images
    lines += _reconstruction(model, folder, real, z, options)
    if model.process.k > 1:
        lines += _mixing(model, folder, real, np.asarray(z.z), options)
    return lines


def _samples(model: Model, folder: pathlib.Path, options: dict[str, Any]) -> list[str]:
    """A grid of samples; a strip and a film of how they come about, without the noise of groups not begun."""
    x, times, states = model.sample(64, frames=frames(model), **options)
    states = begun(model, times, states)
    drawing.save(drawing.grid(x), folder / "samples.png")
    drawing.save(strip(model, times, states[:, :8]), folder / "strip.png")
    drawing.film(states, folder / "film.gif", captions=[moment(model.schedule, 1 - t) for t in times])
    return [
        "samples.png: 64 samples",
        "strip.png: eight samples from noise to data; '1: 33%' is a third of the way through group 1",
        "film.gif: the 64 samples coming about",
    ]


def compare(
    models: Sequence[Model], names: Sequence[str], folder: str | os.PathLike, **options: Any
) -> list[str]:
    """How samples from the same seeds come about in some models of one data shape, side by side (Fig. 2).

    Args:
      models: Two models or more.
      names: Names of the models, for the titles.
      folder: Folder for the files; made if missing.
      **options: Options of `Model.decode`.
    """
    folder = pathlib.Path(folder)
    if len({model.config.data.shape for model in models}) > 1 or any(
        len(model.config.data.shape) != 3 for model in models
    ):
        raise ValueError("figures: models to be compared must be of images of one shape")
    films, pages = [], []
    for name, model in zip(names, models):
        _, times, states = model.sample(16, frames=frames(model), **options)
        states = begun(model, times, states)
        films.append(states)
        pages.append(strip(model, times, states[:, :4], title=name))
    drawing.save(drawing.stack(pages), folder / "strips.png")
    drawing.film(films, folder / "films.gif", titles=names)
    return ["strips.png: four samples of each from noise to data", "films.gif: sixteen of each coming about"]


def strip(
    model: Model, times: Float[np.ndarray, " times"], states: Float[np.ndarray, " times n *shape"], title: str = ""
) -> Image.Image:
    """Samples `[times, n, *shape]` from noise to data, a row each, under what is being generated."""
    chosen = np.linspace(0, len(states) - 1, 13).astype(int)
    moments = [moment(model.schedule, 1 - t) for t in times[chosen]]
    cells = states[chosen].swapaxes(0, 1).reshape(-1, *states.shape[2:])
    return drawing.grid(cells, columns=len(chosen), heads=moments, title=title)


def frames(model: Model) -> int:
    """Number of frames for each group that makes a film of about two dozen frames."""
    return max(2, 24 // model.process.k)


def begun(
    model: Model, times: Float[np.ndarray, " times"], states: Float[np.ndarray, " times n *shape"]
) -> Float[np.ndarray, " times n *shape"]:
    """States `[times, n, *shape]` with groups not begun set to zero, mid-grey in pixels; the first is always shown."""
    t_end = np.asarray(model.schedule.t_end)
    visible = np.asarray(model.schedule.visible(times + 1e-6)) | (t_end == t_end.max())
    return np.stack([model.process.diagonal(v.astype(np.float32), x) for v, x in zip(visible, states)])


def _reconstruction(
    model: Model, folder: pathlib.Path, real: np.ndarray, inversion: Inversion, options: dict[str, Any]
) -> list[str]:
    """Real images, what their latents decode to, and the difference."""
    again = model.decode(inversion.z, **options)
    error = np.abs(again - real).reshape(len(real), -1).max(1)
    converged = np.asarray(inversion.converged)
    rows = np.stack([real[:12], again[:12], 1000 * (again - real)[:12]]).reshape(-1, *real.shape[1:])
    page = drawing.grid(rows, columns=12, rows=["real", "decoded", "difference x1000"])
    drawing.save(page, folder / "reconstruction.png")
    worst = f"{error[converged].max():.1e}" if converged.any() else "none"
    return [
        f"reconstruction.png: real images encoded and decoded again; {converged.sum()} of {len(real)} inverted, "
        f"largest error of a pixel among them {worst} (range 2)"
    ]


def _mixing(
    model: Model, folder: pathlib.Path, real: np.ndarray, z: np.ndarray, options: dict[str, Any]
) -> list[str]:
    """Pairs of real images with groups 0..j of the first and the rest of the second."""
    k = model.process.k
    a, b = slice(0, None, len(z) // PAIRS), slice(len(z) // PAIRS // 2, None, len(z) // PAIRS)
    first, second = z[a][:PAIRS], z[b][:PAIRS]
    mixed = [np.asarray(latent.swap(model.process, second, first, range(j + 1))) for j in range(k - 1)]
    decoded = model.decode(np.concatenate(mixed), **options)
    columns = [real[b][:PAIRS], *np.split(decoded, k - 1), real[a][:PAIRS]]
    page = drawing.grid(
        np.stack(columns, axis=1).reshape(-1, *real.shape[1:]),
        columns=k + 1,
        heads=["B", *(f"A: 0-{j}" if j else "A: 0" for j in range(k - 1)), "A"],
    )
    drawing.save(page, folder / "mixing.png")
    return ["mixing.png: real B and A at the sides; between them B with more and more of A's groups, coarsest first"]
