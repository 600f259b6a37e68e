"""The gdm command, run in process: one tiny run through every command, the help, and bad input in one line."""

import importlib
import json
import pathlib
import pickle
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from gdm_jax import cli, data
from gdm_jax import config as configs
from gdm_jax.cli import inputs
from gdm_jax.config import build

ROOT = pathlib.Path(__file__).parents[2]
program = importlib.import_module("gdm_jax.cli.main")
COMMANDS = (
    "train sample encode decode fill edit likelihood analyse evaluate experiment info prepare figures"
).split()

CONFIG = """
from gdm_jax.config import default


def get_config():
    config = default()
    config.data.dir = {data!r}
    config.process.groups = "frequency_bands"
    config.process.basis = "dct"
    config.process.bands = (4, 16)
    config.model.name = "mlp"
    config.model.channels = 32
    config.model.blocks = 1
    config.training.batch = 16
    config.training.steps = 4
    config.training.warmup_images = 16
    config.training.save_every = 2
    config.sampling.steps = (6,)
    return config
"""


@pytest.fixture(scope="module", autouse=True)
def plain_errors(compile_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GDM_TRACEBACK", raising=False)
        yield


@pytest.fixture(scope="module")
def config(digits_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.py"
    path.write_text(CONFIG.format(data=digits_dir))
    return str(path)


@pytest.fixture(scope="module")
def workdir(config, tmp_path_factory):
    """A run of four steps, trained by the command."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    assert cli.main(["train", "--config", config, "--workdir", str(path), "--config.seed=3"]) == 0
    return path


@pytest.fixture(scope="module")
def blocks(config, tmp_path_factory):
    """A run with four blocks of pixels in every order or all at once, told its labels."""
    path = tmp_path_factory.mktemp("runs") / "blocks"
    fields = {"process.groups": "blockwise", "process.basis": "identity", "process.blocks": (2, 2), "process.bands": (),
              "schedule.random_order": True, "schedule.overlap": (0.0, 1.0), "model.classes": 10, "training.steps": 3,
              "training.warmup_images": 0, "training.learning_rate": 0.02}
    overrides = [f"--config.{name}={value}" for name, value in fields.items()]
    assert cli.main(["train", "--config", config, "--workdir", str(path), *overrides]) == 0
    return path


def run(words, workdir, out, **paths) -> int:
    """One command on a workdir; words are split at blanks."""
    command, *rest = words.format(**paths).split()
    return cli.main([command, "--workdir", str(workdir), "--out", str(out), *rest])


def in_basis(workdir, x):
    """The process of a run, and `[n, 8, 8, 1]` images in the basis of its groups."""
    process = build.process(configs.from_json((workdir / "config.json").read_text()))
    return process, np.asarray(process.basis.forward(np.asarray(x).reshape(-1, 8, 8, 1)))


def digits_of(workdir, count):
    """The first images of the data set of a run, in [-1, 1]."""
    source = data.open_source(configs.from_json((workdir / "config.json").read_text()).data)
    return data.examples(source, range(count))[0]


def arrays(path):
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


# Help


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help(command, capsys):
    """Lists every command, or shows examples of the one."""
    with pytest.raises(SystemExit) as caught:
        cli.main([*command, "--help"])
    out = capsys.readouterr().out
    assert caught.value.code == 0
    assert all(name in out for name in (command or COMMANDS))
    assert re.search(f"^  gdm {command[0]} " if command else "^ +train ", out, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_parse_and_name_files_that_exist(command):
    examples = re.findall(r"^  gdm (.*)$", getattr(program, command.upper()), re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example)
        _, arguments = program._parse(words)
        assert arguments.name == command
        if getattr(arguments, "config", None):
            configs.load(ROOT / arguments.config, [word for word in arguments.rest if word.startswith("--config.")])


# One run


def test_train_writes_a_run(workdir, config):
    assert configs.from_json((workdir / "config.json").read_text()) == configs.load(config, ["--config.seed=3"])
    assert {"checkpoints", "metrics.jsonl", "samples", "tensorboard"} <= {f.name for f in workdir.iterdir()}


def test_train_again_goes_on(workdir, config, capsys):
    words = ["train", "--config", config, "--workdir", str(workdir), "--config.seed=3", "--config.training.steps=4"]
    assert cli.main(words) == 0


def test_prepare(config, capsys):
    assert cli.main(["prepare", "--config", config]) == 0
    assert capsys.readouterr().out == "ready: 1,797 examples of shape (8, 8, 1)\n"


def test_info(workdir, config, capsys):
    assert cli.main(["info", "--config", config]) == 0
    of_config = capsys.readouterr().out
    assert cli.main(["info", "--workdir", str(workdir)]) == 0
    of_run = capsys.readouterr().out
    assert of_run.startswith(of_config)
    assert re.search(r"network +mlp, [\d,]+ parameters", of_run)
    assert "steps      4 of 4; checkpoints [2, 4]" in of_run
    rows = re.findall(r"^  (\d) +(\d+)  \[([\d.]+), ([\d.]+)\]$", of_run, re.MULTILINE)
    assert [(group, size) for group, size, *_ in rows] == [("0", "4"), ("1", "12"), ("2", "48")]
    assert (rows[0][3], rows[-1][2]) == ("1.000", "0.000")


def test_sample_with_a_film(workdir, tmp_path, capsys):
    words = ["sample", "--workdir", str(workdir), "--out", str(tmp_path), "--count", "5", "--film"]
    assert cli.main(words) == 0
    x = arrays(tmp_path / "samples.npz")["x"]
    assert (x.shape, x.dtype) == ((5, 8, 8, 1), np.float32)
    with Image.open(tmp_path / "samples.gif") as film:
        assert film.n_frames > 3 * 2
    assert Image.open(tmp_path / "samples.png").size > (64, 64)
    assert capsys.readouterr().out.split() == [str(tmp_path / f"samples.{kind}") for kind in ("gif", "npz", "png")]
    words = ["sample", "--workdir", str(workdir), "--out", str(tmp_path / "again"), "--seeds", "4", "0"]
    assert cli.main(words) == 0
    np.testing.assert_allclose(arrays(tmp_path / "again" / "samples.npz")["x"], x[[4, 0]], atol=1e-5)


def test_sample_an_older_checkpoint_by_another_solver(workdir, tmp_path):
    words = ["sample", "--workdir", str(workdir), "--out", str(tmp_path), "--count", "2", "--checkpoint", "2"]
    assert cli.main([*words, "--solver", "heun", "--steps", "3", "2", "1"]) == 0
    assert arrays(tmp_path / "samples.npz")["x"].shape == (2, 8, 8, 1)


@pytest.mark.parametrize("solver", [["--solver", "heun", "--steps", "48"], ["--solver", "inverse_euler"]])
def test_encode_then_decode(workdir, tmp_path, solver):
    """The first six digits come back."""
    run = ["--workdir", str(workdir), "--out", str(tmp_path)]
    assert cli.main(["encode", *run, "--data", "6", *solver]) == 0
    encoded = arrays(tmp_path / "encoded.npz")
    assert (encoded["z"].shape, encoded["z"].dtype) == ((6, 8, 8, 1), np.float32)
    back = solver if "heun" in solver else []
    assert cli.main(["decode", *run, "--latents", str(tmp_path / "encoded.npz"), *back]) == 0
    decoded = arrays(tmp_path / "decoded.npz")["x"]
    if "inverse_euler" in solver:
        assert encoded["residual"].max() < 1e-3
    np.testing.assert_allclose(decoded, digits_of(workdir, 6), atol=2e-3)
    assert (tmp_path / "decoded.png").is_file() and (tmp_path / "encoded.png").is_file()


def test_encode_pictures(workdir, tmp_path):
    """A folder and a file, of any size and colour."""
    (tmp_path / "in").mkdir()
    for i in range(2):
        Image.new("RGB", (20, 30), (90 * i, 40, 10)).save(tmp_path / "in" / f"{i}.png")
    Image.new("L", (9, 9), 77).save(tmp_path / "one.jpg")
    words = ["encode", "--workdir", str(workdir), "--out", str(tmp_path), "--images", str(tmp_path / "in"),
             str(tmp_path / "one.jpg")]
    assert cli.main(words) == 0
    assert arrays(tmp_path / "encoded.npz")["z"].shape == (3, 8, 8, 1)


def test_figures(workdir, tmp_path, capsys):
    """Every picture that is announced is there, and opens."""
    assert cli.main(["figures", "--workdir", str(workdir), "--out", str(tmp_path)]) == 0
    announced = [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()]
    names = {"samples.png", "strip.png", "film.gif", "reconstruction.png", "mixing.png"}
    assert {pathlib.Path(path).name for path in announced} == names
    for path in announced:
        with Image.open(path) as picture:
            picture.load()


# Orders, labels and the commands that use groups


def test_figures_beside_a_run_of_the_same_name(workdir, tmp_path, capsys):
    """Two runs are shown even where their folders are called alike, here a run beside itself."""
    assert run("figures --beside {run}", workdir, tmp_path, run=workdir) == 0
    announced = [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert {pathlib.Path(path).name for path in announced} == {"strips.png", "films.gif"}
    with Image.open(tmp_path / "figures" / "films.gif") as film:
        assert film.n_frames > 3 * 2
    with Image.open(tmp_path / "figures" / "strips.png") as strips:
        assert strips.height > 2 * 4 * 64


def test_sample_as_an_mp4(workdir, tmp_path):
    av = pytest.importorskip("av", reason="PyAV writes MP4; pip install gdm-jax[mp4]")
    assert run("sample --count 4 --film mp4", workdir, tmp_path) == 0
    with av.open(str(tmp_path / "samples.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) > 3 * 2


def test_sample_by_order_overlap_and_label(blocks, tmp_path):
    """Each is another way from the same noise, so other images."""
    found = {}
    for words in ("", "--order 3 1 2 0", "--overlap 1", "--label 3", "--label 3 --guidance 3"):
        assert run(f"sample --seeds 1 2 {words}", blocks, tmp_path) == 0
        found[words] = arrays(tmp_path / "samples.npz")["x"]
    for a in found:
        for b in found:
            assert a == b or np.abs(found[a] - found[b]).max() > 1e-3, (a, b)


def test_fill_the_bands_of_digits(workdir, tmp_path):
    """The band that is kept is the image's in each filling, the others are not, nor those of another seed."""
    assert run("fill --data 2 --keep 0 --count 3", workdir, tmp_path) == 0
    x = arrays(tmp_path / "filled.npz")["x"]
    assert (x.shape, x.dtype) == ((2, 3, 8, 8, 1), np.float32)
    process, filled = in_basis(workdir, x)
    _, given = in_basis(workdir, np.repeat(digits_of(workdir, 2), 3, axis=0))
    kept = np.asarray(process.groups.index) == 0
    np.testing.assert_allclose(filled[:, kept], given[:, kept], atol=1e-5)
    assert np.abs(filled - given)[:, ~kept].max(1).min() > 1e-2
    assert np.abs(x[:, 0] - x[:, 1]).max() > 1e-2
    with Image.open(tmp_path / "filled.png") as picture:
        assert picture.width > 5 * 64 and picture.height > 2 * 64


def test_fill_samples(workdir, tmp_path, capsys):
    assert run("fill --seeds 5 9 --keep 0 1 --count 2", workdir, tmp_path) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "filled.png"), str(tmp_path / "filled.npz")]
    assert run("sample --seeds 5 9", workdir, tmp_path) == 0
    process, filled = in_basis(workdir, arrays(tmp_path / "filled.npz")["x"])
    _, given = in_basis(workdir, np.repeat(arrays(tmp_path / "samples.npz")["x"], 2, axis=0))
    kept = np.asarray(process.groups.index) < 2
    np.testing.assert_allclose(filled[:, kept], given[:, kept], atol=1e-5)
    assert np.abs(filled - given)[:, ~kept].max() > 1e-2


