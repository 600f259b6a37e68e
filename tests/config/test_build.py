"""What a config describes: families of schedules, the path that samples take, and that each thing is made once."""

import dataclasses

import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import ode
from gdm_jax.config import build
from gdm_jax.networks import MLP
from gdm_jax.process import family as families
from gdm_jax.process.interpolant import INTERPOLANTS
from tests.runs import compilations

FAMILIES = [
    ({"schedule.order": [[3, 2, 1, 0], [0, 1, 2, 3]]}, 2, (3, 2, 1, 0)),
    ({"schedule.order": [1, 0, 2, 3], "schedule.overlap": [0.0, 0.5, 1.0]}, 3, (1, 0, 2, 3)),
    ({"schedule.boundaries": [[0.2, 0.4, 0.6], [0.1, 0.2, 0.3]], "schedule.random_orders": 3}, 6, None),
    ({"schedule.random_orders": 100}, 24, None),
    ({"schedule.random_order": True, "sampling.order": [2, 3, 0, 1]}, 24, (2, 3, 0, 1)),
    ({"schedule.order": [[3, 2, 1, 0], [0, 1, 2, 3]], "sampling.order": [0, 1, 2, 3]}, 2, (0, 1, 2, 3)),
    ({"schedule.order": [3, 1, 2, 0], "sampling.boundaries": [0.1, 0.2, 0.9]}, 1, (3, 1, 2, 0)),
]


def four_blocks(changes):
    """A config of four blocks of 8x8 pixels with some fields changed."""
    values = {"process": {"groups": "blockwise", "blocks": [2, 2]}}
    for name, value in changes.items():
        section, _, leaf = name.partition(".")
        values.setdefault(section, {})[leaf] = value
    return configs.from_dict(values)


@pytest.mark.parametrize("changes, count, order", FAMILIES)
def test_families_of_schedules(changes, count, order):
    """They survive JSON, hold so many schedules, and are sampled from in the order that is asked for or comes first."""
    config = four_blocks(changes)
    assert configs.from_json(configs.to_json(config)) == config
    family = build.family(config, 4)
    orders = 24 if family.orders is None else len(family.orders)
    assert len(family.intervals.t_start) * orders == count
    start = np.asarray(build.schedule(config, 4).t_start)
    first = np.argsort(-start).tolist()
    assert first == list(family.orders[0] if order is None else order)


@pytest.mark.parametrize("overlap", [0.0, 0.5, 1.0])
def test_sampling_picks_one_overlap(overlap):
    config = four_blocks({"schedule.overlap": [0.0, 0.5, 1.0], "sampling.overlap": [overlap]})
    chosen = build.schedule(config, 4)
    np.testing.assert_allclose(np.asarray(chosen.t_end - chosen.t_start), 1 / 4 + overlap * 3 / 4, atol=1e-6)


def test_random_orders_depend_on_the_seed_alone():
    """So that a run that goes on, and a model loaded from it, know the orders it was trained on."""
    orders = [build.family(four_blocks({"schedule.random_orders": 5, **seed}), 4).orders for seed in ({}, {})]
    np.testing.assert_array_equal(*orders)
    other = dataclasses.replace(four_blocks({"schedule.random_orders": 5}), seed=1)
    assert (build.family(other, 4).orders != orders[0]).any()
    assert len({tuple(order) for order in orders[0].tolist()}) == 5


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"schedule.order": [[0, 1, 2, 3], [0, 1, 2, 2]]}, "schedule.order: expected a permutation of 4 groups, 0..3, "
         "got (0, 1, 2, 2)"),
        ({"schedule.order": [0, 1, 2, 3], "schedule.random_order": True}, "schedule.order: set one of order, random_"),
        ({"schedule.random_order": True, "schedule.random_orders": 3}, "schedule.order: set one of order, random_"),
        ({"schedule.boundaries": [0.2, 0.4, 0.6], "schedule.overlap": [0.0, 0.5]}, "schedule.overlap: must be 0 where "
         "schedule.boundaries are given, got (0.0, 0.5)"),
        ({"schedule.boundaries": [[0.2, 0.4, 0.6], [0.2, 0.4]]}, "schedule.boundaries: 4 groups need 3 boundaries, got "
         "(0.2, 0.4)"),
        ({"schedule.boundaries": [0.2, 0.6, 0.4]}, "schedule.boundaries: must rise strictly"),
        ({"schedule.boundaries": [0.2, "half", 0.6]}, "schedule.boundaries: 4 groups need 3 boundaries, got (0.2, 'ha"),
        ({"schedule.order": [3, 2, 1, 0], "sampling.order": [0, 1, 2, 3]}, "the network was not trained on "
         "(0, 1, 2, 3); it was on (3, 2, 1, 0)"),
        ({"sampling.order": [0, 1, 2]}, "sampling.order: expected a permutation of 4 groups, 0..3, got (0, 1, 2)"),
        ({"sampling.overlap": [0.5]}, "sampling.overlap: must be one that the network was trained on, (0.0,), got 0.5"),
        ({"schedule.overlap": [0.0, 0.5], "sampling.overlap": [0.5], "sampling.boundaries": [0.2, 0.4, 0.6]},
         "sampling.overlap: one number, or boundaries without it, got (0.5,)"),
        ({"schedule.overlap": [1.0], "sampling.boundaries": [0.2, 0.4, 0.6]}, "sampling.overlap: must be one that the "
         "network was trained on, (1.0,), got 0.0"),
    ],
)
def test_bad_families(changes, message):
    """Orders, overlaps and boundaries that do not go together, in one line."""
    with pytest.raises(ValueError) as caught:
        four_blocks(changes)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("changes", [{}, {"solver": "heun", "steps": 8}])
