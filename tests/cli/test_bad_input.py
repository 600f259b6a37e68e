"""Bad input to every command: exit status 2, and one line that names what is wrong."""

import pickle
import re

import numpy as np
import pytest
from PIL import Image

from gdm_jax import cli
from gdm_jax import config as configs

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


@pytest.mark.parametrize(
    "words, message",
    [
        ("explore --workdir {tmp}/nothing", "nothing"),
        ("explore --workdir {run} --port 99999", "error: --port: 127.0.0.1:99999 cannot be listened at"),
        (f"{TRAIN} --process 1", "error: coordinator: --process and --processes need --coordinator HOST:PORT"),
        (f"{EVALUATE} --processes 2", "error: coordinator: --process and --processes need --coordinator HOST:PORT"),
        ("train --config {tmp}/none.py --workdir {tmp}/new", "error: --config: there is no file '.*none.py'"),
        (f"{TRAIN} --config.training.bacth=3", "there is no field training.bacth; did you mean 'batch'"),
        (f"{TRAIN} --config.training.batch=many", "training.batch: must be of type int, got 'many'"),
        (f"{TRAIN} --config.training.batch=0", "training.batch: must be from 1 to 1,048,576, got 0"),
        (f"{TRAIN} --config.training.batch=12", "training.batch: 12 does not divide over 8 device"),
        (f"{TRAIN} --config.data.name=nothing", "data.name: must be digits"),
        ("train --config {config} --workdir {run} --config.model.channels=64", "another config; .*model.channels"),
        ("train --config {config} --workdir {tmp}/text.png", "text.png"),
        ("prepare --config {config} --config.data.name=folder --config.data.path={tmp}/folder", "holds no image"),
        ("info", "pass either --config or --workdir"),
        ("info --workdir {tmp}/folder", "holds no config.json"),
        ("info --workdir {tmp}/broken_run", "error: config: not JSON"),
        ("sample --workdir {tmp}/folder", "holds no config.json"),
        ("sample --workdir {tmp}/untrained", "train first"),
        (f"{SAMPLE} --checkpoint 3", r"none at step 3 in .*; there are \[2, 4\]"),
        (f"{SAMPLE} --solver eulr", "solver.*eulr"),
        (f"{SAMPLE} --steps 2", "steps"),
        (f"{SAMPLE} --steps 2 2", "steps"),
        (f"{SAMPLE} --steps -4", "steps"),
        (f"{SAMPLE} --solver euler --steps 0", "Euler cannot adapt"),
        (f"{SAMPLE} --count 0", "error: --count: must be at least 1, got 0"),
        (f"{SAMPLE} --count -3", "count"),
        (f"{SAMPLE} --count 2 --seeds 1", "--count: must be left out where seeds are given, got 2"),
        (f"{SAMPLE} --rtol 1e-3", "--rtol: is for adaptive steps alone"),
        (f"{SAMPLE} --batch 0", "error: --batch: must be at least 1, got 0"),
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
        (f"{SAMPLE} --order 0 1", r"--order: expected a permutation of 3 groups, 0..2, got \(0, 1\)"),
        (f"{SAMPLE} --overlap 0.5", r"--overlap: must be one that the .* trained on, \(0.0,\), got 0.5"),
        (f"{SAMPLE} --boundaries 0.5", r"--boundaries: 3 groups need 2 boundaries, got \(0.5,\)"),
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
        (f"{EDIT} swap --seeds 1 2", "--groups: swap needs groups; name them"),
        (f"{EDIT} traverse --seeds 1 --groups 0", "--groups: is for swap, .*, keep, not for traverse"),
        (f"{EDIT} keep --seeds 1 --linear", "--linear: is for interpolate, not for keep"),
        (f"{EDIT} keep --seeds 1 --donor-seeds 2", "--donor-seeds: is for swap, not for keep"),
        (f"{EDIT} keep --seeds 1 --groups 5", r"groups: 5 is out of range; there are groups 0\.\.2"),
        (f"{EDIT} traverse --seeds 1 --elements 64", r"element: 64 is out of range; there are elements 0\.\.63"),
        (f"{EDIT} resample --seeds 1 --count -1", "count"),
        (f"{EDIT} keep --seeds 1 --label 1 2", "--label: edits take one label for all images"),
        (f"{EDIT} keep --images {{tmp}}/torn.png", "torn.png"),
        (LIKELIHOOD, "pass one of --images PATH ..., --data COUNT$"),
        (f"{LIKELIHOOD} --data 2 --images {{tmp}}/whole.png", "pass one of --images PATH ..., --data"),
        (f"{LIKELIHOOD} --data 2 --split test", r"has train \(1,797 examples\), or a part such as .*, got 'test'"),
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
        (f"{EVALUATE} --images {{tmp}}/whole.png", "--count: says how samples are made; --images are judged"),
        (f"{EVALUATE} --label 1", "label: this model was trained without labels"),
        (f"{EVALUATE} --split test", r"data.split: digits has train \(1,797 examples\), or a part such as"),
        (f"{EVALUATE} --sets 0", "count: at least 2 images and 1 set are needed, got 70 and 0"),
        (f"{EVALUATE} --features inception --weights {{tmp}}/none.pth", "inception: .*(none.pth|gdm-jax.fid.)"),
        ("experiment orders --scale smoke --workdir {run}", "--workdir: is for hierarchy and solvers"),
        (f"{EXPERIMENT} --count 1", "--count: at least 2 samples are needed, got 1"),
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


def test_a_model_whose_images_are_elsewhere(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.main(["encode", "--workdir", "mnist", "--out", str(tmp_path), "--data", "2"]) == 2
    said = "error: --data: the model's own images, '~/mnist/train', are not here; pass --images PATH ...\n"
    assert capsys.readouterr().err.endswith(said)
