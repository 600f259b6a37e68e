"""The paper's experiments, every one run at its smallest scale, from training to report, and run again from what is
there; the other scales as far as their configs.
"""

import dataclasses
import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from PIL import Image

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import experiments, training
from gdm_jax.evaluation.sets import interval
from gdm_jax.experiments import EXPERIMENTS, draws, groupings, overlap
from gdm_jax.experiments.lab import Lab
from gdm_jax.experiments.scales import SCALES
from gdm_jax.reports.report import Report

pytest.importorskip("matplotlib", reason="matplotlib draws charts; pip install gdm-jax[test]")

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
PICTURES = {
    "groupings": {"distances", "samples"},
    "orders": {"distances", "strips"},
    "numbers": {"distances"},
    "intervals": {"distances"},
    "domain": {"distances", "samples"},
    "hierarchy": {"perception", "reconstruction", *(f"fig{n}" for n in (3, 4, 6, 7, 9))},
    "solvers": {"distances", "round_trip"},
    "few_calls": {"distances"},
    "draws": {"distances"},
    "overlap": {"trade"},
    "length": {"distances"},
}


@pytest.fixture(scope="module")
def lab(digits_dir, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    return Lab("smoke", runs, CONFIGS, (f"--config.data.dir={digits_dir}",), progress=False)


@pytest.fixture(scope="module")
def made(lab):
    """What an experiment reports, run once."""
    return functools.cache(lambda name: EXPERIMENTS[name](lab))


def numbers_in(value):
    """Every number in nested plain values."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in numbers_in(part)]
    return [value] if isinstance(value, (int, float)) else []


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.filterwarnings("ignore:statistics")
def test_every_experiment_runs_and_runs_again(lab, made, name, monkeypatch):
    """The second time nothing is trained and no number changes."""
    report = made(name)
    paths = experiments.write(lab, name, report)
    text, written = paths[0].read_text(), json.loads(paths[1].read_text())
    command = f"gdm experiment {name} --scale smoke --runs {lab.runs} --configs {CONFIGS} {lab.overrides[0]}"
    assert f"Made by `{command}`." in text
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
    own = Lab(scale, tmp_path, CONFIGS, ("--config.process.k=3",))
    assert own.config("right_to_left", "process.k=4").process.k == 4  # an experiment's variable is not overridden


@pytest.mark.parametrize("scale", SCALES)
def test_every_choice_of_draws_is_a_config_of_every_scale(scale, tmp_path):
    lab = Lab(scale, tmp_path, CONFIGS)
    for partition in draws.PARTITIONS:
        for choice in draws.CHOICES if partition == "bands" else draws.ANYWHERE:
            configs.check(lab.config(*draws.overrides(partition, choice, scale, 0)))


@pytest.mark.parametrize("name, of_z", [("unweighted", (1, 1)), ("rao_blackwell", (0, 1))])
def test_the_noise_of_a_known_gradient(name, of_z):
    """u = w for any x_t: of an example the gradient is 2 (w - target) / d, and the first group is finished."""
    process = gdm.Process(gdm.groups.from_index([0, 1, 1]))
    w, mean, deviation = np.array([0.5, 0.0, 2.0]), np.array([1.0, -1.0, 0.0]), np.array([0.5, 1.0, 2.0])
    drawn = np.random.default_rng(0).normal(size=(2, 40, 500, 3)).astype(np.float32)
    x, alpha = (mean + deviation * drawn[0]).astype(np.float32), np.tile(np.array([1, 0.4], np.float32), (40, 500, 1))
    u = jax.tree_util.Partial(lambda w, x_t, alpha: jnp.broadcast_to(w, x_t.shape), jnp.array(w, jnp.float32))
    noise, signal = draws.gradient_noise(u, gdm.loss.LOSSES[name], process, x, drawn[1], alpha)
    variance = deviation**2 + np.take(of_z, process.groups.index)
    assert noise == pytest.approx(4 / 9 * variance.sum(), rel=0.2)
    assert signal == pytest.approx(4 / 9 * ((w - mean) ** 2).sum(), rel=0.02)


def test_the_hierarchy_of_linear_samples():
    """x_bar = M z_bar, where each share is a ratio of sums of squares of M; where nothing mixes, nothing is lost."""
    basis = gdm.basis.dct(4)
    process = gdm.Process(gdm.groups.frequency_bands(basis.rank, (3, 8)), basis)
    band = np.asarray(process.groups.index).ravel()
    mixing = np.random.default_rng(0).normal(size=(16, 16))

    def of(matrix):
        def decode(z):
            z_bar = np.asarray(basis.forward(z)).reshape(-1, 16)
            return np.asarray(basis.inverse((z_bar @ matrix.T).reshape(z.shape)))

        return overlap.hierarchy(process, (4, 4, 1), decode, lambda x: x.reshape(len(x), -1))

    def share(rows, columns):
        return (mixing[np.ix_(rows, columns)] ** 2).sum()

    every, found = band < 3, of(mixing)
    expected = [share(every, band >= n) / share(every, every) for n in (1, 2)]
    np.testing.assert_allclose(found.perception, expected, rtol=0.1)
    left = [share(band == i, band >= n) / share(band == i, every) for n in (1, 2) for i in range(n)]
    assert found.open == pytest.approx(max(left), rel=0.15)
    expected = [share(band < n, band == n) / share(every, band == n) for n in (1, 2)]
    np.testing.assert_allclose(found.reaches_back, expected, rtol=0.1)
    alone = of(np.diag(np.arange(1.0, 17)))
    np.testing.assert_allclose([alone.open, *alone.reaches_back], 0, atol=1e-6)


def test_confidence_interval():
    values = np.random.default_rng(0).normal(3, 1, 7)
    mean, half = interval(values)
    low, high = scipy.stats.t.interval(0.95, 6, values.mean(), scipy.stats.sem(values))
    np.testing.assert_allclose([mean - half, mean + half], [low, high])


def test_a_model_of_ones_own(lab, tmp_path):
    """A workdir takes the place of the model of bands, and of no other."""
    model = lab.model("bands")
    own = Lab("smoke", tmp_path, CONFIGS, workdir=str(lab.folder / "bands"), progress=False)
    assert own.model("bands").step == model.step and not (own.folder / "bands").exists()
    paths = experiments.write(own, "solvers", Report("", {}, {}))
    assert paths[0].parent == lab.folder / "bands" / "reports" / "solvers"
    assert f"--workdir {own.workdir} " in paths[0].read_text()
    with pytest.raises(ValueError, match="^workdir: its config is fixed; --config.seed=1 has no place"):
        Lab("smoke", tmp_path, CONFIGS, ("--config.seed=1",), workdir=own.workdir)


@pytest.mark.parametrize("steps", [5, 20])
def test_what_was_trained_otherwise_is_not_passed_off(lab, steps):
    lab.model("bands")
    other = Lab("smoke", lab.runs, CONFIGS, (*lab.overrides, f"--config.training.steps={steps}"), progress=False)
    with pytest.raises(ValueError, match=f"training.steps: .*bands' has 12 steps, not {steps}; use another folder"):
        other.model("bands")


def test_other_images_are_not_passed_off(lab, tmp_path, monkeypatch):
    """Unless those trained on are there no more: then they were moved."""
    model = lab.model("bands")
    config, made = lab.folder / "bands" / "config.json", lab.config
    before, old = config.read_text(), tmp_path / "old"
    moved = lambda variant, *changes: dataclasses.replace(  # noqa: E731
        made(variant, *changes), data=dataclasses.replace(model.config.data, path="elsewhere")
    )
    monkeypatch.setattr(Lab, "config", lambda self, *words: moved(*words))
    config.write_text(before.replace('"path": ""', json.dumps({"path": str(old)})[1:-1]))
    old.mkdir()
    with pytest.raises(ValueError, match="data.path: .*bands' was trained on '.*old', not 'elsewhere'; use another"):
        lab.model("bands")
    old.rmdir()
    assert lab.model("bands").config.data.path == "elsewhere"
    config.write_text(before)


@pytest.mark.filterwarnings("ignore:statistics")
def test_what_the_tables_say_is_what_was_run(made):
    """Rows against the records that stand beside them."""

    def read(name):
        return json.loads(json.dumps(made(name).numbers))

    for k, of_k in read("numbers")["found"].items():
        for calls, one in of_k.items():
            depends = one["depends_on"]
            assert depends["process"]["k"] == int(k) or int(k) == 1 and depends["process"]["groups"] == "single"
            assert one["calls"] == sum(depends["steps"]) == int(calls) and len(depends["intervals"]) == int(k)
    cells = read("intervals")["cells"]
    for row in cells.values():
        assert len({one["depends_on"]["network"]["parameters"] for one in row.values()}) == 1
    for sampled in row:
        meet = {tuple(np.sort([start for start, _ in cells[t][sampled]["depends_on"]["intervals"]])[1:]) for t in cells}
        np.testing.assert_allclose(list(meet), [json.loads(f"[{sampled[1:-1]}]")], atol=1e-6)
    search = read("intervals")["search"]
    assert sum(search["steps"]) == 8 == search["best"]["calls"] == search["uniform"]["calls"]
    assert search["best"]["first_seed"] == 0 and search["best"]["depends_on"]["steps"] == search["steps"]
    spaces = {name: of[0]["depends_on"]["network"]["space"] for name, of in read("domain")["found"].items()}
    assert spaces == {"pixels": "pixels", "coefficients": "frequency"}
    groups = {name: one["depends_on"]["process"]["groups"] for name, one in read("groupings")["found"].items()}
    assert groups == {"bottom_to_top": "bottom_to_top", "vanilla": "single"}
    adaptive = [one for one in read("solvers")["found"] if one["solver"] == "tsit5"]
    assert adaptive and all(one["evaluation"]["calls"] is None and one["calls"] > 0 for one in adaptive)
    (searched,) = [one for one in read("solvers")["found"] if one["searched"]]
    assert searched["calls"] == sum(searched["evaluation"]["depends_on"]["steps"]) == 8
    few = read("few_calls")["found"]
    networks = {name: of[0]["depends_on"]["network"] for name, of in few.items()}
    assert {name: network["jumps"] for name, network in networks.items()} == {
        "euler": False, "abm3": False, "mean_flow": True,
    }  # fmt: skip
    assert [one["calls"] for one in few["mean_flow"]] == [4, 8]


def test_bad_lab(tmp_path):
    with pytest.raises(ValueError, match="^scale: must be one of paper, small, smoke, got 'tiny'"):
        Lab("tiny", tmp_path, CONFIGS)
    with pytest.raises(ValueError, match="^configs: there is no folder"):
        Lab("smoke", tmp_path, tmp_path / "none")
