"""The gdm command, run in process: one tiny run through every command, the help, and bad input in one line."""

import pathlib
import pickle
import re
import shlex

import jax
import numpy as np
import pytest
from PIL import Image

from gdm_jax import cli, data
from gdm_jax import config as configs

ROOT = pathlib.Path(__file__).parents[1]
COMMANDS = ("train", "sample", "encode", "decode", "info", "prepare", "figures")

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
def cache(tmp_path_factory):
    """The command keeps compiled programs; here in a folder of the test's own."""
    from jax.experimental.compilation_cache import compilation_cache

    before = jax.config.values["jax_compilation_cache_dir"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("GDM_TRACEBACK", raising=False)
        compilation_cache.reset_cache()
        yield
    jax.config.update("jax_compilation_cache_dir", before)
    compilation_cache.reset_cache()


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
    assert re.search(f"^  gdm {command[0]} --" if command else "^ +train ", out, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_parse_and_name_files_that_exist(command):
    examples = re.findall(r"^  gdm (.*)$", getattr(cli, command.upper()), re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example)
        _, arguments = cli._parse(words)
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
    config = configs.from_json((workdir / "config.json").read_text())
    source = data.open_source(config.data)
    x = np.asarray(data.to_model_range(np.stack([source[i]["x"] for i in range(6)])))
    np.testing.assert_allclose(decoded, x, atol=2e-3)
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
    np.save(tmp_path / "single.npy", np.zeros((2, 8, 8, 1), np.float32))
    (tmp_path / "broken_run").mkdir()
    (tmp_path / "broken_run" / "config.json").write_text("{")
    (tmp_path / "untrained").mkdir()
    (tmp_path / "untrained" / "config.json").write_text(configs.to_json(configs.Config()))
    return tmp_path


SAMPLE = "sample --workdir {run} --out {tmp}"
ENCODE = "encode --workdir {run} --out {tmp}"
DECODE = "decode --workdir {run} --out {tmp} --latents {tmp}"
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
        (ENCODE, "pass either --images"),
        (f"{ENCODE} --data 2 --images {{tmp}}/text.png", "pass either --images"),
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
    ],
)
def test_bad_input(words, message, files, config, workdir, capsys):
    """Exit status 2, and one line on stderr that names what is wrong."""
    words = words.format(tmp=files, config=config, run=workdir).split()
    assert cli.main(words) == 2
    err = capsys.readouterr().err
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
    ],
)
def test_bad_usage(words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words.split())
    assert caught.value.code == 2
    *usage, last = capsys.readouterr().err.strip().splitlines()
    assert usage[0].startswith("usage: gdm") and re.match("gdm.*: error: ", last)
    assert message in last
