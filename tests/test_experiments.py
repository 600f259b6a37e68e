"""The paper's experiments, every one run at its smallest scale, from training to report, and run again from what is
there; the other scales as far as their configs.
"""

import json
import pathlib

import numpy as np
import pytest
import scipy.stats
from PIL import Image

from gdm_jax import experiments, training
from gdm_jax.experiments import EXPERIMENTS, SCALES, Lab, groupings, orders

pytest.importorskip("matplotlib", reason="matplotlib draws charts; pip install gdm-jax[test]")
pytestmark = pytest.mark.usefixtures("compile_fast")

CONFIGS = pathlib.Path(__file__).parents[1] / "configs"
PICTURES = {
    "groupings": {"distances", "samples"},
    "orders": {"distances", "strips"},
    "numbers": {"distances"},
    "intervals": {"distances"},
    "domain": {"distances", "samples"},
    "hierarchy": {"perception", "reconstruction", *(f"fig{n}" for n in (3, 4, 6, 7, 9))},
    "solvers": {"distances", "round_trip"},
}


@pytest.fixture(scope="module")
def lab(digits_dir, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    return Lab("smoke", runs, CONFIGS, (f"--config.data.dir={digits_dir}",), progress=False)


def numbers_in(value):
    """Every number in nested plain values."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in numbers_in(part)]
    return [value] if isinstance(value, (int, float)) else []


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.filterwarnings("ignore:statistics")
def test_every_experiment_runs_and_runs_again(lab, name, monkeypatch):
    """The second time nothing is trained and no number changes."""
    report = EXPERIMENTS[name](lab)
    paths = experiments.write(lab, name, report)
    text, written = paths[0].read_text(), json.loads(paths[1].read_text())
    assert f"Made by `gdm experiment {name} --scale smoke --config.data.dir=" in text
    assert written["experiment"] == name and text.count("|\n|") >= 3
    found = np.array(numbers_in(written), float)
    assert len(found) > 10 and np.isfinite(found).all()
    names = {path.stem.split("_")[0] if path.stem.startswith("fig") else path.stem for path in paths[2:]}
    assert names == PICTURES[name]
    for path in paths[2:]:
        assert f"({path.name})" in text
        assert np.ptp(np.asarray(Image.open(path).convert("L"), int)) > 100

    monkeypatch.setattr(training, "train", None)
    again = EXPERIMENTS[name](lab)
    assert again.text == report.text
    assert json.dumps(again.numbers, sort_keys=True) == json.dumps(report.numbers, sort_keys=True)


@pytest.mark.parametrize("scale", SCALES)
def test_configs_of_every_scale(scale, tmp_path):
    lab = Lab(scale, tmp_path, CONFIGS, ("--config.seed=5",))
    for variant in (*groupings.PAPER, "vanilla", "blockwise", "bands"):
        config = lab.config(variant)
        assert config.seed == 5
        assert config.process.groups == {"vanilla": "single", "bands": "frequency_bands"}.get(variant, variant)
    images = lab.config("vanilla").training.batch * lab.config("vanilla").training.steps
    assert {"paper": 199e6 < images < 201e6, "small": images < 1e6, "smoke": images < 1e3}[scale]
    assert lab.config("right_to_left", "process.k=4").process.k == 4


def test_confidence_interval():
    values = np.random.default_rng(0).normal(3, 1, 7)
    mean, half = orders.interval(values)
    low, high = scipy.stats.t.interval(0.95, 6, values.mean(), scipy.stats.sem(values))
    np.testing.assert_allclose([mean - half, mean + half], [low, high])


def test_a_model_of_ones_own(lab, tmp_path):
    """--workdir takes the place of the model of bands, and of no other."""
    model = lab.model("bands")
    own = Lab("smoke", tmp_path, CONFIGS, lab.overrides, workdir=str(lab.folder / "bands"), progress=False)
    assert own.model("bands").step == model.step and not (own.folder / "bands").exists()


def test_bad_lab(tmp_path):
    with pytest.raises(ValueError, match="^--scale: must be one of paper, small, smoke, got 'tiny'"):
        Lab("tiny", tmp_path, CONFIGS)
    with pytest.raises(ValueError, match="^--configs: there is no folder"):
        Lab("smoke", tmp_path, tmp_path / "none")
