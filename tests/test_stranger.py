"""A workdir from a stranger: refused in one line, nothing run, nothing outside of it written."""

import json
import os
import pathlib
import pickle
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

import gdm_jax as gdm
from gdm_jax import cli, data
from gdm_jax import config as configs
from gdm_jax.workdir import files

# What each command writes in a workdir, for words of the command.
WRITES = {
    "sample --count 1": ("samples.npz", "samples.png"),
    "sample --count 1 --film": ("samples.gif",),
    "encode --data 1": ("encoded.npz", "encoded.png"),
    "decode --latents {z}": ("decoded.npz", "decoded.png"),
    "fill --data 1 --keep 0": ("filled.npz", "filled.png"),
    "edit keep --data 1": ("keep.npz", "keep.png"),
    "edit swap --data 2 --groups 0": ("swap.npz", "swap.png"),
    "likelihood --data 1": ("likelihood.md", "likelihood.json", "likelihood.png", "likelihood.npz"),
    "analyse --data 8 --features pixels": ("analysis.md", "analysis.json", "perception.png"),
    "evaluate --features pixels --count 4": ("evaluations", "evaluations/images.json"),
    "figures": ("figures", "figures/samples.png", "figures/film.gif"),
    "train --config {config}": (
        "config.json", "data.json", "lock", "metrics.jsonl", "tensorboard", "tensorboard/events", "samples",
        "samples/00000001.png", "checkpoints", "checkpoints/13", "unreadable",
    ),
    "experiment solvers --scale smoke": ("reports", "reports/solvers", "reports/solvers/report.md"),
}  # fmt: skip
PLACES = [(words, name) for words, names in WRITES.items() for name in names]


