"""Labelled figures of what the latent is for, laid out as the paper's  (Sec. 4.2-4.5): Figs. 3, 4b, 6, 7, 8, 9.

Every function takes a model and a `Source`, images with the latents they come back from, edits the latents by
`gdm_jax.latent` or fills by `gdm_jax.conditional`, and returns a picture and its images as an array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from gdm_jax import drawing, keys, latent
from gdm_jax.model import Model
from gdm_jax.process.groups import check_groups


class Source(NamedTuple):
    """Images and the latents that decode to them.

    Attributes:
      x: `[n, *shape]` in [-1, 1].
      z: `[n, *shape]`.
      options: of `Model.decode`, with which z decodes to x.
      uncertain: numbers of the images whose latent does not decode to them.
    """

    x: np.ndarray
    z: np.ndarray
    options: dict
    uncertain: list[int]


class Edit(NamedTuple):
    """A labelled picture, and the images in it that were made, `[..., *shape]`."""

    page: Image.Image
    x: np.ndarray


def from_images(model: Model, x, *, solver=None, steps=None, label=None, **options) -> Source:
    """Real images, encoded so that they come back: by undoing Euler's steps, or by another solver's encode.

    Args:
      x: `[n, *shape]` in [-1, 1].
      solver, steps, **options: of `Model.encode`; without a solver, `Model.invert`.
      label: as `Model.encode`.
    """
    x = np.asarray(x, np.float32)
    if solver not in (None, "euler", "inverse_euler"):
        options = {**options, "solver": solver, "steps": steps, "label": label}
        return Source(x, model.encode(x, **options), options, [])
    steps = steps or model.inverse_steps
    shared = {name: options[name] for name in ("progress", "batch", "guidance") if name in options}
    found = model.invert(x, steps=steps, label=label, **shared)
    options = {**options, "solver": "euler", "steps": steps, "label": label}
    return Source(x, found.z, options, np.flatnonzero(~found.converged).tolist())


def from_seeds(model: Model, seeds: Sequence[int], **options) -> Source:
    """Samples, one from each seed. **options: of `Model.decode`."""
    z = np.asarray(latent.noise(seeds, model.config.data.shape))
    return Source(model.decode(z, **options), z, options, [])


def swap(model: Model, source: Source, donors: Source, groups: Sequence[int]) -> Edit:
    """A matrix: the image of each row with groups of the donor of each column (Fig. 7); x is `[n, donors, *shape]`."""
    groups = _some(model, groups)
    n, m, shape = len(source.z), len(donors.z), source.x.shape[1:]
    rows, columns = np.repeat(source.z, m, axis=0), np.tile(donors.z, (n,) + (1,) * len(shape))
    x = _decode(model, latent.swap(model.process, rows, columns, groups), source).reshape(n, m, *shape)
    blank = np.ones((1, *shape), np.float32)
    corner = np.concatenate([blank, donors.x])[None]
    cells = np.concatenate([corner, np.concatenate([source.x[:, None], x], axis=1)])
    page = drawing.grid(
        cells.reshape(-1, *shape),
        columns=m + 1,
        heads=["", *(f"donor {i}" for i in range(m))],
        rows=["", *(f"image {i}" for i in range(n))],
        title=f"{_named(groups)} from the donor, the rest from the image",
        gaps=[0],
    )
    return Edit(page, x)


def interpolate(
    model: Model, source: Source, *, groups: Sequence[int] | None = None, count: int = 7, spherical: bool = True
) -> Edit:
    """From the first image to the second, one group a row with the others fixed, then all (Fig. 3).

    Args:
      source: of two images or more; every two neighbours make a block of rows.
      groups: one row that moves these alone instead.
      count: steps from one to the other.

    Returns:
      x is `[pairs, rows, count, *shape]`.
    """
    if len(source.z) < 2 or count < 2:
        raise ValueError(f"interpolate: needs two images and two steps, got {len(source.z)} and {count}")
    every = list(range(model.process.k))
    rows = [_some(model, groups, whole=True)] if groups else [*([j] for j in every if len(every) > 1), every]
    weights = np.linspace(0, 1, count)
    pages, made = [], []
    for i in range(len(source.z) - 1):
        a, b = source.z[i : i + 1], source.z[i + 1 : i + 2]
        z = [latent.interpolate(model.process, a, b, row, weights, spherical=spherical) for row in rows]
        x = _decode(model, np.concatenate(z)[:, 0], _one(source, i)).reshape(len(rows), count, *a.shape[1:])
        pages.append(
            drawing.grid(
                x.reshape(-1, *a.shape[1:]),
                columns=count,
                rows=[_named(row) if row != every else "all groups" for row in rows],
                heads=[f"{w:.0%}" for w in weights],
                title=f"image {i} to image {i + 1}",
            )
        )
        made.append(x)
    return Edit(drawing.stack(pages), np.stack(made))


def traverse(
    model: Model, source: Source, elements: Sequence[int], *, channel: int | None = None, count: int = 7, extent=3.0
) -> Edit:
    """One element of the latent from -extent to extent, a row an element, a block an image (Figs. 6, 8).

    Returns:
      x is `[n, elements, count, *shape]`.
    """
    if not len(elements) or count < 2:
        raise ValueError(f"traverse: needs an element and two values, got {list(elements)} and {count}")
    values = np.linspace(-extent, extent, count)
    pages, made = [], []
    for i in range(len(source.z)):
        z = source.z[i : i + 1]
        moved = [latent.traverse(model.process, z, int(e), values, channel=channel)[:, 0] for e in elements]
        x = _decode(model, np.concatenate(moved), _one(source, i)).reshape(len(elements), count, *z.shape[1:])
        pages.append(
            drawing.grid(
                x.reshape(-1, *z.shape[1:]),
                columns=count,
                rows=[f"element {e}" for e in elements],
                heads=[f"{v:+.1f}" for v in values],
                title=f"image {i}",
            )
        )
        made.append(x)
    return Edit(drawing.stack(pages), np.stack(made))


def resample(model: Model, source: Source, *, keep: Sequence[int] | None = None, count: int = 4, seed: int = 0) -> Edit:
    """Each image with the groups not kept drawn anew, `count` times (Fig. 9).

    Args:
      keep: groups kept; None for a block of pictures for each prefix of the order of generation.

    Returns:
      x is `[keeps, n, count, *shape]`.
    """
    _count(count)
    if keep is None and not model.schedule.prefixes():
        raise ValueError("groups: no group of this model is finished before another begins; name those to keep")
    pages, made = [], []
    for kept in _keeps(model, keep)[: -1 if keep is None else None]:
        key = keys.root(seed, "resample")
        z = np.asarray(latent.resample(model.process, source.z, kept, key, count=count))
        x = _decode_each(model, z.swapaxes(0, 1), source)
        heads = [f"draw {n}" for n in range(count)]
        pages.append(_beside_source(source, x, heads, f"{_named(kept)} kept, others drawn"))
        made.append(x)
    return Edit(drawing.stack(pages), np.stack(made))


def keep(model: Model, source: Source, *, groups: Sequence[int] | None = None, seed: int | None = None) -> Edit:
    """Each image from a part of its latent, the rest zero, or noise if a seed is given (Fig. 4b).

    Args:
      groups: those kept; None for a column for each prefix of the order of generation, and all.

    Returns:
      x is `[n, keeps, *shape]`.
    """
    keeps = _keeps(model, groups)
    if seed is None:
        z = [latent.keep(model.process, source.z, kept) for kept in keeps]
    else:
        key = keys.root(seed, "resample")
        z = [latent.resample(model.process, source.z, kept, key)[0] for kept in keeps]
    x = _decode_each(model, np.stack([np.asarray(one) for one in z], axis=1), source)
    heads, rest = [_named(kept) for kept in keeps], "zero" if seed is None else "noise"
    return Edit(_beside_source(source, x, heads, f"kept from the latent, the rest {rest}"), x)


def fill(model: Model, source: Source, groups: Sequence[int], *, count: int = 6, seeds=None, **options) -> Edit:
    """Each image with the groups not kept generated given those kept, `count` times.

    Args:
      groups: kept as they are in the image, not in its latent.
      seeds: `[count]` of the noise.
      **options: of `Model.fill`.

    Returns:
      x is `[n, count, *shape]`.
    """
    _count(count)
    seeds = list(range(count)) if seeds is None else list(seeds)
    n, shape = source.x.shape[0], source.x.shape[1:]
    known = np.asarray(latent.keep(model.process, source.x, groups))
    repeated = np.repeat(source.x, len(seeds), axis=0)
    label = options.pop("label", None)
    if np.ndim(label):
        label = np.repeat(label, len(seeds))
    x = model.fill(repeated, groups, seeds=np.tile(seeds, n), label=label, **options).reshape(n, len(seeds), *shape)
    cells = np.concatenate([source.x[:, None], known[:, None], x], axis=1)
    page = drawing.grid(
        cells.reshape(-1, *shape),
        columns=len(seeds) + 2,
        heads=["image", "given", *(f"seed {seed}" for seed in seeds)],
        rows=[f"image {i}" for i in range(n)],
        title=f"{_named(groups)} given, the rest generated",
        gaps=[1],
    )
    return Edit(page, x)


def _count(count: int) -> None:
    if count < 1:
        raise ValueError(f"count: must be at least 1, got {count}")


def _keeps(model: Model, groups) -> list[list[int]]:
    """The one set asked for, or every prefix of the order of generation and the whole."""
    if groups is not None:
        return [_some(model, groups, whole=True)]
    return [*map(list, model.schedule.prefixes()), list(range(model.process.k))]


def _some(model: Model, groups, whole: bool = False) -> list[int]:
    groups = check_groups(groups, model.process.k)
    if not groups or (len(groups) == model.process.k and not whole):
        raise ValueError(f"groups: name at least one of {model.process.k}, and not all, for there to be an edit")
    return groups


def _decode(model: Model, z, source: Source) -> np.ndarray:
    """Decoded as the source is; its labels, one an image, are repeated in turn."""
    options = dict(source.options)
    label = options.get("label")
    if np.ndim(label) and len(label) != len(z):
        options["label"] = np.repeat(label, len(z) // len(label))
    return model.decode(np.asarray(z), **options)


def _decode_each(model: Model, z, source: Source) -> np.ndarray:
    """z `[n, m, *shape]`, m latents for each image of the source, decoded."""
    return _decode(model, z.reshape(-1, *z.shape[2:]), source).reshape(z.shape)


def _one(source: Source, i: int) -> Source:
    label = source.options.get("label")
    options = {**source.options, "label": int(label[i]) if np.ndim(label) else label}
    return Source(source.x[i : i + 1], source.z[i : i + 1], options, [])


def _beside_source(source: Source, x, heads, title: str) -> Image.Image:
    cells = np.concatenate([source.x[:, None], x], axis=1)
    rows = [f"image {i}" for i in range(len(x))]
    heads = ["image", *heads]
    return drawing.grid(
        cells.reshape(-1, *x.shape[2:]), columns=len(heads), heads=heads, rows=rows, title=title, gaps=[0]
    )


def _named(groups: Sequence[int]) -> str:
    """group 2, groups 0-3, groups 0 2."""
    groups = sorted(groups)
    if len(groups) == 1:
        return f"group {groups[0]}"
    run = groups == list(range(groups[0], groups[-1] + 1))
    return f"groups {groups[0]}-{groups[-1]}" if run else f"groups {' '.join(map(str, groups))}"
