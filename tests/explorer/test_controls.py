"""What the controls say is what was written to them."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdm_jax.explorer import State, controls

K = 5
SEEDS = st.integers(0, 2**32 - 1)
SETTINGS = st.fixed_dictionaries(
    {
        "seed": SEEDS,
        "image": st.text("ab"),
        "donor": SEEDS,
        "donor_image": st.text("ab"),
        "shares": st.dictionaries(st.integers(0, K - 1), st.floats(0.01, 1)),
        "redrawn": st.dictionaries(st.integers(0, K - 1), SEEDS.filter(bool)),
        "moved": st.dictionaries(st.integers(0, 99), st.floats(0.01, controls.EXTENT), max_size=controls.ELEMENTS),
        "keep": st.sets(st.integers(0, K - 1)).map(lambda groups: tuple(sorted(groups))),
        "fill": SEEDS,
    }
)


@settings(deadline=None)
@given(SETTINGS)
def test_read_undoes_write(values):
    state = State("digits", **values)
    assert controls.read(controls.write(state, K)) == state


def test_empty_numbers_are_zero():
    values = controls.write(State("digits"), K)
    assert controls.read({**values, "seed": None, "element0": None, "keep": None}) == State("digits")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": {5: 0.5}}, "link: there are sliders for groups 0 to 4"),
        ({"redrawn": {5: 1}}, "link: there are sliders for groups 0 to 4"),
        ({"moved": dict.fromkeys(range(7), 1.0)}, "link: .* and for 6 elements at once"),
        ({"moved": {0: 9.0}}, "link: elements are moved by 4 at most"),
        ({"keep": (5,)}, "link: groups 0 to 4 can be kept on the page"),
    ],
)
def test_settings_without_a_control(changes, message):
    with pytest.raises(ValueError, match=message):
        controls.write(dataclasses.replace(State("digits"), **changes), K)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": -1}, "seed: must be a whole number from 0 to 4294967295, got -1"),
        ({"redrawn0": 2**32}, "noise: must be a whole number"),
        ({"moved0": 1, "moved1": 2, "element1": 0}, "element: two rows move element 0"),
    ],
)
def test_values_that_say_nothing(values, message):
    with pytest.raises(ValueError, match=message):
        controls.read({**controls.write(State("digits"), K), **values})
