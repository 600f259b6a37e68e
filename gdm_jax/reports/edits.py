"""Labelled figures of what the latent is for, laid out as the paper's  (Sec. 4.2-4.5): Figs. 3, 4b, 6, 7, 8, 9.

Every function takes a model and a `Source`, images with the latents that decode to them, edits the latents by
`gdm_jax.latent` or fills by `gdm_jax.conditional`, and returns a picture and its images as an array.

A new edit is a function `(model, source, ...) -> Edit` and a line of EDITS. The first line of its docstring is its
help, and its parameters are those of `gdm edit` that it takes: donors, groups, elements, channel, count, spherical,
seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from PIL import Image

from gdm_jax import drawing, keys, latent
from gdm_jax.config import build
from gdm_jax.model import Model
from gdm_jax.process.arrays import Integers
from gdm_jax.process.groups import check_groups

__all__ = ["EDITS", "Edit", "Source", "check", "fill", "from_images", "from_seeds"]
__all__ += ["interpolate", "keep", "resample", "swap", "traverse"]

Images = Float[jax.Array | np.ndarray, " n *shape"]


class Source(NamedTuple):
    """Images and the latents that decode to them.

    Attributes:
      x: Images in [-1, 1].
      z: Latents.
      options: Options of `Model.decode` with which z decodes to x.
      uncertain: Numbers of the images whose latent does not decode to them.
      names: Names of the images on a page; "image 0" and so on if empty.
    """

    x: Float[np.ndarray, " n *shape"]
    z: Float[np.ndarray, " n *shape"]
    options: dict[str, Any]
    uncertain: list[int]
    names: tuple[str, ...] = ()

    def name(self, i: int) -> str:
        """The name of image i on a page."""
        return self.names[i] if self.names else f"image {i}"


class Edit(NamedTuple):
    """A labelled picture, and the images in it that were made, `[..., *shape]`."""

    page: Image.Image
    x: Float[np.ndarray, " *cells height width channel"]


def from_images(model: Model, x: Images, *, solver: str | None = None, **options: Any) -> Source:
    """Real images with latents that decode to them, found by undoing Euler's steps, or by another solver's encode.

    Args:
      model: Model of images.
      x: Images in [-1, 1].
      solver: Solver that encodes and decodes. None and "euler" undo Euler's steps by `Model.invert`.
      **options: Further options of `Model.encode`, steps and label among them.
    """
    x = np.asarray(x, np.float32)
    if solver not in (None, "euler", "inverse_euler"):
        options = build.encoding(model.config.sampling, model.pieces, solver=solver, **options)
        return Source(x, model.encode(x, **options), options, [])
    options = {**options, "steps": options.get("steps") or model.inverse_steps}
    shared = ("steps", "label", "guidance", "batch", "progress")
    found = model.invert(x, **{name: options[name] for name in shared if name in options})
    failed = np.flatnonzero(~np.asarray(found.converged)).tolist()
    return Source(x, np.asarray(found.z), {**options, "solver": "euler"}, failed)


def from_seeds(model: Model, seeds: Integers, **options: Any) -> Source:
    """Samples, one from each seed; the options are those of `Model.decode`."""
    z = model.noise(seeds)
    return Source(model.decode(z, **options), z, options, [], tuple(f"seed {seed}" for seed in seeds))


def check(
    model: Model,
    *,
    groups: Integers = (),
    elements: Integers = (0,),
    channel: int | None = None,
    count: int = 1,
    seed: int = 0,
    **others: Any,
) -> None:
    """Raises ValueError for values that no edit of the model takes; asked before anything is solved."""
    keys.check_seeds([seed])
    check_groups(groups, model.process.k)
    blank = jax.ShapeDtypeStruct((1, *model.config.data.shape), np.float32)
    for element in elements:  # traced, not computed
        jax.eval_shape(lambda z, e=element: latent.traverse(model.process, z, e, [0.0], channel=channel), blank)
    _count(count)


def swap(model: Model, source: Source, donors: Source, groups: Integers) -> Edit:
    """Take groups of each donor into each image, a matrix (Fig. 7).

    Args:
      model: Model of images.
      source: Images, a row each.
      donors: Donors, a column each.
      groups: Groups that are taken from the donors.

    Returns:
      x is `[n, donors, *shape]`.
    """
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
        heads=["", *map(donors.name, range(m))],
        rows=["", *map(source.name, range(n))],
        title=f"{_named(groups)} from the donor of the column, the rest from the row",
        gaps=[0],
    )
    return Edit(page, x)


def interpolate(
    model: Model, source: Source, *, groups: Integers | None = None, count: int = 7, spherical: bool = True
) -> Edit:
    """Go from each image to the next, one group a row, then all groups (Fig. 3).

    Args:
      model: Model of images.
      source: Two images or more; every two neighbours make a block of rows.
      groups: Groups that move, in one row, instead of the rows for each group and for all.
      count: Number of steps from one image to the other.
      spherical: Whether groups move along great circles, or else along straight lines.

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
                title=f"{source.name(i)} to {source.name(i + 1)}",
            )
        )
        made.append(x)
    return Edit(drawing.stack(pages), np.stack(made))


def traverse(
    model: Model,
    source: Source,
    elements: Integers | None = None,
    *,
    channel: int | None = None,
    count: int = 7,
    extent: float = 3.0,
) -> Edit:
    """Move one element of the latent from -3 to 3, a row an element (Figs. 6, 8).

    Args:
      model: Model of images.
      source: Images, a block of rows each.
      elements: Numbers of the elements, the lowest frequency first; the first four if None.
      channel: Channel that moves; all of them together if None.
      count: Number of values.
      extent: Largest value; the least is its negative.

    Returns:
      x is `[n, elements, count, *shape]`.
    """
    if elements is None:
        elements = range(min(4, int(model.process.groups.sizes.sum())))
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
                title=source.name(i),
            )
        )
        made.append(x)
    return Edit(drawing.stack(pages), np.stack(made))


