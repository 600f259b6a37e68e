"""The notebooks run from top to bottom as a stranger would run them, with fewer steps of training."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

NOTEBOOKS = sorted((pathlib.Path(__file__).parents[1] / "launch" / "colab").glob("*.ipynb"))
LEAVES = {"1_plane": ["plane.gif"], "2_images": ["film.gif"], "3_compose": []}


def cells(notebook):
    return [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_runs(notebook, run, tmp_path):
    shutil.copytree(run[0], tmp_path / "runs" / "digits")
    first, *code = ["".join(cell["source"]) for cell in cells(notebook)]
    assert first.startswith("%pip install ") and "\n" not in first
    program = "\n".join(code).replace("steps = 6_000", "steps = 20").replace("steps = 3_000", "steps = 20")
    assert notebook.stem == "2_images" or "steps = 20" in program
    found = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "XLA_FLAGS": ""},
                           capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    for name in LEAVES[notebook.stem]:
        assert (tmp_path / name).stat().st_size > 1_000


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_is_kept_without_outputs(notebook):
    for cell in cells(notebook):
        assert cell["outputs"] == [] and cell["execution_count"] is None
