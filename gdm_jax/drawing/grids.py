"""Grids of images with labels. Arrays in, Pillow images out.

Images are `[n, height, width, channel]` in [-1, 1], clouds of m points on the plane `[n, m, 2]`. One channel is grey,
and three are red, green and blue; of any other number, each channel is drawn in grey beside the one before. Small
images are magnified by a whole factor, so that pixels stay square and sharp. Labels wrap between words; they are in
Pillow's own font, which knows ASCII.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Num, Real
from PIL import Image, ImageDraw, ImageFont

from gdm_jax.pixels import to_uint8
from gdm_jax.workdir import files

__all__ = [
    "Labels", "as_tiles", "banner", "beside", "check_count", "cloud", "grid", "lay_out", "on_paper",
    "save", "stack", "with_title", "wrap",
]

MARGIN, GAP = 2, 14  # pixels between neighbours, and between what is to be told apart
INK, PAPER, CUT = (30, 30, 30), (255, 255, 255), "\u2026"
FONT, SMALL = ImageFont.load_default(size=14), ImageFont.load_default(size=11)  # small for heads that would be cut
LINE = 17  # pixels from line to line
ROW_LABEL, TITLE = 160, 320  # pixels that a label at the left, and a title over a narrower picture, may take
Labels = Sequence[str]
Images = Num[np.ndarray, "n height width channel"] | Num[np.ndarray, "n points 2"] | Sequence[np.ndarray]


def grid(
    images: Images,
    *,
    columns: int | None = None,
    rows: Labels = (),
    heads: Labels = (),
    cell: int = 64,
    title: str = "",
    gaps: Sequence[int] = (),
) -> Image.Image:
    """Images side by side, row by row.

    Args:
      images: Images in [-1, 1], or n clouds of points on the plane.
      columns: Number of images in a row; near the square root of n by default.
      rows: Labels at the left of the rows.
      heads: Labels above the columns, in at most two lines.
      cell: Smallest side of an image, in pixels of the screen.
      title: Text above everything.
      gaps: Columns, counted from 0, after which a wider gap stands.

    Raises:
      ValueError: if there are no images, they have another shape, or labels or gaps do not fit the rows and columns.
    """
    return with_title(lay_out(as_tiles(images, cell), columns, rows, heads, gaps), title)


def stack(pages: Sequence[Image.Image]) -> Image.Image:
    """Pictures below one another on white, at the left."""
    if not pages:
        raise ValueError("pages: must hold at least one picture")
    width = max(page.width for page in pages)
    return Image.fromarray(np.concatenate([np.asarray(on_paper(page, width, page.height)) for page in pages]))


def save(image: Image.Image, path: str | os.PathLike, **options: Any) -> None:
    """Write an image whole or not at all, and make its folder; options are Pillow's."""
    with files.replacing(path) as partial:
        image.save(partial, **options)


def cloud(points: Real[np.ndarray, "points 2"], *, side: int = 256, extent: float = 3.0) -> Image.Image:
    """Points on the square [-extent, extent]^2, darker where there are more; x_1 to the right, x_2 up."""
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=side // 4, range=[[-extent, extent]] * 2)
    shade = 255 * (1 - np.sqrt(counts / max(counts.max(), 1)))
    return Image.fromarray(np.flipud(shade.T).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)


