"""The notebooks run from top to bottom as a stranger would run them, with fewer steps of training."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

COLAB = pathlib.Path(__file__).parents[1] / "launch" / "colab"
LEAVES = {"1_plane": ["plane.gif"], "2_images": ["film.gif"], "3_compose": []}
NOTEBOOKS = [COLAB / f"{name}.ipynb" for name in LEAVES]


def cells(notebook):
    return [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]


def test_every_notebook_is_looked_at():
    assert sorted(COLAB.glob("*.ipynb")) == NOTEBOOKS


def moments(file):
    """The frames of a film as grey pictures, `[frames, height, width]`."""
    with Image.open(file) as film:
        pages = []
        for i in range(film.n_frames):
            film.seek(i)
            pages.append(np.asarray(film.convert("L"), float))
    return np.stack(pages)


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
        pages = moments(tmp_path / name)[:, 40:]  # below the captions
        assert len(pages) > 10
        assert np.diff(pages, axis=0).any((1, 2)).all()  # something moves at every moment


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_is_kept_without_outputs(notebook):
    found = cells(notebook)
    assert len(found) > 4
    for cell in found:
        assert cell["outputs"] == [] and cell["execution_count"] is None
