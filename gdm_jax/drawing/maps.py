"""Maps of numbers on one colour scale. Arrays in, Pillow images out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Real
from PIL import Image

from gdm_jax.drawing.grids import (
    LINE,
    MARGIN,
    Images,
    Labels,
    as_tiles,
    banner,
    beside,
    check_count,
    lay_out,
    on_paper,
    stack,
)

__all__ = ["heat", "shaded"]

# Small to large: hue and chroma turn evenly while the lightness L* falls by the same amount from colour to colour.
RAMP = [(252, 241, 199), (240, 190, 116), (236, 129, 74), (211, 66, 83), (161, 30, 105), (88, 31, 106), (24, 23, 70)]


def heat(
    values: Real[np.ndarray, "n *shape"],
    *,
    images: Images | None = None,
    rows: Labels = (),
    heads: Labels = (),
    unit: str = "bits",
    columns: int | None = None,
    cell: int = 64,
) -> Image.Image:
    """Maps of numbers on one colour scale, the larger the darker, and a bar that tells the scale.

    Args:
      values: Numbers `[n, height, width]`, or `[n, d]` for vectors; NaN, where there is no number, is hatched.
      images: Images as in `grid`, one for each map, which then stands under its image.
      rows, heads, columns, cell: As in `grid`.
      unit: Unit of the values, shown at the scale.

    Raises:
      ValueError: if values have another shape, are infinite or all NaN, or images or labels do not fit them.
    """
    values = np.asarray(values, np.float64)
    values = values[:, None] if values.ndim == 2 else values
    if values.ndim != 3 or not values.size:
        raise ValueError(f"values: must be [n, height, width] or [n, d] and not empty, got {values.shape}")
    if np.isinf(values).any() or np.isnan(values).all():
        raise ValueError("values: must be finite, or NaN where there is no number, and not NaN throughout")
    low, high = np.nanmin(values), np.nanmax(values)
    shades = (values - low) / (high - low or 1)
    above = [] if images is None else as_tiles(images, max(cell, *shades.shape[1:]))
    tiles = [shaded(shade, max(above[0].size) if above else cell) for shade in shades]
    if above:
        check_count("images", above, len(tiles), "map")
        tiles = [stack([a, on_paper(b, b.width, b.height + MARGIN)]) for a, b in zip(above, tiles)]
    return stack([lay_out(tiles, columns, rows, heads), _bar(low, high, unit, bool(np.isnan(values).any()))])


def shaded(shade: Real[np.ndarray, "height width"], side: int) -> Image.Image:
    """Numbers in [0, 1] as colours, magnified until the longer side is about `side`."""
    factor = max(1, round(side / max(shade.shape)))
    shade = shade.repeat(factor, 0).repeat(factor, 1)[..., None]
    colours = np.concatenate([np.interp(shade, np.linspace(0, 1, len(RAMP)), channel) for channel in zip(*RAMP)], -1)
    hatch = np.where(np.indices(shade.shape[:2]).sum(0) % 8 < 2, 150, 240)[..., None]
    return Image.fromarray(np.rint(np.where(np.isnan(shade), hatch, colours)).astype(np.uint8))


def _bar(low: float, high: float, unit: str, hatched: bool) -> Image.Image:
    """The colour scale between its ends, and what hatching means if there is any."""
    scale, none = np.tile(np.linspace(0, 1, 128), (LINE, 1)), np.full((LINE, 2 * LINE), np.nan)
    parts = [banner(f"{low:.3g}"), shaded(scale, 128), banner(f"{high:.3g} {unit}")]
    return beside(parts + [shaded(none, 2 * LINE), banner("no number")] * hatched)
