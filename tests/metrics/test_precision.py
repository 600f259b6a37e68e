"""Improved precision and recall against the definition, pair by pair."""

import numpy as np
import pytest

from gdm_jax.metrics import PrecisionRecall, precision, precision_recall


def share_inside(points, members, k):
    """Eq. 1 and 2 as they stand."""
    inside = 0
    for point in points:
        for i, member in enumerate(members):
            others = [np.linalg.norm(member - other) for j, other in enumerate(members) if j != i]
            if np.linalg.norm(point - member) <= sorted(others)[k - 1]:
                inside += 1
                break
    return inside / len(points)


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("sizes, d", [((40, 40), 2), ((25, 60), 5), ((50, 8), 30)])
def test_against_the_definition(sizes, d, k, monkeypatch):
    rng = np.random.default_rng(d)
    real, made = rng.normal(size=(sizes[0], d)), 0.4 + 1.3 * rng.normal(size=(sizes[1], d))
    expected = (share_inside(made, real, k), share_inside(real, made, k))
    assert precision_recall(real, made, neighbours=k) == expected
    assert precision_recall(made, real, neighbours=k) == expected[::-1]
    monkeypatch.setattr(precision, "PAIRS", 100)  # a few rows at a time
    assert precision_recall(real + 100, made + 100, neighbours=k) == expected


def test_both_are_neither_none_nor_all():
    """The oracle's cases above would say little if every share were 0 or 1."""
    rng = np.random.default_rng(2)
    for share in precision_recall(rng.normal(size=(40, 2)), 0.4 + 1.3 * rng.normal(size=(40, 2))):
        assert 0.1 < share < 0.99


def test_same_set_and_far_apart():
    x = np.random.default_rng(0).normal(size=(50, 4, 4, 1))
    found = precision_recall(x, x)
    assert isinstance(found, PrecisionRecall) and found == (1, 1)
    assert precision_recall(x, x + 100) == (0, 0)


def test_dropped_modes_cost_recall_only():
    rng = np.random.default_rng(0)
    centres = 20 * rng.normal(size=(5, 8))
    draw = lambda modes: (centres[modes, None] + rng.normal(size=(len(modes), 60, 8))).reshape(-1, 8)  # noqa: E731
    whole = precision_recall(draw([0, 1, 2, 3, 4]), draw([0, 1, 2, 3, 4]))
    fewer = precision_recall(draw([0, 1, 2, 3, 4]), draw([0, 1]))
    strange = precision_recall(draw([0, 1]), draw([0, 1, 2, 3, 4]))
    assert min(whole) > 0.7
    assert fewer.precision > 0.7 and fewer.recall == pytest.approx(0.4 * whole.recall, abs=0.06)
    assert strange.recall > 0.7 and strange.precision == pytest.approx(0.4 * whole.precision, abs=0.06)


@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_duplicates_are_inside(scale, offset):
    """A ball of radius 0 around a member that is there four times still holds a fifth copy, and nothing else."""
    rng = np.random.default_rng(0)
    points = (offset + scale * rng.normal(size=(20, 64))).astype(np.float32)
    real = np.repeat(points, 4, axis=0)
    assert precision_recall(real, points) == (1, 1)
    beside = np.nextafter(points, np.float32(np.inf))
    assert precision_recall(real, beside).precision == 0
    assert precision_recall(real, np.concatenate([points, beside, beside, beside])).precision == 0.25


def test_near_is_not_the_same():
    """Differences far below the rounding of |x|^2 + |y|^2 still keep a point out of a ball of radius 0."""
    points = np.random.default_rng(0).normal(size=(20, 64))
    real = np.repeat(points, 4, axis=0)
    assert precision_recall(real, points + 1e-12) == (0, 1)


def test_the_rim_is_inside():
    """Each ball reaches to the other member of its pair; opposite to that lies a point as far away, to rounding."""
    rng = np.random.default_rng(0)
    centres, steps = 10 * rng.normal(size=(100, 64)), rng.normal(size=(100, 64))
    real = np.concatenate([centres, centres + steps])
    assert precision_recall(real, centres - steps, neighbours=1).precision == 1
    assert precision_recall(real, centres - (1 + 1e-7) * steps, neighbours=1).precision == 0


@pytest.mark.parametrize(
    "real, made, options, message",
    [
        (np.ones((3, 2)), np.ones((9, 2)), {}, "at least 4 members, got 3 real"),
        (np.ones((9, 2)), np.ones((3, 2)), {}, "at least 4 members, got 3 made"),
        (np.ones((9, 2)), np.ones((9, 2)), {"neighbours": 0}, "at least 1, got 0"),
        (np.ones((9, 2)), np.ones((9, 2, 2)), {}, "2 and 4 features"),
        (np.ones(9), np.ones((9, 2)), {}, r"real must be of shape \[n, \.\.\.\], got \(9,\)"),
        (np.ones((9, 2)), np.ones((9, 0)), {}, r"made must be of shape \[n, \.\.\.\], got \(9, 0\)"),
        (np.ones((9, 2)), np.full((9, 2), np.nan), {}, "made: 9 of 9 members hold NaN"),
    ],
)
def test_bad_sets(real, made, options, message):
    with pytest.raises(ValueError, match=message):
        precision_recall(real, made, **options)