@pytest.fixture
def outside(tmp_path):
    """Somebody's file and folder."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("dear")
    return tmp_path / "home"


def untouched(outside):
    return [f.name for f in outside.iterdir()] == ["letter"] and (outside / "letter").read_text() == "dear"


def refused(words, capsys, match="", status=2):
    """The command ends in one line that says what it is about."""
    capsys.readouterr()
    assert cli.main(words) == status
    said = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(said) == 1 and match in said[0], said


@pytest.mark.parametrize("words, name", PLACES, ids=lambda value: value.split()[0])
def test_links_at_every_name_that_a_command_writes(workdir, outside, file, words, name, capsys, tmp_path):
    place = workdir / name
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside / "letter" if "." in name or name == "lock" else outside)
    np.savez(tmp_path / "z.npz", z=np.zeros((1, 8, 8, 1), np.float32))
    command, *rest = words.format(config=file, z=tmp_path / "z.npz").split()
    refused([command, "--workdir", str(workdir), *rest], capsys, "" if name == "config.json" else "symbolic link")
    assert untouched(outside)


def test_a_file_is_put_in_place_whole(outside, tmp_path, monkeypatch):
    """A link is replaced, not followed; a file that could not be finished leaves the old one."""
    place = tmp_path / "numbers.json"
    place.symlink_to(outside / "letter")
    files.write(place, {"a": float("nan"), "b": [1.0, (float("inf"), 2)]})
    assert untouched(outside) and not place.is_symlink()
    assert json.loads(place.read_text()) == {"a": None, "b": [1.0, [None, 2]]}

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_arrays(place, z=np.zeros(3))
    assert json.loads(place.read_text())["a"] is None
    assert sorted(f.name for f in tmp_path.iterdir()) == ["home", "numbers.json"]


@pytest.mark.parametrize("words", [words for words in WRITES if not words.startswith(("train", "experiment"))])
def test_a_folder_that_cannot_be_written(workdir, file, words, capsys, tmp_path, monkeypatch):
    """Known before anything is loaded or computed."""
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr("gdm_jax.model.load", lambda *_, **__: pytest.fail("loaded"))
    command, *rest = words.format(config=file, z="z.npz").split()
    refused([command, "--workdir", str(workdir), "--out", str(tmp_path / "taken"), *rest], capsys, "cannot be written")


@pytest.fixture
def other_data(workdir, tmp_path, monkeypatch):
    """The workdir's config names a prepared data set of the stranger's, whose features are of a class of theirs."""
    config = json.loads((workdir / "config.json").read_text())
    known = pathlib.Path(config["data"]["dir"]) / "scikit_digits" / "1.0.0"
    data.open_source(configs.from_dict(config).data)
    folder = workdir / "data" / "theirs" / "1.0.0"
    shutil.copytree(known, folder)
    config["data"] |= {"name": "theirs", "dir": str(workdir / "data")}
    (workdir / "config.json").write_text(json.dumps(config))
    (tmp_path / "theirs.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def named(key, name):
        features = json.loads((folder / "features.json").read_text())
        features["featuresDict"]["features"]["label"][key] = name
        (folder / "features.json").write_text(json.dumps(features))

    return named


@pytest.mark.parametrize(
    "words, key",
    [
        ("encode --data 1", "pythonClassName"),
        ("encode --data 1", "python_class_name"),
        ("encode --data 1", "type"),
        ("edit keep --data 1", "pythonClassName"),
        ("evaluate --features pixels", "pythonClassName"),
        ("analyse --data 8", "pythonClassName"),
        ("figures", "pythonClassName"),
    ],
)
def test_data_that_name_classes(workdir, other_data, words, key, capsys, tmp_path):
    """TFDS would import the module of the class, and so run it."""
    other_data(key, "theirs.Feature")
    command, *rest = words.split()
    refused([command, "--workdir", str(workdir), *rest], capsys, "not TFDS's own")
    assert not (tmp_path / "ran").exists() and "theirs" not in sys.modules


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "a//b", "..", "theirs/../.."])
def test_names_that_lead_elsewhere(workdir, other_data, name, capsys):
    config = json.loads((workdir / "config.json").read_text())
    config["data"]["name"] = name
    (workdir / "config.json").write_text(json.dumps(config))
    refused(["encode", "--workdir", str(workdir), "--data", "1"], capsys, "data.name: must be the name of a data set")


@pytest.mark.parametrize("name", ["digits", "folder"])
def test_data_are_not_written_where_a_stranger_says(workdir, outside, name, capsys, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("L", (8, 8)).save(pictures / "a.png")
    config = json.loads((workdir / "config.json").read_text())
    config["data"] |= {"name": name, "dir": str(outside), "path": str(pictures)}
    (workdir / "config.json").write_text(json.dumps(config))
    refused(["encode", "--workdir", str(workdir), "--data", "1"], capsys, "holds no prepared")
    assert untouched(outside)


EXPLOSIONS = [
    {"model": {"name": "unet", "channels": 16384, "multipliers": [64] * 4, "blocks": 256}},
    {"model": {"name": "unet", "channels": 4, "multipliers": [1] * 4, "blocks": 256}},
    {"model": {"name": "unet", "channels": 16384, "multipliers": [64], "blocks": 1}},
    {"model": {"name": "mlp", "channels": 16384, "blocks": 256}},
    {"model": {"name": "mlp", "channels": 16384, "blocks": 1, "classes": 2**20}},
    {"data": {"shape": [2048, 2048, 1]}, "process": {"groups": "single", "basis": "gaussian_blur"}},
    {"data": {"shape": [2**20, 2**20, 3]}},
    {"data": {"shape": [64, 64, 1]}, "process": {"groups": "per_element", "basis": "identity", "bands": []},
     "schedule": {"random_orders": 10000}, "sampling": {"steps": [4096]}},
    {"data": {"shape": [64, 64, 1]}, "process": {"groups": "blockwise", "blocks": [10**9, 10**9]}},
    {"training": {"ema_halflife_images": 10**15}},
    {"training": {"warmup_images": 10**30}},
    {"seed": 10**30},
    {"sampling": {"steps": [10**12]}},
]  # fmt: skip


@pytest.mark.parametrize("changes", EXPLOSIONS, ids=lambda changes: next(iter(changes)))
@pytest.mark.parametrize("words", ["info", "sample"])
def test_configs_whose_products_explode(workdir, changes, words, capsys):
    config = json.loads((workdir / "config.json").read_text())
    for section, fields in changes.items():
        config[section] = config[section] | fields if isinstance(fields, dict) else fields
    (workdir / "config.json").write_text(json.dumps(config))
    refused([words, "--workdir", str(workdir)], capsys)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"nan", b"{" * 100_000, b"\xff\xfe", pickle.dumps({"seed": 0}), b'{"seed": "0"}', b"null"],
)
def test_a_config_that_is_none(workdir, content, capsys):
    (workdir / "config.json").write_bytes(content)
    refused(["info", "--workdir", str(workdir)], capsys)


def test_a_config_without_end(workdir, capsys, monkeypatch):
    """Larger than any, or no file at all."""
    with open(workdir / "config.json", "wb") as sparse:
        sparse.truncate(2**40)
    refused(["info", "--workdir", str(workdir)], capsys, "larger than")
    (workdir / "config.json").unlink()
    os.mkfifo(workdir / "config.json")
    refused(["info", "--workdir", str(workdir)], capsys, "holds no config.json")
    (workdir / "config.json").unlink()
    (workdir / "config.json").symlink_to("/dev/zero")
    refused(["info", "--workdir", str(workdir)], capsys, "holds no config.json")


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"{}", b"\xff", pickle.dumps({"examples": 1})])
def test_a_record_of_the_data_that_is_none(workdir, file, content, capsys):
    (workdir / "data.json").write_bytes(content)
    refused(["train", "--config", str(file), "--workdir", str(workdir)], capsys, "began with other examples")


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return pathlib.Path.touch, (self.file,)


def test_latents_with_pickles(workdir, tmp_path, capsys):
    mark = tmp_path / "exploded"
    np.savez(tmp_path / "z.npz", z=np.array([Bomb(mark)], object), allow_pickle=True)
    mark.unlink(missing_ok=True)
    for content in (None, pickle.dumps(Bomb(mark))):
        if content:
            (tmp_path / "z.npz").write_bytes(content)
        words = ["decode", "--workdir", str(workdir), "--latents", str(tmp_path / "z.npz")]
        refused(words, capsys, "is not an .npz of plain arrays")
        assert not mark.exists()


def test_metrics_without_end(workdir, capsys):
    with open(workdir / "metrics.jsonl", "wb") as sparse:
        sparse.truncate(2**40)
    refused(["info", "--workdir", str(workdir)], capsys, "metrics.jsonl")


def test_reading_leaves_a_workdir_as_it_is(workdir):
    """Loaded through links, as a cache of downloads lays them out."""
    before = {f: f.stat().st_mtime_ns for f in workdir.rglob("*")}
    linked = workdir.with_name("linked")
    linked.mkdir()
    for name in ("config.json", "checkpoints"):
        (linked / name).symlink_to(workdir / name)
    assert gdm.load(linked).step == gdm.load(workdir).step == 12
    assert configs.of_workdir(linked) == configs.of_workdir(workdir)
    assert {f: f.stat().st_mtime_ns for f in workdir.rglob("*")} == before