def test_a_load_builds_each_thing_once(run, monkeypatch, changes):
    """A process, a family and a network; another path of the same model builds none of them again."""
    made = []

    def counted(place, name):
        original = getattr(place, name)
        monkeypatch.setattr(place, name, lambda *given, **named: (made.append(name), original(*given, **named))[1])

    counted(build, "Process")
    counted(families, "of")
    counted(build, "network")
    model = gdm.load(run[0], **changes)
    assert sorted(made) == ["Process", "network", "of"]
    model.under(steps=16)
    assert len(made) == 3


def bands(**model):
    """A config of digits in two bands of frequencies."""
    return configs.from_dict(
        {
            "data": {"name": "digits"},
            "process": {"groups": "frequency_bands", "basis": "dct", "bands": [4]},
            "model": {"name": "mlp", **model},
            "training": {"start_from": "a run"},
        }
    )


@pytest.mark.parametrize("model", [{}, {"space": "frequency"}, {"precondition": True, "jumps": True}, {"name": "unet"}])
def test_equal_networks_are_one(model):
    """Whatever else of the config differs; not so one that has another field, basis or partition."""
    config = bands(channels=32, **model)

    def network(config, **own):
        return build.network(config, build.process(config), own or None)

    first = network(config)
    assert network(dataclasses.replace(config, seed=1, sampling=configs.Sampling(steps=(3,)))) is first
    assert network(bands(channels=64, **model)) is not first
    if "space" in model or "precondition" in model:  # it knows of the process
        finer = dataclasses.replace(config.process, basis="gaussian_blur", bands=(5,))
        assert network(dataclasses.replace(config, process=finer)) is not first


def test_a_network_of_ones_own_is_made_anew():
    """What it reads elsewhere may have changed."""
    config, own = bands(), {"networks": {"mlp": lambda channels: MLP(channels)}}
    first, second = (build.network(config, build.process(config), own) for _ in range(2))
    assert first == second and first is not second


def test_another_entry_of_a_table_is_compiled(monkeypatch):
    """Programs know solvers and interpolants by name: one that is replaced would be taken for the old one."""
    config = bands()
    first = build.network(config, build.process(config))
    with monkeypatch.context() as changed:
        changed.setitem(ode.SOLVERS, "euler", ode.SOLVERS["heun"])
        assert build.network(config, build.process(config)) is not first
    with monkeypatch.context() as changed:
        changed.setitem(INTERPOLANTS, "linear", INTERPOLANTS["variance_preserving"])
        assert build.network(config, build.process(config)) is not first
    assert build.network(config, build.process(config)) is first


def test_a_model_that_is_loaded_again_is_compiled_already(run):
    first = gdm.load(run[0]).sample(8)
    with compilations() as found:
        again = gdm.load(run[0]).sample(8)
    assert not found
    np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"inverse_steps": (24, 40), "steps": (8,)}, (24, 40)),
        ({"inverse_steps": (96,), "solver": "heun"}, 96),
        ({"solver": "euler", "steps": (3, 5)}, (3, 5)),
        ({"solver": "euler", "steps": (16,)}, 16),
        ({"solver": "abm3", "steps": (16,)}, 128),
        ({"solver": "tsit5", "steps": ()}, 128),
    ],
)
def test_steps_that_invert_undoes(fields, expected):
    """Its own field, else Euler's steps, else 128; a path of more pieces takes a step for each."""
    sampling = configs.Sampling(**fields)
    assert build.inverse_steps(sampling, 4) == expected
    assert build.inverse_steps(sampling, 300) == (300 if expected == 128 else expected)