def test_fill_by_a_mask(blocks, tmp_path):
    """White is known, here two blocks at opposite corners: these pixels come back to the last bit."""
    mask = np.kron([[1, 0], [0, 1]], np.ones((4, 4))).astype(bool)
    Image.fromarray(255 * mask.astype(np.uint8)).save(tmp_path / "mask.png")
    assert run("fill --data 2 --mask {mask} --count 3 --label 4", blocks, tmp_path, mask=tmp_path / "mask.png") == 0
    x, given = arrays(tmp_path / "filled.npz")["x"], digits_of(blocks, 2)[:, None]
    np.testing.assert_array_equal(x[..., mask, :], np.broadcast_to(given, x.shape)[..., mask, :])
    assert np.abs(x - given)[..., ~mask, :].max((2, 3)).min() > 1e-2


@pytest.mark.parametrize(
    "words, shape",
    [
        ("swap --data 2 --groups 0", (2, 2)),
        ("swap --seeds 1 2 --donor-seeds 4 5 6 --groups 0 2", (2, 3)),
        ("interpolate --seeds 1 2 3 --count 2", (2, 4, 2)),
        ("interpolate --seeds 1 2 --groups 0 2 --linear --count 5", (1, 1, 5)),
        ("traverse --seeds 1 2 --elements 0 5 --channel 0 --count 3", (2, 2, 3)),
        ("resample --seeds 1 2 --count 2 --seed 3", (2, 2, 2)),
        ("keep --seeds 1 2", (2, 3)),
        ("keep --seeds 1 2 --groups 0 --seed 4", (2, 1)),
    ],
)
def test_edits(workdir, tmp_path, words, shape, capsys):
    """Every operation, with and without its options."""
    assert run(f"edit {words}", workdir, tmp_path) == 0
    name = words.split()[0]
    x = arrays(tmp_path / f"{name}.npz")["x"]
    assert (x.shape, x.dtype) == ((*shape, 8, 8, 1), np.float32) and np.isfinite(x).all()
    with Image.open(tmp_path / f"{name}.png") as picture:
        assert picture.width > 64 * shape[-1] and picture.height > 64
    captured = capsys.readouterr()
    assert captured.out.split() == [str(tmp_path / f"{name}.png"), str(tmp_path / f"{name}.npz")]
    assert "warning" not in captured.err


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
        with Image.open(tmp_path / "likelihood.png") as picture:
            picture.load()
    else:
        assert report["unit"] == "nats" and not (tmp_path / "likelihood.png").exists()
        assert sum(means) == pytest.approx(report["total"]["mean"], rel=1e-5)
        assert report["total"]["mean"] == pytest.approx(found["total"].mean(), rel=1e-5)
    np.testing.assert_allclose(found["groups"].sum(1), found["total"], rtol=1e-4)
    assert f"{report['total']['mean']:.4f}" in (tmp_path / "likelihood.md").read_text()


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
    with Image.open(tmp_path / "perception.png") as picture:
        picture.load()


