"""Families of schedules: what they draw, what they hold, what one may go on from."""

import itertools
import signal

import jax
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax.process import family

SETS = [gdm.schedule.uniform(3), gdm.schedule.from_boundaries((0.2, 0.3)), gdm.schedule.overlapping(3, 0.4)]
SOME = [(0, 1, 2), (2, 1, 0), (1, 2, 0)]


def members(sets, orders):
    """Every member as (t_start, t_end), written out: interval n goes to the group generated n-th."""
    found = {}
    for n, m in itertools.product(range(len(sets)), range(len(orders))):
        interval = np.empty((2, 3), np.float32)
        for place, group in enumerate(orders[m]):
            interval[:, group] = sets[n].t_start[place], sets[n].t_end[place]
        found[interval.tobytes()] = n, m
    return found


@pytest.mark.parametrize("orders", [None, SOME], ids=["all", "some"])
def test_draws_are_members_equally_often(orders):
    """Under vmap, one for each key: every set with every order, each in its share to 5 standard deviations."""
    every = list(itertools.permutations(range(3))) if orders is None else orders
    known, count = members(SETS, every), 3600
    drawn = jax.jit(jax.vmap(family.of(SETS, orders).draw))(jax.random.split(jax.random.key(0), count))
    assert drawn.t_start.shape == drawn.t_end.shape == (count, 3)
    pairs = [known[interval.tobytes()] for interval in np.stack([drawn.t_start, drawn.t_end], axis=1)]
    table = np.zeros((len(SETS), len(every)))
    np.add.at(table, tuple(np.array(pairs).T), 1)
    share = 1 / table.size
    assert (np.abs(table - count * share) < 5 * np.sqrt(count * share * (1 - share))).all()


def test_one_draw():
    """Without vmap, as with it; the same key gives the same schedule."""
    of = family.of(SETS, SOME)
    keys = jax.random.split(jax.random.key(1), 3)
    many = jax.vmap(of.draw)(keys)
    for n in range(3):
        np.testing.assert_array_equal(of.draw(keys[n]).t_start, many.t_start[n])


def test_draws_serve_alpha():
    """Schedules of a batch give alpha of a batch, 1 at t = 0 and 0 at t = 1."""
    drawn = jax.vmap(family.of(SETS).draw)(jax.random.split(jax.random.key(2), 4))
    np.testing.assert_array_equal(drawn.alpha(np.zeros(4)), np.ones((4, 3)))
    np.testing.assert_array_equal(drawn.alpha(np.ones(4)), np.zeros((4, 3)))


@pytest.mark.parametrize("orders", [None, SOME], ids=["all", "some"])
def test_given(orders):
    """For every set of groups: a member under which exactly these are finished first, or an error naming the sets."""
    of = family.of([SETS[2], SETS[1]], orders)  # only the second set can go on from anything
    every = list(itertools.permutations(range(3))) if orders is None else orders
    possible = {tuple(sorted(order[:n])) for order in every for n in (1, 2)}
    known = members(SETS, every)
    for kept in (kept for n in range(4) for kept in itertools.combinations(range(3), n)):
        if kept in possible:
            schedule = of.given(kept[::-1])
            assert kept in schedule.prefixes()
            assert known[np.stack([schedule.t_start, schedule.t_end]).tobytes()][0] == 1
        else:
            with pytest.raises(ValueError, match="was not trained to go on from groups") as raised:
                of.given(kept)
            named = "from any 1 or 2 groups" if orders is None else r"from [0], [1], [2], [0, 1], [1, 2]"
            assert str(raised.value).endswith(named)


def test_given_nothing_to_go_on_from():
    for orders in (None, SOME):
        with pytest.raises(ValueError, match="groups overlap in time, so that none is finished"):
            family.of([SETS[2]], orders).given([0])


@pytest.mark.parametrize("orders", [None, SOME], ids=["all", "some"])
def test_given_groups_out_of_range(orders):
    """The field is named as the caller knows it."""
    with pytest.raises(ValueError, match="^(keep|groups?): .*7"):
        family.of(SETS, orders).given([7])


def test_schedule():
    of = family.of(SETS, SOME[1:])
    for order, n in itertools.product(SOME[1:], range(3)):
        schedule = of.schedule(order, intervals=n)
        assert members(SETS, SOME[1:])[np.stack([schedule.t_start, schedule.t_end]).tobytes()] == (
            n,
            SOME[1:].index(order),
        )
    np.testing.assert_array_equal(of.schedule().t_start, of.schedule(SOME[1]).t_start)
    np.testing.assert_array_equal(family.of(SETS).schedule().t_start, SETS[0].t_start)
    assert family.of(SETS).schedule(np.array([2, 0, 1])).prefixes() == [(2,), (0, 2)]
    with pytest.raises(ValueError, match=r"not trained on \(0, 1, 2\); it was on \(2, 1, 0\), \(1, 2, 0\)$"):
        of.schedule((0, 1, 2))
    for bad in [(0, 1), (0, 0, 1), (1, 2, 3)]:
        with pytest.raises(ValueError, match=r"permutation of 3 groups, 0\.\.2"):
            of.schedule(bad)


@pytest.mark.parametrize(
    "schedules, orders, message",
    [
        ([], None, "one or more of the same k"),
        ([gdm.schedule.uniform(2), gdm.schedule.uniform(3)], None, r"of the same k, got \[2, 3\]"),
        (SETS, [], "at least one; None means all"),
        (SETS, [(0, 1, 2), (0, 1, 1)], r"permutation of 3 groups, 0\.\.2, got \(0, 1, 1\)"),
        (SETS, [(0, 1)], r"permutation of 3 groups, 0\.\.2, got \(0, 1\)"),
    ],
)
def test_bad_input(schedules, orders, message):
    with pytest.raises(ValueError, match=message):
        family.of(schedules, orders)


@pytest.mark.parametrize("k, count", [(1, 4), (3, 4), (3, 6), (3, 100), (6, 50), (8, 50), (20, 7)])
def test_random_orders(k, count):
    """Different permutations, as many as asked or as there are, the same for the same seed."""
    found = family.random_orders(k, count)
    assert len(set(found)) == len(found) == min(count, len(list(itertools.permutations(range(min(k, 7))))))
    assert all(sorted(order) == list(range(k)) for order in found)
    assert found == family.random_orders(k, count)
    assert k == 1 or count >= 100 or found != family.random_orders(k, count, seed=1)


def test_more_random_orders_than_there_are():
    """All 7! of them, and it ends."""

    def stop(*_):
        raise TimeoutError("random_orders(7, 5041) does not end: there are 5040")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(5)
    try:
        assert len(set(family.random_orders(7, 5041))) == 5040
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