def resample(
    model: Model, source: Source, *, groups: Integers | None = None, count: int = 4, seed: int = 0
) -> Edit:
    """Keep groups and draw the others anew, by default for every prefix of the order (Fig. 9).

    Args:
      model: Model of images.
      source: Images, a row each.
      groups: Groups that are kept; None makes a block of rows for each prefix of the order of generation.
      count: Number of draws of each image.
      seed: Seed of the draws.

    Returns:
      x is `[keeps, n, count, *shape]`.
    """
    _count(count)
    if groups is None and not model.schedule.prefixes():
        raise ValueError("groups: no group of this model is finished before another begins; name those to keep")
    pages, made = [], []
    for kept in _keeps(model, groups)[: -1 if groups is None else None]:
        key = keys.root(seed, "resample")
        z = np.asarray(latent.resample(model.process, source.z, kept, key, count=count))
        x = _decode_each(model, z.swapaxes(0, 1), source)
        heads = [f"draw {n}" for n in range(count)]
        pages.append(_beside_source(source, x, heads, f"{_named(kept)} kept, others drawn"))
        made.append(x)
    return Edit(drawing.stack(pages), np.stack(made))


def keep(model: Model, source: Source, *, groups: Integers | None = None, seed: int | None = None) -> Edit:
    """Keep groups and set the others to zero, or to noise with a seed, by default for every prefix (Fig. 4b).

    Args:
      model: Model of images.
      source: Images, a row each.
      groups: Groups that are kept; None makes a column for each prefix of the order of generation, and for all groups.
      seed: Seed of the noise; without it the other groups are zero.

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


def fill(
    model: Model,
    source: Source,
    groups: Integers,
    *,
    count: int = 6,
    seeds: Integers | None = None,
    **options: Any,
) -> Edit:
    """Each image with the groups not kept generated given those kept, `count` times.

    Args:
      model: Model of images.
      source: Images, a row each; their latents are not used.
      groups: Groups that are kept as they are in the image.
      count: Number of fillings of each image.
      seeds: Seeds of the noise, one for each filling; 0, 1, ... if None.
      **options: Further options of `Model.fill`.

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
    x = model.fill(repeated, groups, seeds=seeds * n, label=label, **options).reshape(n, len(seeds), *shape)
    cells = np.concatenate([source.x[:, None], known[:, None], x], axis=1)
    page = drawing.grid(
        cells.reshape(-1, *shape),
        columns=len(seeds) + 2,
        heads=["image", "given", *(f"seed {seed}" for seed in seeds)],
        rows=[*map(source.name, range(n))],
        title=f"{_named(groups)} given, the rest generated",
        gaps=[1],
    )
    return Edit(page, x)


def _count(count: int) -> None:
    if count < 1:
        raise ValueError(f"count: must be at least 1, got {count}")


def _keeps(model: Model, groups: Integers | None) -> list[list[int]]:
    """The one set asked for, or every prefix of the order of generation and the whole."""
    if groups is not None:
        return [_some(model, groups, whole=True)]
    return [*map(list, model.schedule.prefixes()), list(range(model.process.k))]


def _some(model: Model, groups: Integers, whole: bool = False) -> list[int]:
    groups = check_groups(groups, model.process.k)
    if not groups or (len(groups) == model.process.k and not whole):
        raise ValueError(f"groups: name at least one of {model.process.k}, and not all, for there to be an edit")
    return groups


def _decode(model: Model, z, source: Source) -> np.ndarray:
    """Decoded as the source is; its labels, one an image, are repeated in turn."""
    options = dict(source.options)
    label = options.get("label")
    if label is not None and np.ndim(label) and len(label) != len(z):
        options["label"] = np.repeat(label, len(z) // len(label))
    return model.decode(np.asarray(z), **options)


def _decode_each(model: Model, z, source: Source) -> np.ndarray:
    """z `[n, m, *shape]`, m latents for each image of the source, decoded."""
    return _decode(model, z.reshape(-1, *z.shape[2:]), source).reshape(z.shape)


def _one(source: Source, i: int) -> Source:
    label = source.options.get("label")
    options = {**source.options, "label": int(label[i]) if label is not None and np.ndim(label) else label}
    return Source(source.x[i : i + 1], source.z[i : i + 1], options, [], (source.name(i),))


def _beside_source(source: Source, x, heads, title: str) -> Image.Image:
    cells = np.concatenate([source.x[:, None], x], axis=1)
    rows = [*map(source.name, range(len(x)))]
    heads = ["image", *heads]
    return drawing.grid(
        cells.reshape(-1, *x.shape[2:]), columns=len(heads), heads=heads, rows=rows, title=title, gaps=[0]
    )


def _named(groups: Integers) -> str:
    """group 2, groups 0-3, groups 0 2."""
    groups = sorted(groups)
    if len(groups) == 1:
        return f"group {groups[0]}"
    run = groups == list(range(groups[0], groups[-1] + 1))
    return f"groups {groups[0]}-{groups[-1]}" if run else f"groups {' '.join(map(str, groups))}"


EDITS: dict[str, Callable[..., Edit]] = {
    "swap": swap,
    "interpolate": interpolate,
    "traverse": traverse,
    "resample": resample,
    "keep": keep,
}