def test_analyse_data_of_one_class(workdir, tmp_path, monkeypatch):
    """As a folder of images has: all but the probe."""
    examples = inputs.examples
    monkeypatch.setattr(inputs, "examples", lambda *given: (examples(*given)[0], np.zeros(120, int)))
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


def test_evaluate_warns_of_too_few(workdir, tmp_path, capsys):
    assert run("evaluate --features pixels --count 40", workdir, tmp_path) == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(warned) == 1 and re.search("gdm evaluate: warning: .*40 members .* 64 features", warned[0])


# Bad input


@pytest.fixture
def files(tmp_path):
    """Files that are not what they are given for."""
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps({"z": 1}))
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "whole.png").read_bytes()[:600])
    (tmp_path / "folder").mkdir()
    np.savez(tmp_path / "whole.npz", z=np.zeros((2, 8, 8, 1), np.float32))
    (tmp_path / "torn.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:200])
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "small.npz", z=np.zeros((2, 4, 4, 1), np.float32))
    np.savez(tmp_path / "objects.npz", z=np.array([{}], dtype=object))
    np.savez(tmp_path / "nothing.npz", z=np.zeros((0, 8, 8, 1), np.float32))
    np.savez(tmp_path / "statistics.npz", mu=np.zeros(3), sigma=np.eye(3))
    np.save(tmp_path / "single.npy", np.zeros((2, 8, 8, 1), np.float32))
    corner = np.indices((8, 8)).max(0)
    Image.fromarray(np.where(corner < 4, 255, 0).astype(np.uint8)).save(tmp_path / "block.png")
    Image.fromarray(np.where(corner < 3, 255, 0).astype(np.uint8)).save(tmp_path / "cut.png")
    Image.new("L", (8, 8), 255).save(tmp_path / "white.png")
    Image.new("L", (4, 4), 255).save(tmp_path / "little.png")
    (tmp_path / "broken_run").mkdir()
    (tmp_path / "broken_run" / "config.json").write_text("{")
    (tmp_path / "untrained").mkdir()
    (tmp_path / "untrained" / "config.json").write_text(configs.to_json(configs.Config()))
    return tmp_path


