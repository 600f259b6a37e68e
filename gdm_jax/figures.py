"""Pictures: grids, films and maps of numbers. Arrays in, Pillow images out.

Images are `[n, height, width, channel]` in [-1, 1], clouds of m points on the plane `[n, m, 2]`. One channel is grey,
three are red, green and blue, of any other number each is drawn in grey beside the one before.
Small images are magnified by a whole factor, so that pixels stay square and sharp. Labels wrap between words; they are
in Pillow's own font, which knows ASCII.
"""

from __future__ import annotations

import fractions
import importlib
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gdm_jax import files

MARGIN, GAP = 2, 14  # pixels between neighbours, and between what is to be told apart
INK, PAPER, CUT = (30, 30, 30), (255, 255, 255), "\u2026"
FONT, SMALL = ImageFont.load_default(size=14), ImageFont.load_default(size=11)  # small for heads that would be cut
LINE = 17  # pixels from line to line
ROW_LABEL, TITLE = 160, 320  # pixels that a label at the left, and a title over a narrower picture, may take
# Small to large: hue and chroma turn evenly while the lightness L* falls by the same amount from colour to colour.
RAMP = [(252, 241, 199), (240, 190, 116), (236, 129, 74), (211, 66, 83), (161, 30, 105), (88, 31, 106), (24, 23, 70)]

Labels = Sequence[str]


def to_uint8(x) -> np.ndarray:
    """[-1, 1] -> 0..255, clipped and rounded."""
    return np.rint(np.clip(np.asarray(x, np.float32) * 127.5 + 127.5, 0, 255)).astype(np.uint8)


def grid(
    images, *, columns: int | None = None, rows: Labels = (), heads: Labels = (), cell=64, title="", gaps=()
) -> Image.Image:
    """Images side by side, row by row.

    Args:
      images: `[n, height, width, channel]` in [-1, 1], or `[n, m, 2]`: n clouds of m points on the plane.
      columns: images a row; near the square root of n if None.
      rows, heads: labels of the rows, at their left, and of the columns, above them in at most two lines.
      cell: smallest side of an image in screen pixels.
      title: above everything.
      gaps: columns, counted from 0, after which a wider gap stands.

    Raises:
      ValueError: no images, or of another shape; labels or gaps that do not fit the rows and columns.
    """
    return _titled(_sheet(_tiles(images, cell), columns, rows, heads, gaps), title)


def stack(pages: Sequence[Image.Image]) -> Image.Image:
    """Pictures below one another on white, at the left."""
    if not pages:
        raise ValueError("pages: must hold at least one picture")
    width = max(page.width for page in pages)
    return Image.fromarray(np.concatenate([_on_paper(page, width, page.height) for page in pages]))


def moment(schedule, progress: float) -> str:
    """What generation is doing at `progress` in [0, 1], e.g. "1: 50%" for half-way through group 1."""
    alpha = np.asarray(schedule.alpha(1 - progress))
    active = [j for j in range(len(alpha)) if 0 < alpha[j] < 1]
    if active:
        return " ".join(f"{j}: {alpha[j]:.0%}" for j in active[:2])
    return "noise" if progress <= 0 else "data" if progress >= 1 else f"{(alpha == 1).sum()} done"


