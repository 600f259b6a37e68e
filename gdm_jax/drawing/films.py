"""Films of how data come about: a looping GIF, or an MP4. Arrays in, a file out."""

from __future__ import annotations

import fractions
import importlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from gdm_jax.drawing.grids import Labels, beside, check_count, grid, on_paper, save, with_title
from gdm_jax.workdir import files

__all__ = ["film"]


def film(
    frames: Sequence[Any] | np.ndarray,
    path: str | os.PathLike,
    *,
    titles: Labels = (),
    captions: Labels = (),
    columns: int | None = None,
    cell: int = 64,
    seconds: float | int = 4.0,
) -> None:
    """A looping GIF, or an MP4 (H.264), that holds its last frame for a second.

    Args:
      frames: `[time, n, height, width, channel]`, each moment drawn as a `grid`; with `titles` a sequence of such
        arrays, drawn side by side. Shorter ones hold their last frame.
      path: File to write; it ends in .gif or .mp4.
      titles: One title for each film.
      captions: One text for each moment, above everything, e.g. "group 1: 50%".
      columns, cell: As in `grid`.
      seconds: Length without the hold, in seconds.

    Raises:
      ValueError: if the path ends otherwise, there are no frames, titles or captions are of another number, or seconds
        are not positive.
      ImportError: for an MP4 without PyAV.
    """
    path = pathlib.Path(path)
    write = {".gif": _gif, ".mp4": _mp4}.get(path.suffix.lower())
    if write is None:
        raise ValueError(f"path: must end in .gif or .mp4, got {str(path)!r}")
    if not seconds > 0:
        raise ValueError(f"seconds: must be positive, got {seconds}")
    films = list(frames) if titles else [frames]
    check_count("titles", titles, len(films), "film")
    if not all(map(len, films)):
        raise ValueError("frames: must hold at least one moment")
    count = max(map(len, films))
    check_count("captions", captions, count, "moment")
    pages = []
    for t in range(count):
        now = [f[min(t, len(f) - 1)] for f in films]
        panels = [grid(x, columns=columns, cell=cell, title=title) for x, title in zip(now, titles or [""])]
        pages.append(with_title(beside(panels), captions[t] if captions else ""))
    width, height = (2 * -(-max(sides) // 2) for sides in zip(*(page.size for page in pages)))  # H.264: even
    write([on_paper(page, width, height) for page in pages], path, seconds)


def _gif(pages: Sequence[Image.Image], path: pathlib.Path, seconds: float | int) -> None:
    pages = [page.convert("P", palette=Image.Palette.ADAPTIVE) for page in pages]
    durations = [max(20, int(1000 * seconds / len(pages)))] * (len(pages) - 1) + [1000]
    save(pages[0], path, save_all=True, append_images=pages[1:], duration=durations, loop=0)


def _mp4(pages: Sequence[Image.Image], path: pathlib.Path, seconds: float | int) -> None:
    av = _optional("av", "film: an .mp4 needs PyAV; pip install 'gdm-jax[mp4]', or end the path in .gif")
    rate = fractions.Fraction(len(pages) / seconds).limit_denominator(1000)
    with files.replacing(path) as partial, av.open(str(partial), "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.width, stream.height = pages[0].size
        stream.pix_fmt = "yuv420p"  # what browsers play
        for page in [*pages, *[pages[-1]] * max(1, round(rate))]:
            file.mux(stream.encode(av.VideoFrame.from_image(page)))
        file.mux(stream.encode())


def _optional(module: str, otherwise: str):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(otherwise) from error