SAMPLE = "sample --workdir {run} --out {tmp}"
ENCODE = "encode --workdir {run} --out {tmp}"
DECODE = "decode --workdir {run} --out {tmp} --latents {tmp}"
FILL = "fill --workdir {run} --out {tmp} --data 2"
MASK = "fill --workdir {blocks} --out {tmp} --data 2 --mask {tmp}"
EDIT = "edit --workdir {run} --out {tmp}"
LIKELIHOOD = "likelihood --workdir {run} --out {tmp}"
ANALYSE = "analyse --workdir {run} --out {tmp}"
EVALUATE = "evaluate --workdir {run} --out {tmp} --features pixels --count 70"
EXPERIMENT = "experiment groupings --scale smoke --runs {tmp}/new"
TOLD = "sample --workdir {blocks} --out {tmp}"
TRAIN = "train --config {config} --workdir {tmp}/new"


@pytest.mark.parametrize(
    "words, message",
    [
        ("train --config {tmp}/none.py --workdir {tmp}/new", "there is no file '.*none.py'"),
        (f"{TRAIN} --config.training.bacth=3", "there is no field training.bacth; did you mean 'batch'"),
        (f"{TRAIN} --config.training.batch=many", "training.batch: must be of type int, got 'many'"),
        (f"{TRAIN} --config.training.batch=0", "training.batch: must be at least 1, got 0"),
        (f"{TRAIN} --config.training.batch=12", "training.batch: 12 does not divide over 8 device"),
        (f"{TRAIN} --config.data.name=nothing", "data.name: must be digits"),
        ("train --config {config} --workdir {run} --config.model.channels=64", "another config; .*model.channels"),
        ("train --config {config} --workdir {tmp}/text.png", "text.png"),
        ("prepare --config {config} --config.data.name=folder --config.data.path={tmp}/folder", "holds no image"),
        ("info", "pass either --config or --workdir"),
        ("info --workdir {tmp}/folder", "holds no config.json"),
        ("info --workdir {tmp}/broken_run", "not JSON"),
        ("sample --workdir {tmp}/folder", "holds no config.json"),
        ("sample --workdir {tmp}/untrained", "train first"),
        (f"{SAMPLE} --checkpoint 3", r"none at step 3 in .*; there are \[2, 4\]"),
        (f"{SAMPLE} --solver eulr", "solver.*eulr"),
        (f"{SAMPLE} --steps 2", "steps"),
        (f"{SAMPLE} --steps 2 2", "steps"),
        (f"{SAMPLE} --steps -4", "steps"),
        (f"{SAMPLE} --solver euler --steps 0", "Euler cannot adapt"),
        (f"{SAMPLE} --count 0", "count: must be at least 1, got 0"),
        (f"{SAMPLE} --count -3", "count"),
        (f"{SAMPLE} --batch 0", "batch: must be at least 1, got 0"),
        (ENCODE, "pass one of --images"),
        (f"{ENCODE} --data 2 --images {{tmp}}/text.png", "pass one of --images"),
        (f"{ENCODE} --data -2", "data"),
        (f"{ENCODE} --images {{tmp}}/none.png", "none.png"),
        (f"{ENCODE} --images {{tmp}}/text.png", "text.png"),
        (f"{ENCODE} --images {{tmp}}/whole.png {{tmp}}/torn.png", "torn.png"),
        (f"{ENCODE} --images {{tmp}}/folder", "folder"),
        (f"{DECODE}/none.npz", "there is no file '.*none.npz'"),
        (f"{DECODE}/other.npz", "holds x; expected an array 'z'"),
        (f"{DECODE}/text.npz", "text.npz"),
        (f"{DECODE}/empty.npz", "empty.npz"),
        (f"{DECODE}/pickle.npz", "pickle.npz"),
        (f"{DECODE}/torn.npz", "torn.npz"),
        (f"{DECODE}/objects.npz", "objects.npz"),
        (f"{DECODE}/single.npy", "single.npy"),
        (f"{DECODE}/small.npz", r"\(2, 4, 4, 1\)"),
        (f"{DECODE}/nothing.npz", r"\(0, 8, 8, 1\)"),
        (f"{SAMPLE} --order 2 1 0", r"order: the network was not trained on \(2, 1, 0\); it was on \(0, 1, 2\)"),
        (f"{SAMPLE} --order 0 1", r"sampling.order: expected a permutation of 3 groups, 0..2, got \(0, 1\)"),
        (f"{SAMPLE} --overlap 0.5", r"sampling.overlap: must be one that the .* trained on, \(0.0,\), got 0.5"),
        (f"{SAMPLE} --boundaries 0.5", r"sampling.boundaries: 3 groups need 2 boundaries, got \(0.5,\)"),
        (f"{SAMPLE} --label 3", "label: this model was trained without labels; train one with model.classes > 0"),
        (f"{SAMPLE} --guidance 2", "guidance: needs a label to guide towards"),
        (f"{TOLD} --guidance 2", "guidance: needs a label to guide towards"),
        (f"{TOLD} --label 3 --guidance -1", "guidance: must not be negative, got -1"),
        (f"{TOLD} --label 10", r"label: must be from 0 to 9, or -1 for none, got"),
        (f"{TOLD} --label 1 2 3 --count 2", "label: must be a whole number, or one for each of 2 examples"),
        (f"{FILL}", "pass either --keep GROUP ... or --mask FILE"),
        (f"{FILL} --keep 0 --mask {{tmp}}/block.png", "pass either --keep GROUP ... or --mask FILE"),
        (f"{FILL} --keep 3", r"3 is out of range; there are groups 0\.\.2"),
        (f"{FILL} --keep 0 1 2", "keep: name at least one of 3 groups and not all"),
        (f"{FILL} --keep 1", r"keep: the network was not trained to go on from groups \[1\]; .* \[0\], \[0, 1\]"),
        (f"{FILL} --keep 0 --count 0", "count: must be at least 1, got 0"),
        (f"{FILL} --keep 0 --seeds 1", "pass one of --images PATH ..., --data COUNT, --seeds SEED"),
        ("fill --workdir {run} --keep 0", "pass one of --images PATH ..., --data COUNT, --seeds SEED"),
        (f"{FILL} --mask {{tmp}}/block.png", "--mask: is for groups of pixels; name the bands to keep with --keep"),
        (f"{MASK}/cut.png", "mask: cuts through group 0, of which it knows 9 of 16 elements"),
        (f"{MASK}/white.png", "keep: name at least one of 4 groups and not all"),
        (f"{MASK}/little.png", r"mask: must be of shape \(8, 8\), that of the groups, got \(4, 4\)"),
        (f"{MASK}/text.png", "--mask: '.*text.png' cannot be read"),
        (f"{MASK}/none.png", "--mask: '.*none.png' cannot be read"),
        (f"{EDIT} keep", "pass one of --images PATH ..., --data COUNT, --seeds SEED"),
        (f"{EDIT} keep --data 2 --seeds 1", "pass one of --images PATH ..., --data COUNT, --seeds SEED"),
        (f"{EDIT} swap --seeds 1 2", "--groups: name the groups to take from the donors"),
        (f"{EDIT} keep --seeds 1 --groups 5", r"groups: 5 is out of range; there are groups 0\.\.2"),
        (f"{EDIT} traverse --seeds 1 --elements 64", r"element: 64 is out of range; there are elements 0\.\.63"),
        (f"{EDIT} resample --seeds 1 --count -1", "count"),
        (f"{EDIT} keep --seeds 1 --label 1 2", "--label: edits take one label for all images"),
        (f"{EDIT} keep --images {{tmp}}/torn.png", "torn.png"),
        (LIKELIHOOD, "pass one of --images PATH ..., --data COUNT$"),
        (f"{LIKELIHOOD} --data 2 --images {{tmp}}/whole.png", "pass one of --images PATH ..., --data"),
        (f"{LIKELIHOOD} --data 2 --split test", "data.split: digits has train, or a part such as .*, got 'test'"),
        (f"{LIKELIHOOD} --data 2 --probes -1", "probes: .*-1"),
        (f"{LIKELIHOOD} --data 2 --draws -1 --probes 2 --solver euler --steps 6", "draws: .*-1"),
        (ANALYSE, "pass one of --images"),
        (f"{ANALYSE} --images {{tmp}}/whole.png", "--features classifier: needs --data of at least two classes"),
        (f"{EVALUATE} --reference {{tmp}}/none.npz", "none.npz"),
        (f"{EVALUATE} --reference {{tmp}}/text.npz", "text.npz"),
        (f"{EVALUATE} --reference {{tmp}}/whole.npz", "whole.npz.*mu"),
        (f"{EVALUATE} --reference {{tmp}}/statistics.npz", "its statistics are of 3 features, pixels has 64"),
        ("evaluate --workdir {run} --out {tmp} --features pixels --images {tmp}/torn.png", "torn.png"),
        (f"{EVALUATE} --count 1", "count: at least 2 images and 1 set are needed, got 1 and 1"),
        (f"{EVALUATE} --images {{tmp}}/whole.png", "--count: is of samples; --images are judged as they are"),
        (f"{EVALUATE} --label 1", "label: this model was trained without labels"),
        (f"{EVALUATE} --split test", "data.split: digits has train, or a part such as"),
        (f"{EVALUATE} --sets 0", "count: at least 2 images and 1 set are needed, got 70 and 0"),
        (f"{EVALUATE} --features inception --weights {{tmp}}/none.pth", "inception: .*(none.pth|gdm-jax.fid.)"),
        ("experiment orders --scale smoke --workdir {run}", "--workdir: is for hierarchy and solvers"),
        ("experiment paint --scale smoke", "experiment: must be one of groupings, orders, .*, got 'paint'"),
        (f"{EXPERIMENT} --configs {{tmp}}/none", "--configs: there is no folder '.*none'; run it in a clone"),
        (f"{EXPERIMENT} --configs {{tmp}}", "there is no file '.*mnist.py'"),
        ("figures --workdir {run} --beside {tmp}/folder", "holds no config.json"),
    ],
)
def test_bad_input(words, message, files, config, workdir, blocks, capsys):
    """Exit status 2, and one line on stderr that names what is wrong."""
    words = words.format(tmp=files, config=config, run=workdir, blocks=blocks).split()
    assert cli.main(words) == 2
    err = re.sub(r"^.*\r.*\n", "", capsys.readouterr().err)  # a bar of progress first
    assert re.fullmatch(rf"gdm {words[0]}: error: [^\n]+\n", err), err
    assert re.search(message, err), err
    assert not (files / "new").exists()


