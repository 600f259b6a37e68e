"""Charts draw what they are given: more lines, more ink; and say so where they cannot."""

import sys

import numpy as np
import pytest

from gdm_jax.drawing import charts

pytest.importorskip("matplotlib", reason="matplotlib draws charts; pip install gdm-jax[test]")


def grey(page):
    return np.asarray(page.convert("L"), int)


def coloured(page):
    """How many pixels are of a colour, not grey."""
    return (np.ptp(np.asarray(page, int), axis=-1) > 20).sum()


def markers(page):
    """Where along x the marker of each row stands, from the top down."""
    ink = np.ptp(np.asarray(page, int), axis=-1) > 20
    rows = np.flatnonzero(ink.any(axis=1))
    return [np.nonzero(ink[band])[1].mean() for band in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)]


def test_curve_draws_lines_and_bands():
    x = np.arange(5)
    labels = {"x_label": "fixed components", "y_label": "variance"}
    plain = charts.curve(x, {"one": x**2}, **labels)
    banded = charts.curve(x, {"one": (x**2, 1 + 0.0 * x)}, **labels)
    two = charts.curve(x, {"one": x**2, "two": x}, **labels)
    assert plain.mode == "RGB" and plain.size == banded.size == two.size
    blue = [coloured(page) for page in (plain, banded, two)]
    assert blue[1] > 2 * blue[0] and blue[2] > 1.3 * blue[0]
    titled = charts.curve(x, {"one": x**2}, **labels, title="What is left")
    frames = [np.argmax((grey(page) < 120).mean(axis=1) > 0.5) for page in (plain, titled)]
    assert frames[1] > frames[0] + 10  # the title pushes the frame down


def test_charts_need_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"^charts need .*pip install 'gdm-jax\[eval\]'$"):
        charts.curve([0, 1], {"one": [0, 1]}, x_label="", y_label="")
    with pytest.raises(ImportError, match="^charts need"):
        charts.check()


def test_points_stand_where_their_values_are():
    low, high = (charts.points(["a", "b", "c"], [0.0, value, 4.0], label="distance") for value in (1.0, 3.0))
    (first, second, third), (_, moved, _) = markers(low), markers(high)
    assert second - first == pytest.approx((third - first) / 4, abs=2)
    assert moved - first == pytest.approx(3 * (third - first) / 4, abs=2)
    sets = charts.points(["a", "b"], [[0.0, 0.2, 0.1], [1.0, 1.1, 0.9]], errors=[0.1, 0.1], label="distance")
    assert coloured(sets) > coloured(charts.points(["a", "b"], [0.0, 1.0], label=""))  # errors, dots of the sets
    assert charts.points(list("abcdef"), np.arange(6), label="").height > low.height


@pytest.mark.parametrize("names, values", [([], []), (["a"], [1.0, 2.0][:0]), (["a", "b"], [])])
def test_points_without_values(names, values):
    with pytest.raises(ValueError, match="^points: need a value for each of"):
        charts.points(names, values, label="")


@pytest.mark.parametrize(
    "series, message",
    [({}, "series: must hold a line"), ({"a": [1]}, "'a' must be"), ({"a": ([1, 2], [1, 2, 3])}, "'a' must be")],
)
def test_curve_of_bad_series(series, message):
    with pytest.raises(ValueError, match=message):
        charts.curve([0, 1], series, x_label="", y_label="")
