"""What an install asks for: nothing that would move what Colab preinstalls."""

import importlib.metadata
import pathlib

from packaging.requirements import Requirement

PINS = pathlib.Path(__file__).parents[1] / "launch" / "colab" / "constraints.txt"


def plain():
    """What is required without an extra, by name."""
    found = map(Requirement, importlib.metadata.requires("gdm-jax") or ())
    return {one.name: one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})}


def test_what_colab_preinstalls_is_enough():
    lines = [line for line in PINS.read_text().splitlines() if not line.startswith("#")]
    pins, required = dict(line.split("==") for line in lines), plain()
    assert {"jax", "flax", "numpy", "orbax-checkpoint"} <= pins.keys() and pins.keys() - required.keys() == {"jaxlib"}
    for name in pins.keys() & required.keys():
        assert required[name].specifier.contains(pins[name]), required[name]


def test_only_a_known_break_is_a_cap():
    """Orbax 1.0 moves its interface."""
    capped = {name for name, one in plain().items() if any("<" in part.operator for part in one.specifier)}
    assert capped == {"orbax-checkpoint"}
    assert importlib.metadata.metadata("gdm-jax")["Requires-Python"] == ">=3.11"