@pytest.mark.parametrize(
    "words, message",
    [
        ("", "required: COMMAND"),
        ("paint", "invalid choice: 'paint'"),
        ("train", "required: --config, --workdir"),
        ("train --config a.py", "required: --workdir"),
        ("sample", "required: --workdir"),
        ("decode --workdir a", "required: --latents"),
        ("sample --workdir a --count many", "invalid int value: 'many'"),
        ("sample --workdir a --cuont 3", "unrecognised argument '--cuont'"),
        ("sample --workdir a b", "unrecognised argument 'b'"),
        ("train --config a.py --workdir a --config.seed", "unrecognised argument '--config.seed'"),
        ("sample --workdir a --config.seed=3", "--config.seed=3 needs --config"),
        ("sample --workdir a --film avi", "invalid choice: 'avi'"),
        ("edit --workdir a", "required: OPERATION"),
        ("edit paint --workdir a", "invalid choice: 'paint'"),
        ("analyse --workdir a --features inception", "invalid choice: 'inception'"),
        ("evaluate --workdir a --features vgg", "invalid choice: 'vgg'"),
        ("experiment", "required: NAME"),
        ("experiment orders --scale tiny", "invalid choice: 'tiny'"),
    ],
)
def test_bad_usage(words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words.split())
    assert caught.value.code == 2
    *usage, last = capsys.readouterr().err.strip().splitlines()
    assert usage[0].startswith("usage: gdm") and re.match("gdm.*: error: ", last)
    assert message in last


