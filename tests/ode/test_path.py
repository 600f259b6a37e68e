"""The path of alpha, piece by piece, against the schedule that it is made of."""

import jax
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax.ode import path

SCHEDULES = {
    "single": gdm.schedule.scalar(),
    "uniform": gdm.schedule.uniform(3, order=(1, 2, 0)),
    "boundaries": gdm.schedule.from_boundaries((0.3, 0.45, 0.5)),
    "overlapping": gdm.schedule.overlapping(3, 0.4),
    "at once": gdm.schedule.overlapping(3, 1.0),
    "pauses": gdm.schedule.from_intervals([0.8, 0.3, 0.1], [0.9, 0.6, 0.4]),
}


@pytest.fixture(params=SCHEDULES)
def schedule(request):
    return SCHEDULES[request.param]


def test_pieces_follow_the_schedule(schedule):
    """Alpha at both ends of a piece is the schedule's, within it a straight line; in what is left out it rests."""
    forward = path.of(schedule)
    np.testing.assert_allclose(forward.alpha_start, schedule.alpha(forward.t_start), atol=1e-6)
    np.testing.assert_allclose(forward.alpha_end, schedule.alpha(forward.t_end), atol=1e-6)
    middle = schedule.alpha((forward.t_start + forward.t_end) / 2)
    np.testing.assert_allclose((forward.alpha_start + forward.alpha_end) / 2, middle, atol=1e-6)
    assert forward.moving.any(1).all() and (forward.t_end > forward.t_start).all()
    np.testing.assert_allclose((forward.alpha_start - forward.alpha_end).sum(0), 1, atol=1e-6)
    np.testing.assert_array_equal(forward.alpha_start[1:], forward.alpha_end[:-1])
    np.testing.assert_array_equal(forward.alpha_start[0], 1)
    np.testing.assert_array_equal(forward.alpha_end[-1], 0)


def test_visible_once_begun(schedule):
    """Generation has begun where alpha has left 0 by the time that the piece is over (generation walks it backward)."""
    forward = path.of(schedule)
    np.testing.assert_array_equal(forward.visible, forward.alpha_start > 0)
    assert (forward.visible[forward.moving] == 1).all()


@pytest.mark.parametrize("steps", [None, 20])
def test_generation_walks_the_same_pieces_back(schedule, steps):
    forward = path.of(schedule, steps=steps)
    back = forward.reversed()
    for name, mirror in [
        ("alpha_start", "alpha_end"),
        ("t_start", "t_end"),
        ("visible", "visible"),
        ("steps", "steps"),
    ]:
        a, b = getattr(forward, name), getattr(back, mirror)
        assert (a is None and b is None) or np.array_equal(a, b[::-1])


def test_steps_are_shared_out_by_length(schedule):
    pieces = len(path.of(schedule).t_start)
    for total in (pieces, 20, 97, 1000):
        forward = path.of(schedule, steps=total)
        length = forward.t_end - forward.t_start
        ideal = total * length / length.sum()
        assert forward.steps.sum() == total and (forward.steps >= 1).all()
        if (ideal >= 1).all():
            assert (np.abs(forward.steps - ideal) < 1).all()
    with pytest.raises(ValueError, match=f"at least one for each piece of the path, {pieces} here, got {pieces - 1}"):
        path.of(schedule, steps=pieces - 1)


def test_steps_of_groups():
    """N_j goes to the piece in which group j moves."""
    forward = path.of(gdm.schedule.uniform(3, order=(1, 2, 0)), steps=(5, 7, 9))
    assert forward.steps.tolist() == [5, 9, 7]
    assert forward.moving.argmax(1).tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    "held, moves", [({"done": [1]}, [2, 0]), ({"waiting": [0]}, [1, 2]), ({"done": [1], "waiting": [0]}, [2])]
)
def test_held_groups(held, moves):
    """They rest at 1 or 0 throughout; the pieces of the others are as they were, steps and all."""
    schedule = gdm.schedule.uniform(3, order=(1, 2, 0))
    whole, part = (path.of(schedule, steps=(5, 7, 9), **options).reversed() for options in ({}, held))
    assert part.moving.argmax(1).tolist() == moves
    assert part.steps.tolist() == [(5, 7, 9)[j] for j in moves]
    for groups, value in ((held.get("done", []), 1), (held.get("waiting", []), 0)):
        for leaf in (part.alpha_start, part.alpha_end, part.visible):
            np.testing.assert_array_equal(leaf[:, groups], value)
    others = [j for j in range(3) if j not in sum(held.values(), [])]
    rows = np.isin(whole.moving.argmax(1), moves)
    for name in ("alpha_start", "alpha_end", "visible"):
        np.testing.assert_array_equal(getattr(part, name)[:, others], getattr(whole, name)[rows][:, others])
    np.testing.assert_array_equal(part.t_start, whole.t_start[rows])


def test_held_among_overlapping_groups():
    """A piece in which another group moves as well stays, with that group alone."""
    schedule = gdm.schedule.overlapping(3, 0.4)
    whole, part = (path.of(schedule, steps=40, done=done) for done in ((), [1]))
    rows = whole.moving[:, [0, 2]].any(1)
    np.testing.assert_array_equal(part.steps, whole.steps[rows])
    np.testing.assert_array_equal(part.moving, whole.moving[rows] & [True, False, True])


def test_everything_held():
    part = path.of(gdm.schedule.uniform(2), steps=4, done=[0], waiting=[1])
    assert len(part.t_start) == 0 and len(part.steps) == 0


def test_frame_times():
    back = path.of(gdm.schedule.uniform(2)).reversed()
    np.testing.assert_allclose(back.frame_times(4), [[0.875, 0.75, 0.625, 0.5], [0.375, 0.25, 0.125, 0]], atol=1e-7)
    assert back.frame_times(0).shape == (2, 0)


@pytest.mark.usefixtures("unchecked")
def test_bad_input():
    schedule = gdm.schedule.uniform(3)
    for options, message in [
        ({"done": [3]}, "3 is out of range; there are groups 0..2"),
        ({"waiting": [-1]}, "-1 is out of range"),
        ({"steps": 4.5}, "whole numbers, a total or one a group, got 4.5"),
        ({"steps": (1, 2)}, "a total or 3 positive numbers"),
        ({"steps": (1, 2, -3)}, "a total or 3 positive numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            path.of(schedule, **options)
    with pytest.raises(ValueError, match="one at a time"):
        path.of(gdm.schedule.overlapping(3, 0.2), steps=(4, 4, 4))
    with pytest.raises(
        ValueError, match=r"expected one schedule for the batch, \[k\], got intervals of shape \(2, 3\)"
    ):
        path.of(schedule.reorder([[0, 1, 2], [1, 2, 0]]))
    with pytest.raises(ValueError, match="the schedule is traced, so its pieces are not known"):
        jax.jit(lambda schedule: path.of(schedule))(schedule)


def test_group_numbers():
    assert path.check_groups((2, 0, np.int64(2)), 3) == [0, 2]
    assert path.check_groups([], 3) == []
