"""The models that ship: they load by name anywhere, do what a model does, and their cards say what they are."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import gdm_jax as gdm
from gdm_jax import cli, pixels, pretrained
from gdm_jax.data import examples, open_source, spread

NAMES = list(pretrained.files())
MOST = 25e6  # bytes of all of them


def test_are_few_and_small():
    files = list(pretrained.files().values())
    assert NAMES and sum(file.stat().st_size for file in files) < MOST
    assert sorted(file.stem for file in files[0].parent.glob("*.md")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_it_is(name):
    card = pretrained.card(name)
    assert card.startswith(f"# {name}\n\n")
    for row in ("data", "trained by", "network", "distance", "round trip", "bad at"):
        assert f"\n| {row} | " in card
    assert f"step {gdm.load(name).step:,}" in card
    assert card.endswith(f"]({name}.png)\n") and pretrained.files()[name].with_suffix(".png").is_file()


def images(name, data, folder):
    """Four images of its kind that it has not seen; of the digits, whose data it has seen all, four of these."""
    if name == "mnist":
        digits = pytest.importorskip("sklearn.datasets").load_digits().images[:4] * 255 / 16
        return np.stack([resized(image, 16) for image in digits])
    if name == "faces":
        skimage = pytest.importorskip("skimage")
        faces = np.load(pathlib.Path(skimage.__file__).parent / "data" / "lfw_subset.npy")[:4] * 255
        return np.stack([resized(image, 32) for image in faces])
    source = open_source(dataclasses.replace(data, dir=folder, split="test" if name == "fruits" else data.split))
    return pixels.to_uint8(examples(source, spread(4, len(source)))[0])


def resized(image, size):
    """A grey image of 0..255 as bytes, `[size, size, 1]`."""
    return np.asarray(Image.fromarray(np.uint8(image)).resize((size, size), Image.Resampling.BICUBIC))[..., None]


@pytest.mark.parametrize("name", NAMES)
def test_encodes_and_decodes_to_the_byte(name, optimised, digits_dir):
    model = gdm.load(name)
    x = images(name, model.config.data, digits_dir)
    latents = model.invert(pixels.to_model_range(x)).z
    again = model.decode(latents, solver="euler", steps=model.inverse_steps)
    np.testing.assert_array_equal(pixels.to_uint8(again), x)


def test_commands_take_a_name_for_a_workdir(tmp_path, monkeypatch, capsys):
    """They write to a folder of the name, which is no model yet and so does not hide the one that ships."""
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "digits/"):
        assert cli.main(["sample", "--workdir", name, "--count", "2", "--steps", "4"]) == 0
        assert (tmp_path / "digits" / "samples.png").is_file()
    assert cli.main(["info", "--workdir", "digits"]) == 0
    assert "step       4,500" in capsys.readouterr().out


def test_a_run_of_ones_own_comes_first(run, tmp_path, monkeypatch, capsys):
    """But `gdm models` lists what ships."""
    shutil.copytree(run[0], tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert gdm.load("digits").step == gdm.load(run[0]).step != 4_500
    assert cli.main(["models"]) == 0
    assert f"digits   {pretrained.files()['digits'].stat().st_size / 1e6:.1f} MB" in capsys.readouterr().out
    (tmp_path / "digits" / "config.json").unlink()
    with pytest.raises(ValueError, match="'digits' holds no config.json"):
        gdm.load("digits")


def test_the_command_lists_them(capsys):
    assert cli.main(["models"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == NAMES
    assert cli.main(["models", "digits"]) == 0
    assert capsys.readouterr().out.startswith("# digits")
    assert cli.main(["models", "digts"]) == 2
    assert "did you mean 'digits'?" in capsys.readouterr().err


def test_samples_in_a_fresh_process(tmp_path):
    program = "import gdm_jax; x = gdm_jax.load('digits').sample(4, steps=4); print(x.shape)"
    root = pathlib.Path(gdm.__file__).parents[1]
    found = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)},
                           capture_output=True, text=True)
    assert found.stdout == "(4, 8, 8, 1)\n", found.stderr