# What a command leaves, and what it may be given


def test_main_leaves_the_process_as_it_was(workdir, tmp_path, monkeypatch):
    """Called from Python: the compilation cache, log levels, warnings and hooks."""
    import logging
    import sys
    import warnings

    import absl.logging
    import jax

    def state():
        levels = logging.getLogger("asyncio").level, absl.logging.get_verbosity()
        hooks = sys.unraisablehook, warnings.showwarning, tuple(map(str, warnings.filters))
        return jax.config.jax_compilation_cache_dir, levels, hooks

    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    before = state()
    assert cli.main(["info", "--workdir", str(workdir)]) == 0
    assert cli.main(["info", "--workdir", str(tmp_path)]) == 2
    assert state() == before


def test_likelihood_of_more_groups_than_steps(config, tmp_path):
    """Pixels one by one, 64 groups, as given by default."""
    fields = {"process.groups": "per_element", "process.basis": "identity", "process.bands": (), "training.steps": 2,
              "sampling.steps": (64,)}
    overrides = [f"--config.{name}={value}" for name, value in fields.items()]
    assert cli.main(["train", "--config", config, "--workdir", str(tmp_path / "run"), *overrides]) == 0
    assert run("likelihood --data 1 --probes 1", tmp_path / "run", tmp_path) == 0
    numbers = json.loads((tmp_path / "likelihood.json").read_text(), parse_constant=pytest.fail)
    assert numbers["total"]["standard_error"] is None and numbers["standard_error_of_one"] is None
    assert "nan" not in (tmp_path / "likelihood.md").read_text()


