"""Commands that use groups: fill and edit."""

import numpy as np
import pytest
from PIL import Image

import gdm_jax as gdm
from gdm_jax.reports import edits
from tests.cli.command import arrays, digits_of, in_basis, run
from tests.pictures import holds


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
    assert all(holds(tmp_path / "filled.png", image) for image in [*digits_of(workdir, 2), *x.reshape(-1, 8, 8, 1)])


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


def test_a_mask_that_is_transparent(blocks, tmp_path):
    """White is given; what is transparent is not, whatever colour it hides."""
    mask = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    mask.paste((255, 255, 255, 255), (0, 0, 4, 4))
    mask.save(tmp_path / "mask.png")
    assert run(f"fill --data 1 --mask {tmp_path / 'mask.png'} --count 1", blocks, tmp_path) == 0
    kept = np.abs(arrays(tmp_path / "filled.npz")["x"].reshape(8, 8) - digits_of(blocks, 1)[0, ..., 0])
    assert kept[:4, :4].max() < 1e-5 and kept[4:].max() > 1e-2


@pytest.mark.parametrize(
    "words, shape, made",
    [
        ("swap --data 2 --groups 0", (2, 2), None),
        (
            "swap --seeds 1 2 --donor-seeds 4 5 6 --groups 0 2",
            (2, 3),
            lambda m: edits.swap(m, edits.from_seeds(m, [1, 2]), edits.from_seeds(m, [4, 5, 6]), [0, 2]),
        ),
        ("interpolate --seeds 1 2 3 --count 2", (2, 4, 2), None),
        (
            "interpolate --seeds 1 2 --groups 0 2 --linear --count 5",
            (1, 1, 5),
            lambda m: edits.interpolate(m, edits.from_seeds(m, [1, 2]), groups=[0, 2], count=5, spherical=False),
        ),
        (
            "traverse --seeds 1 2 --elements 0 5 --channel 0 --count 3",
            (2, 2, 3),
            lambda m: edits.traverse(m, edits.from_seeds(m, [1, 2]), [0, 5], channel=0, count=3),
        ),
        ("traverse --seeds 1", (1, 4, 7), lambda m: edits.traverse(m, edits.from_seeds(m, [1]), range(4))),
        (
            "resample --seeds 1 2 --count 2 --seed 3",
            (2, 2, 2),
            lambda m: edits.resample(m, edits.from_seeds(m, [1, 2]), count=2, seed=3),
        ),
        ("keep --seeds 1 2", (2, 3), lambda m: edits.keep(m, edits.from_seeds(m, [1, 2]))),
        (
            "keep --seeds 1 2 --groups 0 --seed 4",
            (2, 1),
            lambda m: edits.keep(m, edits.from_seeds(m, [1, 2]), groups=[0], seed=4),
        ),
    ],
)
def test_edits(workdir, tmp_path, words, shape, made, capsys):
    """Every operation does what its function does of the same options, and draws it."""
    assert run(f"edit {words}", workdir, tmp_path) == 0
    name = words.split()[0]
    x = arrays(tmp_path / f"{name}.npz")["x"]
    assert (x.shape, x.dtype) == ((*shape, 8, 8, 1), np.float32) and np.isfinite(x).all()
    assert all(holds(tmp_path / f"{name}.png", image) for image in x.reshape(-1, 8, 8, 1))
    captured = capsys.readouterr()
    assert captured.out.split() == [str(tmp_path / f"{name}.png"), str(tmp_path / f"{name}.npz")]
    assert "warning" not in captured.err
    if made:
        np.testing.assert_allclose(x, made(gdm.load(workdir)).x, atol=1e-5)


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
