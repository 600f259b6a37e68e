"""The notebooks run from top to bottom as a stranger would run them, with fewer steps of training."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

COLAB = pathlib.Path(__file__).parents[1] / "launch" / "colab"
LEAVES = {"1_images": "film.gif", "2_plane": "plane.gif", "3_compose": None, "4_train": None}
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
def test_runs(notebook, tmp_path):
    """From top to bottom. GDM_WHOLE_NOTEBOOKS=1 leaves training as long as it is."""
    code = ["".join(cell["source"]) for cell in cells(notebook)]
    install, *rest = "\n".join(code).splitlines()
    assert install.startswith("%pip install -q ") and not [line for line in rest if line.startswith("%")]
    program = "\n".join(rest)
    if not os.environ.get("GDM_WHOLE_NOTEBOOKS"):
        for long, short in json.loads(notebook.read_text())["metadata"].get("shorter", {}).items():
            assert long in program
            program = program.replace(long, short)
    place = {"XLA_FLAGS": "", "JAX_DISABLE_MOST_OPTIMIZATIONS": "0", "TFDS_DATA_DIR": str(tmp_path / "data")}
    found = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, **place},
                           capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    if film := LEAVES[notebook.stem]:
        pages = moments(tmp_path / film)[:, 40:]  # below the captions
        assert len(pages) > 10
        assert np.diff(pages, axis=0).any((1, 2)).all()  # something moves at every moment


def test_opens_with_a_badge_and_one_cell_that_leaves_jax_alone():
    for notebook in NOTEBOOKS:
        first, second, *_ = json.loads(notebook.read_text())["cells"]
        assert f"launch/colab/{notebook.name})" in "".join(first["source"])
        install = "".join(second["source"])
        assert "jax.devices()" in install
        assert not re.search(r"(?<!gdm-)jax", install.partition("\n")[0].partition("#")[0])


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_is_kept_without_outputs(notebook):
    found = cells(notebook)
    assert len(found) > 4
    for cell in found:
        assert cell["outputs"] == [] and cell["execution_count"] is None
