"""The search over steps a group finds what it should on objectives whose answer is known."""

import itertools

import numpy as np
import pytest

from gdm_jax.evaluation import search
from gdm_jax.ode import path
from gdm_jax.process import schedule


def error_of(weights):
    """Errors of first order add up: sum of w_j / N_j, least where N_j is proportional to sqrt(w_j)."""
    return lambda steps: float(sum(w / n for w, n in zip(weights, steps)))


@pytest.mark.parametrize("weights", [(1, 1, 1), (16, 4, 1), (1, 1, 25), (0.01, 1, 100), (9, 1, 4, 16)])
@pytest.mark.parametrize("total", [12, 24])
def test_finds_the_best_of_all(weights, total):
    """Against every composition of the budget; the objective is convex, so a local minimum is the global one."""
    k = len(weights)
    objective = error_of(weights)
    every = [c for c in itertools.product(range(1, total), repeat=k) if sum(c) == total]
    found = search.share_steps(objective, (total // k,) * k)
    assert sum(found.steps) == total and found.value == objective(found.steps)
    assert found.value == pytest.approx(min(map(objective, every)))
    assert len(found.tried) < (0.5 if len(every) > 100 else 0.9) * len(every)


def test_never_ends_above_the_start():
    rng = np.random.default_rng(0)
    values = {}
    found = search.share_steps(lambda steps: values.setdefault(steps, rng.normal()), (4, 4, 4, 4))
    assert found.value == min(values.values()) <= values[(4, 4, 4, 4)] and found.tried == values


def test_asks_once_and_no_more_than_told():
    asked = []

    def objective(steps):
        asked.append(steps)
        return error_of((9, 1, 1))(steps)

    notes = []
    found = search.share_steps(objective, (8, 8, 8), most=7, note=lambda *note: notes.append(note))
    assert len(asked) == len(set(asked)) == len(found.tried) == 7
    assert [steps for steps, *_ in notes] == asked and notes[-1][2] == found.value


@pytest.mark.parametrize("start", [(), (0, 4), (2.5, 2)])
def test_bad_start(start):
    with pytest.raises(ValueError, match="^search: steps to start with must be whole numbers of at least 1"):
        search.share_steps(lambda steps: 0.0, start)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)])
def test_boundaries_give_each_group_its_steps(order):
    """Equal steps over intervals that meet there are N_j steps of group j."""
    steps, of_order = (7, 2, 4, 3), schedule.uniform(4, order=order)
    meet = search.boundaries(steps, of_order.t_start)
    intervals = schedule.from_boundaries(meet).reorder(np.argsort(-np.asarray(of_order.t_start)))
    walked = path.of(intervals, steps=sum(steps)).reversed()
    assert walked.steps[np.argsort(walked.moving.argmax(1))].tolist() == list(steps)
