"""Pictures: grids, strips and films of images, and of points on the plane. Arrays in, Pillow images out.

Images are `[n, height, width, channel]` in [-1, 1] with 1 or 3 channels, vectors `[n, 2]`. Small images are magnified
by a whole factor, so that pixels stay square and sharp.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MARGIN = 2
INK, PAPER = (30, 30, 30), (255, 255, 255)


def to_uint8(x) -> np.ndarray:
    """[-1, 1] -> 0..255, clipped and rounded."""
    return np.rint(np.clip(np.asarray(x, np.float32) * 127.5 + 127.5, 0, 255)).astype(np.uint8)


def grid(images, *, columns: int | None = None, rows: Sequence[str] = (), heads: Sequence[str] = (), cell: int = 64):
    """Images side by side, row by row.

    Args:
      images: `[n, height, width, channel]` in [-1, 1], or `[n, m, 2]`: n clouds of m points on the plane.
      columns: images a row; near the square root of n if None.
      rows, heads: labels of the rows, at their left, and of the columns, above them.
      cell: smallest side of an image in screen pixels.
    """
    tiles = [_tile(image, cell) for image in np.asarray(images)]
    columns = columns or int(np.ceil(len(tiles) ** 0.5))
    height, width = tiles[0].height + MARGIN, tiles[0].width + MARGIN
    font = ImageFont.load_default(size=14)
    left = MARGIN + max((int(font.getlength(label)) + 8 for label in rows), default=0)
    top = MARGIN + (22 if heads else 0)
    count = -(-len(tiles) // columns)
    page = Image.new("RGB", (left + columns * width, top + count * height), PAPER)
    pen = ImageDraw.Draw(page)
    for i, tile in enumerate(tiles):
        page.paste(tile, (left + i % columns * width, top + i // columns * height))
    for i, label in enumerate(rows):
        pen.text((4, top + i * height + height // 2), label, INK, font=font, anchor="lm")
    for i, label in enumerate(heads):
        pen.text((left + i * width + width // 2, top // 2), _fit(label, width, font), INK, font=font, anchor="mm")
    return page


def moment(schedule, progress: float) -> str:
    """What generation is doing at `progress` in [0, 1], e.g. "1: 50%" for half-way through group 1."""
    alpha = np.asarray(schedule.alpha(1 - progress))
    active = [j for j in range(len(alpha)) if 0 < alpha[j] < 1]
    if active:
        return " ".join(f"{j}: {alpha[j]:.0%}" for j in active[:2])
    return "noise" if progress <= 0 else "data" if progress >= 1 else f"{(alpha == 1).sum()} done"


def film(frames, path, *, columns: int | None = None, cell: int = 64, seconds: float = 4.0) -> None:
    """A looping GIF that holds its last frame for a second.

    Args:
      frames: `[time, n, height, width, channel]`, each moment drawn as a `grid`.
      path: of the file.
      seconds: length without the hold.
    """
    pages = [grid(frame, columns=columns, cell=cell).convert("P", palette=Image.Palette.ADAPTIVE) for frame in frames]
    each = max(20, int(1000 * seconds / len(pages)))
    durations = [each] * (len(pages) - 1) + [1000]
    save(pages[0], path, save_all=True, append_images=pages[1:], duration=durations, loop=0)


def save(image: Image.Image, path, **options) -> None:
    """Write an image, making its folder."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def cloud(points, *, side: int = 256, extent: float = 3.0) -> Image.Image:
    """Points `[n, 2]` on the square [-extent, extent]^2, darker where there are more; x_1 to the right, x_2 up."""
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=side // 4, range=[[-extent, extent]] * 2)
    shade = 255 * (1 - np.sqrt(counts / max(counts.max(), 1)))
    return Image.fromarray(np.flipud(shade.T).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)


def _tile(image: np.ndarray, cell: int) -> Image.Image:
    if image.ndim == 2:
        return cloud(image, side=max(cell, 128)).convert("RGB")
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(f"figures: an image is [height, width, 1 or 3], got {image.shape}")
    pixels = to_uint8(image)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
    factor = max(1, -(-cell // min(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _fit(label: str, width: int, font) -> str:
    while label and font.getlength(label) > width:
        label = label[:-1]
    return label