def as_tiles(images: Images, cell: int) -> list[Image.Image]:
    """Each image as a picture whose smaller side is at least `cell` pixels."""
    images = np.asarray(images)
    points = images.ndim == 3 and images.shape[2] == 2
    if not (points or images.ndim == 4) or not images.size:
        raise ValueError(f"images: must be [n, height, width, channel] or [n, m, 2], not empty, got {images.shape}")
    if points:
        return [cloud(image, side=max(cell, 128)).convert("RGB") for image in images]
    if images.shape[3] not in (1, 3):
        images = np.concatenate(np.split(images, images.shape[3], axis=3), axis=2)
    factor = max(1, -(-cell // min(images.shape[1:3])))
    pixels = np.broadcast_to(to_uint8(images), (*images.shape[:3], 3))
    return [Image.fromarray(image.repeat(factor, 0).repeat(factor, 1)) for image in pixels]


def lay_out(
    tiles: Sequence[Image.Image], columns: int | None, rows: Labels, heads: Labels, gaps: Sequence[int] = ()
) -> Image.Image:
    """Tiles of one size in rows, with labels."""
    columns = int(np.ceil(len(tiles) ** 0.5)) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns: must be at least 1, got {columns}")
    if not set(gaps) <= set(range(columns - 1)):
        raise ValueError(f"gaps: must be columns from 0 on and before the last of {columns}, got {tuple(gaps)}")
    count = -(-len(tiles) // columns)
    check_count("rows", rows, count, "row of images")
    check_count("heads", heads, columns, "column")
    height, width = tiles[0].height + MARGIN, tiles[0].width + MARGIN
    rows = [wrap(label, ROW_LABEL, max(1, height // LINE)) for label in rows]
    font = SMALL if any(wrap(label, width - 2 * MARGIN, 2).endswith(CUT) for label in heads) else FONT
    heads = [wrap(label, width - 2 * MARGIN, 2, font) for label in heads]
    left = MARGIN + max((banner(label).width for label in rows), default=0)
    top = MARGIN + max((banner(label).height for label in heads), default=0)
    lefts = [left + i * width + GAP * sum(g < i for g in set(gaps)) for i in range(columns)]
    page = Image.new("RGB", (lefts[-1] + width, top + count * height), PAPER)
    pen = ImageDraw.Draw(page)
    for i, tile in enumerate(tiles):
        page.paste(tile, (lefts[i % columns], top + i // columns * height))
    for i, label in enumerate(rows):
        pen.text((4, top + i * height + height // 2), label, INK, font=FONT, anchor="lm")
    for x, label in zip(lefts, heads):
        pen.text((x + width // 2, top - MARGIN), label, INK, font=font, anchor="md", align="center")
    return page


def with_title(page: Image.Image, text: str) -> Image.Image:
    """The picture under its title, if there is one."""
    return stack([banner(wrap(text, max(page.width, TITLE), 3)), page]) if text else page


def banner(text: str, font: Any = FONT) -> Image.Image:
    """Lines of text on paper of their own."""
    lines = text.split("\n")
    page = Image.new("RGB", (int(max(map(font.getlength, lines))) + 9, LINE * len(lines) + 5), PAPER)
    ImageDraw.Draw(page).text((4, page.height // 2), text, INK, font=font, anchor="lm")
    return page


def beside(pages: Sequence[Image.Image]) -> Image.Image:
    """Pictures next to one another, `GAP` apart, standing on one line."""
    height = max(page.height for page in pages)
    sheets = [np.asarray(on_paper(page, page.width + GAP, height)) for page in pages]
    return Image.fromarray(np.concatenate(sheets, 1)[:, :-GAP])


def on_paper(page: Image.Image, width: int, height: int) -> Image.Image:
    """The page at the lower left of a sheet, so that a title that comes and goes moves no image."""
    above, right = height - page.height, width - page.width
    pixels = np.asarray(page.convert("RGB"))
    return Image.fromarray(np.pad(pixels, ((above, 0), (0, right), (0, 0)), constant_values=255))


def wrap(text: str, width: int, lines: int, font: Any = FONT) -> str:
    """Text in at most `lines` lines of `width` pixels, broken between words if it can be; only then cut."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    mark = "-" if lines > 1 else CUT
    end = max((n for n in range(2, len(text)) if font.getlength(text[:n] + mark) <= width), default=1)
    if lines == 1:
        return text[:end].rstrip() + mark
    space = text.rfind(" ", 1, end + 1)
    line, rest = (text[:space], text[space + 1 :]) if space > 0 else (text[:end] + mark, text[end:])
    return f"{line}\n{wrap(rest, width, lines - 1, font)}"


def check_count(name: str, given: Sequence, count: int, of: str) -> None:
    """Raises ValueError unless there are none or `count`, one for each of what `of` names."""
    if len(given) not in (0, count):
        raise ValueError(f"{name}: must be {count}, one a {of}, got {len(given)}")
