"""Commands that call the model: sample, encode, decode, and figures of all that."""

import pathlib

import numpy as np
import pytest
from PIL import Image

import gdm_jax as gdm
from gdm_jax import cli, data
from tests.cli.command import arrays, digits_of, run
from tests.pictures import holds, pixels


def below(page, picture):
    """The lower left of a page, as large as a picture, as numbers."""
    height, width = picture.shape[:2]
    return page[-height:, :width].astype(float)


def test_sample_with_a_film(workdir, tmp_path, capsys):
    words = ["sample", "--workdir", str(workdir), "--out", str(tmp_path), "--count", "5", "--film"]
    assert cli.main(words) == 0
    x = arrays(tmp_path / "samples.npz")["x"]
    assert (x.shape, x.dtype) == ((5, 8, 8, 1), np.float32)
    assert all(holds(tmp_path / "samples.png", image) for image in x)
    with Image.open(tmp_path / "samples.gif") as film:
        assert film.n_frames > 3 * 2
    samples, first, last = pixels(tmp_path / "samples.png"), *(pixels(tmp_path / "samples.gif", n) for n in (0, -1))
    assert np.abs(below(last, samples) - samples).mean() < 4 < np.abs(below(first, samples) - samples).mean()
    assert capsys.readouterr().out.split() == [str(tmp_path / f"samples.{kind}") for kind in ("gif", "npz", "png")]
    words = ["sample", "--workdir", str(workdir), "--out", str(tmp_path / "again"), "--seeds", "4", "0"]
    assert cli.main(words) == 0
    assert "warning" not in capsys.readouterr().err
    np.testing.assert_allclose(arrays(tmp_path / "again" / "samples.npz")["x"], x[[4, 0]], atol=1e-5)


def test_sample_an_older_checkpoint_by_another_solver(workdir, tmp_path, capsys):
    words = ["sample", "--workdir", str(workdir), "--out", str(tmp_path), "--count", "2", "--checkpoint", "2"]
    assert cli.main([*words, "--solver", "heun", "--steps", "3", "2", "1"]) == 0
    assert "gdm sample: warning: the model is that of step 2; its training has 4\n" in capsys.readouterr().err
    older = gdm.load(workdir, step=2)
    x = older.sample(2, solver="heun", steps=(3, 2, 1))
    np.testing.assert_allclose(arrays(tmp_path / "samples.npz")["x"], x, atol=1e-6)
    newer = gdm.load(workdir).sample(2, solver="heun", steps=(3, 2, 1))
    assert min(np.abs(x - other).max() for other in (newer, older.sample(2))) > 5e-5


