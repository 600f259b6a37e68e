"""Commands that judge models: likelihood, analyse, evaluate."""

import inspect
import json
import re

import numpy as np
import pytest
from PIL import Image

from gdm_jax import metrics
from gdm_jax.cli import inputs
from gdm_jax.drawing import charts
from tests.cli.command import arrays, digits_of, run
from tests.pictures import holds, pixels


@pytest.mark.parametrize("draws", [2, 0])
def test_likelihood(workdir, tmp_path, draws):
    """By group and in all, in bits a dimension of dequantised images or nats of images as they are."""
    words = "likelihood --data 100 --split train[1794:] --probes 2 --solver euler --steps 6"
    assert run(f"{words} --draws {draws}", workdir, tmp_path) == 0
    report = json.loads((tmp_path / "likelihood.json").read_text())
    sizes, means = zip(*((report[f"group {j}"]["elements"], report[f"group {j}"]["mean"]) for j in range(3)))
    found = arrays(tmp_path / "likelihood.npz")
    assert sizes == (4, 12, 48) and report["n"] == 3 and report["total"]["elements"] == 64
    if draws:
        assert report["unit"] == "bits/dim"
        assert np.dot(sizes, means) == pytest.approx(64 * report["total"]["mean"], rel=1e-5)
        bits = -found["total"].mean() / (64 * np.log(2)) - np.log2(2 / 255)
        assert report["total"]["mean"] == pytest.approx(bits, rel=1e-5)
        assert all(holds(tmp_path / "likelihood.png", image) for image in digits_of(workdir, 1_797)[1_794:])
    else:
        assert report["unit"] == "nats" and not (tmp_path / "likelihood.png").exists()
        assert sum(means) == pytest.approx(report["total"]["mean"], rel=1e-5)
        assert report["total"]["mean"] == pytest.approx(found["total"].mean(), rel=1e-5)
    np.testing.assert_allclose(found["groups"].sum(1), found["total"], rtol=1e-4)
    text = (tmp_path / "likelihood.md").read_text()
    assert f"{report['total']['mean']:.4f}" in text
    assert ("These bits bound nothing" in text) == bool(draws) and "only nearly" in text
    assert "Computed by euler, steps 6, 2 probes a trace" in text and "on which the model was trained" not in text
    assert (report["solver"], report["steps"], report["probes"], report["draws"]) == ("euler", 6, 2, draws)
    assert report["split"] == "train[1794:]"


def test_likelihood_that_means_something(train, tmp_path):
    """Of a model that was trained for it, nothing stands in the way."""
    workdir = train("strict", **{"process.strict": True, "data.dequantise": True, "training.steps": 2})
    assert run("likelihood --data 1 --probes 1 --solver euler --steps 6", workdir, tmp_path) == 0
    text = (tmp_path / "likelihood.md").read_text()
    assert "bits/dim" in text and "bound nothing" not in text and "only nearly" not in text
    bits = json.loads((tmp_path / "likelihood.json").read_text())["total"]["mean"]
    assert ("The total is above 8.00 bits" in text) == (bits > 8)
    assert "The examples are of 'train', on which the model was trained." in text


def test_likelihood_of_more_groups_than_steps(train, tmp_path):
    """Pixels one by one, 64 groups, as given by default."""
    fields = {"process.groups": "per_element", "process.basis": "identity", "process.bands": (), "training.steps": 2,
              "sampling.steps": (64,)}
    assert run("likelihood --data 1 --probes 1", train("pixels", **fields), tmp_path) == 0
    numbers = json.loads((tmp_path / "likelihood.json").read_text(), parse_constant=pytest.fail)
    assert numbers["total"]["standard_error"] is None and numbers["standard_error_of_one"] is None
    assert "nan" not in (tmp_path / "likelihood.md").read_text()


def test_analyse(workdir, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib draws curves; pip install gdm-jax[test]")
    words = "analyse --data 120 --features pixels --sets 3 --members 2 --solver euler --steps 6"
    assert run(words, workdir, tmp_path) == 0
    report = json.loads((tmp_path / "analysis.json").read_text())
    variance = report["perceptual_variance"]
    assert variance["fixed"] == [0, 1, 2, 4, 8, 16, 32]
    assert variance["mean"][0] > variance["mean"][-1] > 0
    assert len(report["ks"]) == len(report["probe"]["accuracy"]) == 3
    text = (tmp_path / "analysis.md").read_text()
    assert all(f"group {j}" in text for j in range(3)) and "perceptual variance" in text
    axes = {"x_label": "components fixed, lowest first", "y_label": "perceptual variance"}
    series = {"this model": (np.array(variance["mean"]), np.array(variance["standard_error"]))}
    chart = charts.curve(variance["fixed"], series, **axes)
    np.testing.assert_array_equal(pixels(tmp_path / "perception.png"), pixels(chart))


def test_analyse_data_of_one_class(workdir, tmp_path, monkeypatch):
    """As a folder of images has: all but the probe."""
    examples, labels = inputs.examples, np.zeros(120, int)
    monkeypatch.setattr(inputs, "examples", lambda *given, **source: (examples(*given, **source)[0], labels))
    words = "analyse --data 120 --features pixels --sets 3 --members 2 --solver euler --steps 6"
    assert run(words, workdir, tmp_path) == 0
    report = json.loads((tmp_path / "analysis.json").read_text())
    assert "probe" not in report and len(report["ks"]) == 3
    assert run(words.replace("pixels", "classifier"), workdir, tmp_path) == 2


def test_evaluate(workdir, tmp_path, capsys):
    """Samples, then the samples as images of a folder: the same distance."""
    words = "evaluate --features pixels --count 72"
    assert run(words, workdir, tmp_path) == 0
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if " " in line)
    found = json.loads((tmp_path / "evaluations" / "evaluation.json").read_text())
    assert float(printed["frechet"]) == pytest.approx(found["frechet"]["mean"], rel=1e-3)
    assert found["reference"]["n"] == 1_797 and found["count"] == 72 and found["depends_on"]["checkpoint"] == 4
    assert 0 < found["floor"] < found["frechet"]["mean"]
    assert run("sample --count 72", workdir, tmp_path) == 0
    (tmp_path / "made").mkdir()
    for n, x in enumerate(arrays(tmp_path / "samples.npz")["x"]):
        Image.fromarray(np.rint(np.clip(x[..., 0], -1, 1) * 127.5 + 127.5).astype(np.uint8)).save(
            tmp_path / "made" / f"{n:03}.png"
        )
    assert run("evaluate --features pixels --images {made}", workdir, tmp_path, made=tmp_path / "made") == 0
    again = json.loads((tmp_path / "evaluations" / "images.json").read_text())
    assert again["frechet"]["mean"] == pytest.approx(found["frechet"]["mean"], rel=1e-4)


def test_evaluate_warns_of_too_few(workdir, tmp_path, capsys, monkeypatch):
    # The check of types, which wraps the function in tests, would be the place of the warning.
    monkeypatch.setattr(metrics, "statistics", inspect.unwrap(metrics.statistics))
    assert run("evaluate --features pixels --count 40", workdir, tmp_path) == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(warned) == 1 and re.search("gdm evaluate: warning: .*40 members .* 64 features", warned[0])
