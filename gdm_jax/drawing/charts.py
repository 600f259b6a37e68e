"""Charts of numbers, by matplotlib: lines, and points with their errors. Arrays in, Pillow images out."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from gdm_jax.process.arrays import Numbers

__all__ = ["check", "curve", "lines", "points"]

MARKERS = "os^Dv"


def check() -> None:
    """Raises ImportError unless matplotlib is there; for asking before a long computation."""
    _figure()


def curve(x: Numbers, series: Mapping[str, Any], **options: Any) -> Image.Image:
    """Lines over common points, e.g. the variance of samples against the number of fixed components.

    Args:
      x: Where the points stand.
      series: From the name of a line to its `[points]`, or to a tuple of those and their spread.
      **options: Options of `lines`.

    Raises:
      ValueError, ImportError: as `lines`.
    """
    of = {name: line if isinstance(line, tuple) else (line, 0.0) for name, line in series.items()}
    return lines({name: (x, *line) for name, line in of.items()}, **options)


def lines(series: Mapping[str, Any], *, x_label: str, y_label: str, title: str = "", log: str = "") -> Image.Image:
    """Lines, each over points of its own.

    Args:
      series: From the name of a line to its x `[points]`, y `[points]` and, if there is one, its spread, which is drawn
        as a band.
      x_label, y_label, title: Texts at the axes and above the chart.
      log: Axes with a logarithmic scale: "x", "y" or "xy".

    Raises:
      ValueError: if there is no series, or one has another length than its points.
      ImportError: without matplotlib.
    """
    if not series:
        raise ValueError("series: must hold a line")
    columns = 1 if max(map(len, series)) > 24 else min(3, len(series))
    page = _figure(height=3.8 + 0.22 * -(-len(series) // columns))
    axes = page.add_subplot(xlabel=x_label, ylabel=y_label, title=title)
    for (name, (x, y, *spread)), marker in zip(series.items(), itertools.cycle(MARKERS)):
        x, y, spread = np.asarray(x), np.asarray(y), np.asarray(spread[0] if spread else 0.0)
        if x.ndim != 1 or not len(x) or y.shape != x.shape or spread.shape not in ((), x.shape):
            shapes = f"{y.shape} with spread {spread.shape}"
            raise ValueError(f"series: {name!r} must be `[points]` like its points {x.shape}, got {shapes}")
        (drawn,) = axes.plot(x, y, marker=marker, markevery=-(-len(x) // 20), label=name)
        if spread.any():
            axes.fill_between(x, y - spread, y + spread, color=drawn.get_color(), alpha=0.2, linewidth=0)
    page.legend(loc="outside upper center", ncols=columns, frameon=False)  # where it covers no line
    for axis in log:
        getattr(axes, f"set_{axis}scale")("log", base=2 if axis == "x" else 10)
    for axis in {"x", "y"} & set(log):
        getattr(axes, f"{axis}axis").set_major_formatter("{x:g}")
        low, high = getattr(axes, f"get_{axis}lim")()
        getattr(axes, f"{axis}axis").set_minor_formatter("{x:g}" if axis == "y" and high < 15 * low else "")
    if "x" not in log:
        locator: Any = axes.xaxis.get_major_locator()  # AutoLocator, known to pyright as its parent alone
        locator.set_params(integer=all(_whole(x) for x, *_ in series.values()))
    return _picture(page)


def _whole(x) -> bool:
    return np.issubdtype(np.asarray(x).dtype, np.integer)


def points(
    names: Sequence[str],
    values: Numbers | Sequence[Sequence[float]],
    errors: Numbers | None = None,
    *,
    label: str,
    title: str = "",
) -> Image.Image:
    """A row for each name with its value and error, e.g. the Frechet distance of each grouping.

    Args:
      names: Names of the rows, from the top down.
      values: One value for each name, or one for each name and set; each set is a dot.
      errors: One error for each name, drawn about its mean.
      label, title: Texts at the axis and above the chart.

    Raises:
      ValueError: if there are no values, or not as many as names.
      ImportError: without matplotlib.
    """
    empty = not len(names) or not np.size(values)
    rows_of = np.empty((0, 0)) if empty else np.asarray(values, float).reshape(len(names), -1)
    if not len(names) or len(rows_of) != len(names):
        raise ValueError(f"points: need a value for each of {len(names)} names, got {len(rows_of)}")
    page = _figure(height=1.2 + 0.32 * len(names))
    axes = page.add_subplot(xlabel=label, title=title)
    rows = np.arange(len(names))
    axes.errorbar(rows_of.mean(1), rows, xerr=errors, fmt="o", color="C0", capsize=3)
    if rows_of.shape[1] > 1:
        axes.plot(rows_of, rows[:, None], ".", color="C0", alpha=0.4)
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    return _picture(page)


def _figure(height: float = 4.0):
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("charts need matplotlib; pip install 'gdm-jax[eval]'") from error
    return Figure(figsize=(6, height), dpi=100, layout="constrained")


def _picture(page) -> Image.Image:
    file = io.BytesIO()
    page.savefig(file, format="png")
    return Image.open(file).convert("RGB")
