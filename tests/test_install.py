"""What an install asks for: nothing that would move what Colab preinstalls."""

import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import venv

import pytest
from packaging.requirements import Requirement

PINS = pathlib.Path(__file__).parents[1] / "launch" / "colab" / "constraints.txt"


def plain():
    """What is required without an extra, by name."""
    found = map(Requirement, importlib.metadata.requires("gdm-jax") or ())
    return {one.name: one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})}


def pins():
    """What Colab preinstalls, by name."""
    lines = [line for line in PINS.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def test_what_colab_preinstalls_is_enough():
    there, required = pins(), plain()
    assert {"jax", "flax", "numpy", "orbax-checkpoint"} <= there.keys() and there.keys() - required.keys() == {"jaxlib"}
    for name in there.keys() & required.keys():
        assert required[name].specifier.contains(there[name]), required[name]


def test_an_install_moves_nothing_that_colab_preinstalls(tmp_path):
    """As pip resolves it today, without constraints, where the pins are said to be installed."""
    venv.create(tmp_path / "venv", with_pip=False)
    (place,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    for name, version in pins().items():
        said = place / f"{name.replace('-', '_')}-{version}.dist-info"
        said.mkdir()
        (said / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    report = tmp_path / "report.json"
    wanted = [str(requirement) for requirement in plain().values()]
    pip = [sys.executable, "-m", "pip", "--python", str(tmp_path / "venv"), "install", "--quiet", "--dry-run"]
    free = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    found = subprocess.run([*pip, "--report", report, *wanted], capture_output=True, text=True, env=free)
    if "(from versions: none)" in found.stderr:
        pytest.skip(f"needs a package index: {found.stderr.splitlines()[-1]}")
    assert found.returncode == 0, found.stderr
    chosen = {one["metadata"]["name"].lower() for one in json.loads(report.read_text())["install"]}
    assert "diffrax" in chosen and not chosen & pins().keys()


def test_only_a_known_break_is_a_cap():
    """Orbax 1.0 moves its interface; lineax 0.1.1 would move Colab's JAX."""
    capped = {name for name, one in plain().items() if any("<" in part.operator for part in one.specifier)}
    assert capped == {"lineax", "orbax-checkpoint"}
    assert importlib.metadata.metadata("gdm-jax")["Requires-Python"] == ">=3.11"