def test_sample_as_an_mp4(workdir, tmp_path):
    av = pytest.importorskip("av", reason="PyAV writes MP4; pip install gdm-jax[mp4]")
    assert run("sample --count 4 --film mp4", workdir, tmp_path) == 0
    with av.open(str(tmp_path / "samples.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) > 3 * 2
    samples = pixels(tmp_path / "samples.png")
    assert np.abs(below(frames[-1], samples) - samples).mean() < 8 < np.abs(below(frames[0], samples) - samples).mean()


def test_sample_by_order_overlap_and_guidance(blocks, tmp_path):
    """Each is another way from the same seeds, so other images."""
    found, led, cold = {}, "--autoguidance 5 --weak-step 2", "--temperature 0.9 0.8 0.7 0.6"
    for words in ("", "--order 3 1 2 0", "--overlap 1", "--label 3", "--label 3 --guidance 3", led, cold):
        assert run(f"sample --seeds 1 2 {words}", blocks, tmp_path) == 0
        found[words] = arrays(tmp_path / "samples.npz")["x"]
    for a in found:
        for b in found:
            assert a == b or np.abs(found[a] - found[b]).max() > 1e-3, (a, b)


@pytest.mark.parametrize("solver", [[], ["--solver", "heun", "--steps", "48"], ["--solver", "inverse_euler"]])
def test_encode_then_decode(workdir, tmp_path, solver):
    """The first six digits come back, by the solver that the latents are kept with."""
    run = ["--workdir", str(workdir), "--out", str(tmp_path)]
    assert cli.main(["encode", *run, "--data", "6", *solver]) == 0
    encoded = arrays(tmp_path / "encoded.npz")
    assert (encoded["z"].shape, encoded["z"].dtype) == ((6, 8, 8, 1), np.float32)
    assert cli.main(["decode", *run, "--latents", str(tmp_path / "encoded.npz")]) == 0
    decoded = arrays(tmp_path / "decoded.npz")["x"]
    if "inverse_euler" in solver:
        assert encoded["residual"].max() < 1e-3
    np.testing.assert_allclose(decoded, digits_of(workdir, 6), atol=2e-3)
    assert all(holds(tmp_path / "decoded.png", image) for image in decoded)
    assert all(holds(tmp_path / "encoded.png", image) for image in encoded["z"])


def test_encode_pictures(workdir, tmp_path):
    """A folder and a file, of any size and colour."""
    (tmp_path / "in").mkdir()
    for i in range(2):
        Image.new("RGB", (20, 30), (90 * i, 40, 10)).save(tmp_path / "in" / f"{i}.png")
    Image.new("L", (9, 9), 77).save(tmp_path / "one.jpg")
    words = ["encode", "--workdir", str(workdir), "--out", str(tmp_path), "--images", str(tmp_path / "in"),
             str(tmp_path / "one.jpg")]
    assert cli.main(words) == 0
    z = arrays(tmp_path / "encoded.npz")["z"]
    grey = [[np.rint(0.299 * 90 * i + 0.587 * 40 + 0.114 * 10)] for i in range(2)] + [[77]]
    x = np.broadcast_to(np.reshape(grey, (3, 1, 1, 1)) / 127.5 - 1, z.shape)
    np.testing.assert_allclose(z, gdm.load(workdir).encode(x.astype(np.float32)), atol=1e-3)


def test_figures(workdir, tmp_path, capsys):
    """Every picture that is announced is there, and holds what it is said to hold."""
    assert cli.main(["figures", "--workdir", str(workdir), "--out", str(tmp_path)]) == 0
    announced = [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()]
    names = {"samples.png", "strip.png", "film.gif", "reconstruction.png", "mixing.png"}
    assert {pathlib.Path(path).name for path in announced} == names
    folder, x, real = tmp_path / "figures", gdm.load(workdir).sample(64), digits_of(workdir, 1_797)
    assert all(holds(folder / "samples.png", image) for image in x[:12])
    assert all(holds(folder / "strip.png", image) for image in x[:8])
    spread = data.spread(64, len(real))
    assert all(holds(folder / "reconstruction.png", image) for image in real[spread[:12]])
    assert all(holds(folder / "mixing.png", image) for image in real[spread[[0, 4, 8, 12]]])
    samples, film = pixels(folder / "samples.png"), pixels(folder / "film.gif")
    assert np.abs(below(film, samples) - samples).mean() < 4


def test_figures_beside_a_run_of_the_same_name(workdir, tmp_path, capsys):
    """Two runs are shown even where their folders are called alike, here a run beside itself: twice the same."""
    assert run("figures --beside {run}", workdir, tmp_path, run=workdir) == 0
    announced = [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert {pathlib.Path(path).name for path in announced} == {"strips.png", "films.gif"}
    with Image.open(tmp_path / "figures" / "films.gif") as film:
        assert film.n_frames > 3 * 2
    film, strips = pixels(tmp_path / "figures" / "films.gif"), pixels(tmp_path / "figures" / "strips.png")
    above, under = np.split(strips, 2)
    np.testing.assert_array_equal(above, under)
    assert all(holds(tmp_path / "figures" / "strips.png", image) for image in gdm.load(workdir).sample(4))
    side = 2 + 4 * 66  # of four images in a row
    np.testing.assert_array_equal(film[-side:, 2:side], film[-side:, -side + 2 :][:, : side - 2])


def test_a_solver_that_cannot_generate(workdir, tmp_path, capsys):
    assert run("sample --solver inverse_euler", workdir, tmp_path) == 2
    assert "inverse_euler is for encode" in capsys.readouterr().err
