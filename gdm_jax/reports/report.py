"""A report: tables as Markdown, the same numbers as JSON, pictures by name; and how it is written."""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image


class Report(NamedTuple):
    """Tables as Markdown, the same numbers to be kept as JSON, and pictures by name."""

    text: str
    numbers: dict
    pictures: dict[str, Image.Image]


def table(heads, rows) -> str:
    """A Markdown table."""
    cells = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