def film(
    frames, path, *, titles: Labels = (), captions: Labels = (), columns: int | None = None, cell=64, seconds=4.0
) -> None:
    """A looping GIF, or an MP4 (H.264), that holds its last frame for a second.

    Args:
      frames: `[time, n, height, width, channel]`, each moment drawn as a `grid`; with `titles` a sequence of such
        arrays, drawn side by side. Shorter ones hold their last frame.
      path: of the file, ending in .gif or .mp4.
      titles: one a film.
      captions: one a moment, above everything, e.g. "group 1: 50%".
      columns, cell: of the grids.
      seconds: length without the hold.

    Raises:
      ValueError: another ending, no frames, titles or captions of another number, seconds that are not positive.
      ImportError: an MP4 without PyAV.
    """
    path = pathlib.Path(path)
    write = {".gif": _gif, ".mp4": _mp4}.get(path.suffix.lower())
    if write is None:
        raise ValueError(f"path: must end in .gif or .mp4, got {str(path)!r}")
    if not seconds > 0:
        raise ValueError(f"seconds: must be positive, got {seconds}")
    films = list(frames) if titles else [frames]
    _match("titles", titles, len(films), "film")
    if not all(map(len, films)):
        raise ValueError("frames: must hold at least one moment")
    count = max(map(len, films))
    _match("captions", captions, count, "moment")
    pages = []
    for t in range(count):
        now = [f[min(t, len(f) - 1)] for f in films]
        panels = [grid(x, columns=columns, cell=cell, title=title) for x, title in zip(now, titles or [""])]
        pages.append(_titled(_beside(panels), captions[t] if captions else ""))
    width, height = (2 * -(-max(sides) // 2) for sides in zip(*(page.size for page in pages)))  # H.264: even
    write([_on_paper(page, width, height) for page in pages], path, seconds)


def heat(
    values, *, images=None, rows: Labels = (), heads: Labels = (), unit="bits", columns: int | None = None, cell=64
) -> Image.Image:
    """Maps of numbers on one colour scale, the larger the darker, and a bar that tells the scale.

    Args:
      values: `[n, height, width]`, or `[n, d]` for vectors; NaN, where there is no number, is hatched.
      images: n of them, as in `grid`; each map then stands under its image.
      rows, heads, columns, cell: as in `grid`.
      unit: of the values.

    Raises:
      ValueError: values of another shape, infinite or all NaN; images or labels that do not fit them.
    """
    values = np.asarray(values, np.float64)
    values = values[:, None] if values.ndim == 2 else values
    if values.ndim != 3 or not values.size:
        raise ValueError(f"values: must be [n, height, width] or [n, d] and not empty, got {values.shape}")
    if np.isinf(values).any() or np.isnan(values).all():
        raise ValueError("values: must be finite, or NaN where there is no number, and not NaN throughout")
    low, high = np.nanmin(values), np.nanmax(values)
    shades = (values - low) / (high - low or 1)
    above = [] if images is None else _tiles(images, max(cell, *shades.shape[1:]))
    tiles = [_shaded(shade, max(above[0].size) if above else cell) for shade in shades]
    if above:
        _match("images", above, len(tiles), "map")
        tiles = [stack([a, _on_paper(b, b.width, b.height + MARGIN)]) for a, b in zip(above, tiles)]
    return stack([_sheet(tiles, columns, rows, heads), _bar(low, high, unit, bool(np.isnan(values).any()))])


def save(image: Image.Image, path, **options) -> None:
    """Write an image, whole, making its folder."""
    with files.replacing(path) as partial:
        image.save(partial, **options)


def cloud(points, *, side: int = 256, extent: float = 3.0) -> Image.Image:
    """Points `[n, 2]` on the square [-extent, extent]^2, darker where there are more; x_1 to the right, x_2 up."""
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=side // 4, range=[[-extent, extent]] * 2)
    shade = 255 * (1 - np.sqrt(counts / max(counts.max(), 1)))
    return Image.fromarray(np.flipud(shade.T).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)


def _tiles(images, cell: int) -> list[Image.Image]:
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


def _shaded(shade: np.ndarray, side: int) -> Image.Image:
    """Numbers `[height, width]` in [0, 1] as colours, magnified until the longer side is about `side`."""
    factor = max(1, round(side / max(shade.shape)))
    shade = shade.repeat(factor, 0).repeat(factor, 1)[..., None]
    colours = np.concatenate([np.interp(shade, np.linspace(0, 1, len(RAMP)), channel) for channel in zip(*RAMP)], -1)
    hatch = np.where(np.add(*np.indices(shade.shape[:2])) % 8 < 2, 150, 240)[..., None]
    return Image.fromarray(np.rint(np.where(np.isnan(shade), hatch, colours)).astype(np.uint8))


def _bar(low: float, high: float, unit: str, hatched: bool) -> Image.Image:
    """The colour scale between its ends, and what hatching means if there is any."""
    scale, none = np.tile(np.linspace(0, 1, 128), (LINE, 1)), np.full((LINE, 2 * LINE), np.nan)
    parts = [_banner(f"{low:.3g}"), _shaded(scale, 128), _banner(f"{high:.3g} {unit}")]
    return _beside(parts + [_shaded(none, 2 * LINE), _banner("no number")] * hatched)


def _sheet(tiles, columns, rows, heads, gaps=()) -> Image.Image:
    """Tiles of one size in rows, with labels."""
    columns = int(np.ceil(len(tiles) ** 0.5)) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns: must be at least 1, got {columns}")
    if not set(gaps) <= set(range(columns - 1)):
        raise ValueError(f"gaps: must be columns from 0 on and before the last of {columns}, got {tuple(gaps)}")
    count = -(-len(tiles) // columns)
    _match("rows", rows, count, "row of images")
    _match("heads", heads, columns, "column")
    height, width = tiles[0].height + MARGIN, tiles[0].width + MARGIN
    rows = [_wrap(label, ROW_LABEL, max(1, height // LINE)) for label in rows]
    font = SMALL if any(_wrap(label, width - 2 * MARGIN, 2).endswith(CUT) for label in heads) else FONT
    heads = [_wrap(label, width - 2 * MARGIN, 2, font) for label in heads]
    left = MARGIN + max((_banner(label).width for label in rows), default=0)
    top = MARGIN + max((_banner(label).height for label in heads), default=0)
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


def _titled(page: Image.Image, text: str) -> Image.Image:
    return stack([_banner(_wrap(text, max(page.width, TITLE), 3)), page]) if text else page


def _banner(text: str, font=FONT) -> Image.Image:
    """Lines of text on paper of their own."""
    lines = text.split("\n")
    page = Image.new("RGB", (int(max(map(font.getlength, lines))) + 9, LINE * len(lines) + 5), PAPER)
    ImageDraw.Draw(page).text((4, page.height // 2), text, INK, font=font, anchor="lm")
    return page


def _beside(pages: Sequence[Image.Image]) -> Image.Image:
    """Pictures next to one another, `GAP` apart, standing on one line."""
    height = max(page.height for page in pages)
    return Image.fromarray(np.concatenate([_on_paper(page, page.width + GAP, height) for page in pages], 1)[:, :-GAP])


def _on_paper(page: Image.Image, width: int, height: int) -> Image.Image:
    """The page at the lower left of a sheet, so that a title that comes and goes moves no image."""
    above, right = height - page.height, width - page.width
    return Image.fromarray(np.pad(page.convert("RGB"), ((above, 0), (0, right), (0, 0)), constant_values=255))


def _wrap(text: str, width: int, lines: int, font=FONT) -> str:
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
    return f"{line}\n{_wrap(rest, width, lines - 1, font)}"


def _gif(pages: Sequence[Image.Image], path: pathlib.Path, seconds: float) -> None:
    pages = [page.convert("P", palette=Image.Palette.ADAPTIVE) for page in pages]
    durations = [max(20, int(1000 * seconds / len(pages)))] * (len(pages) - 1) + [1000]
    save(pages[0], path, save_all=True, append_images=pages[1:], duration=durations, loop=0)


def _mp4(pages: Sequence[Image.Image], path: pathlib.Path, seconds: float) -> None:
    av = _optional("av", "film: an .mp4 needs PyAV; pip install 'gdm-jax[mp4]', or end the path in .gif")
    rate = fractions.Fraction(len(pages) / seconds).limit_denominator(1000)
    with files.replacing(path) as partial, av.open(str(partial), "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.width, stream.height = pages[0].size
        stream.pix_fmt = "yuv420p"  # what browsers play
        for page in [*pages, *pages[-1:] * max(1, round(rate))]:
            file.mux(stream.encode(av.VideoFrame.from_image(page)))
        file.mux(stream.encode())


def _match(name: str, given: Sequence, count: int, of: str) -> None:
    if len(given) not in (0, count):
        raise ValueError(f"{name}: must be {count}, one a {of}, got {len(given)}")


def _optional(module: str, otherwise: str):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(otherwise) from error