@pytest.mark.parametrize("operation", ["resample", "keep"])
def test_noise_of_an_edit_is_not_the_sample_s(blocks, tmp_path, operation):
    """Seed 0 for both, or none given: what is drawn anew is not what was there."""
    words = {"resample": "edit resample --seeds 0 --groups 0", "keep": "edit keep --seeds 0 --seed 0 --groups 0"}
    assert run(words[operation], blocks, tmp_path) == 0
    made = arrays(tmp_path / f"{operation}.npz")["x"].reshape(-1, 8, 8, 1)
    assert run("sample --seeds 0", blocks, tmp_path) == 0
    original = arrays(tmp_path / "samples.npz")["x"]
    assert np.abs(made - original)[:, 4:].max((1, 2, 3)).min() > 1e-2


@pytest.mark.parametrize("seed", ["-3", "4294967296", "99999999999999999999"])
@pytest.mark.parametrize("words", ["edit keep --seeds 1 --seed", "edit resample --data 1 --seed", "sample --seeds"])
def test_seeds_out_of_range(workdir, tmp_path, words, seed, capsys):
    assert run(f"{words} {seed}", workdir, tmp_path) == 2
    assert "seeds: must be whole numbers from 0 to 2^32 - 1" in capsys.readouterr().err


def test_a_solver_that_cannot_generate(workdir, tmp_path, capsys):
    assert run("sample --solver inverse_euler", workdir, tmp_path) == 2
    assert "inverse_euler is for encode" in capsys.readouterr().err


def test_a_mask_that_is_transparent(blocks, tmp_path):
    """White is given; what is transparent is not, whatever colour it hides."""
    mask = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    mask.paste((255, 255, 255, 255), (0, 0, 4, 4))
    mask.save(tmp_path / "mask.png")
    assert run(f"fill --data 1 --mask {tmp_path / 'mask.png'} --count 1", blocks, tmp_path) == 0
    kept = np.abs(arrays(tmp_path / "filled.npz")["x"].reshape(8, 8) - digits_of(blocks, 1)[0, ..., 0])
    assert kept[:4, :4].max() < 1e-5 and kept[4:].max() > 1e-2
