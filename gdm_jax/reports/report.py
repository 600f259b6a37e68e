"""A report: tables as Markdown, the same numbers as JSON, pictures by name; and how it is written."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from PIL import Image

from gdm_jax import drawing
from gdm_jax.workdir import files

__all__ = ["Report", "save", "table"]


class Report(NamedTuple):
    """Tables as Markdown, the same numbers to be kept as JSON, and pictures by name."""

    text: str
    numbers: dict[str, Any]
    pictures: dict[str, Image.Image]


def save(folder: str | os.PathLike, name: str, report: Report) -> list[pathlib.Path]:
    """Write NAME.md, NAME.json and each picture under its own name into the folder; the paths, in this order."""
    folder = pathlib.Path(folder)
    pictures = {folder / f"{picture}.png": page for picture, page in report.pictures.items()}
    for path, page in pictures.items():
        drawing.save(page, path)
    files.write(folder / f"{name}.json", report.numbers)
    files.write(folder / f"{name}.md", report.text)
    return [folder / f"{name}.md", folder / f"{name}.json", *pictures]


def table(heads: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    cells = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
