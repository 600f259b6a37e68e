"""Whole runs on a tiny MLP of digits: what they leave, how they go on, and what they refuse."""

import dataclasses
import struct

import jax
import numpy as np
import pytest
from PIL import Image

import gdm_jax as gdm
from gdm_jax import config as configs
from gdm_jax import data, training
from gdm_jax.training import loop
from gdm_jax.workdir import checkpoint, log
from tests.runs import Ramp, listing, losses, same


def test_what_a_run_leaves(run, tiny):
    workdir, state = run
    assert int(state.step) == 12
    assert configs.from_json((workdir / "config.json").read_text()) == tiny(sample_every=12)
    assert [step for step, *_ in losses(workdir)] == list(range(1, 13))
    assert checkpoint.Checkpoints(workdir, create=False).steps() == [3, 6, 9, 12]
    assert [file.name for file in (workdir / "samples").iterdir()] == ["00000012.png"]
    (board,) = (workdir / "tensorboard").iterdir()
    shown = dict(scalars(board))
    assert {name for name, _ in scalars(board)} >= {"loss", "grad_norm", "images_per_second", "samples"}
    assert shown["loss"] == pytest.approx(losses(workdir)[-1][1], rel=1e-6)


def scalars(path):
    """(tag, value) of an event file: records of a length, its checksum, a message and its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    content, at = path.read_bytes(), 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        for value in Event.FromString(content[at + 12 : at + 12 + length]).summary.value:
            yield value.tag, value.simple_value
        at += length + 16


def test_an_interrupted_run_equals_an_uninterrupted_one(run, tiny, tmp_path, monkeypatch):
    """Ended at step 6, continued, cut short after step 10 with the last checkpoint at 9, continued: bit for bit. With
    training.sample_every 0 no picture is drawn.
    """
    training.train(tiny(steps=6), tmp_path, progress=False)
    write = log.Log.write

    def cut(self, step, **values):
        write(self, step, **values)
        if step == 10:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(log.Log, "write", cut)
        training.train(tiny(), tmp_path, progress=False)
    assert [step for step, *_ in losses(tmp_path)] == list(range(1, 11))
    state = training.train(tiny(), tmp_path, progress=False)
    same(state, run[1])
    assert losses(tmp_path) == losses(run[0]) and not (tmp_path / "samples").exists()


def test_a_finished_run_is_left_alone(run, tiny, workdir):
    before = losses(workdir)
    same(training.train(tiny(), workdir, progress=False), run[1])
    assert losses(workdir) == before


def test_a_non_finite_loss_stops_the_run(tiny, tmp_path):
    """The first step throws the parameters far away; the second has no finite loss and is not saved."""
    config = tiny(learning_rate=1e30, warmup_images=0, save_every=1, log_every=5)
    with pytest.raises(training.NonFiniteLoss, match="step 2 is not finite; the last checkpoint is intact"):
        training.train(config, tmp_path, progress=False)
    assert checkpoint.Checkpoints(tmp_path, create=False).steps() == [1]
    leaves = jax.tree.leaves(gdm.load(tmp_path).u)
    assert all(np.isfinite(leaf).all() for leaf in leaves)


def test_a_workdir_of_another_config_is_refused(tiny, workdir):
    before = listing(workdir)
    other = dataclasses.replace(tiny(learning_rate=0.5), seed=1)
    with pytest.raises(ValueError, match="belongs to another config; seed, training.learning_rate differ"):
        training.train(other, workdir, progress=False)
    assert listing(workdir) == before


@pytest.mark.parametrize(
    "change, message",
    [
        ({"batch": 12}, "training.batch: 12 does not divide over 8 device.s. in 1 micro-batch.es.; 16 does"),
        ({"batch": 24, "accumulate": 2}, "training.batch: 24 does not divide over 8 device.s. in 2 micro-batch"),
    ],
)
def test_a_batch_that_devices_do_not_divide(tiny, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        training.train(tiny(**change), tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()


# What a run is held to


def of_classes(tiny, classes):
    config = tiny()
    return dataclasses.replace(config, model=dataclasses.replace(config.model, classes=classes))


def test_more_classes_in_the_data_than_in_the_model_are_refused(tiny, tmp_path):
    """Half of the digits would train as if they had no label."""
    with pytest.raises(ValueError, match="model.classes: the data have labels up to 9, got 5; set it to 10"):
        training.train(of_classes(tiny, 5), tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()


def test_labels_that_only_a_batch_shows(tiny, tmp_path, monkeypatch):
    """Of a data set too large to be read at once, whose features name no classes."""
    opened = data.open_source

    def unknown(settings, **options):
        source = opened(settings, **options)
        source.classes = None
        return source

    monkeypatch.setattr(data, "open_source", unknown)
    with pytest.raises(ValueError, match="model.classes: the data have labels up to [5-9], got 5; set it to"):
        training.train(of_classes(tiny, 5), tmp_path, progress=False)


def folder_of(images, folder):
    folder.mkdir()
    for n, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{n}.png")
    return folder


@pytest.fixture
def pictures(tmp_path):
    """Noise in a folder, 16 images of 8x8."""
    return folder_of(np.random.default_rng(0).integers(0, 256, (16, 8, 8), np.uint8), tmp_path / "pictures")


def of_folder(tiny, path, tmp_path, **changes):
    settings = {"name": "folder", "path": str(path), "dir": str(tmp_path / "prepared")}
    return dataclasses.replace(tiny(**changes), data=configs.Data(**settings))


def test_a_run_goes_on_with_its_own_data_alone(tiny, pictures, tmp_path):
    """Wherever they lie by then, but no others; nothing is written when it is refused."""
    training.train(of_folder(tiny, pictures, tmp_path, steps=3), tmp_path / "run", progress=False)
    other = folder_of(np.random.default_rng(1).integers(0, 256, (16, 8, 8), np.uint8), tmp_path / "other")
    before = listing(tmp_path / "run")
    with pytest.raises(ValueError, match="data.path: the run in .* began with other examples than these 16"):
        training.train(of_folder(tiny, other, tmp_path, steps=6), tmp_path / "run", progress=False)
    assert [entry for entry in listing(tmp_path / "run") if entry[0] != "lock"] == [e for e in before if e[0] != "lock"]
    moved = pictures.rename(tmp_path / "moved")
    training.train(of_folder(tiny, moved, tmp_path, steps=6), tmp_path / "run", progress=False)
    assert checkpoint.Checkpoints(tmp_path / "run", create=False).steps()[-1] == 6


def test_steps_of_a_falling_rate_are_the_run_s(tiny, workdir, tmp_path):
    training.train(tiny(steps=14), workdir, progress=False)  # constant: longer at will
    falling = tiny(decay="cosine", steps=3)
    training.train(falling, tmp_path, progress=False)
    before = listing(tmp_path)
    with pytest.raises(ValueError, match="training.steps, by which the learning rate falls, differ"):
        training.train(tiny(decay="cosine", steps=6), tmp_path, progress=False)
    assert listing(tmp_path) == before


def test_a_run_that_left_no_checkpoint_holds_no_workdir(run, tiny, tmp_path, monkeypatch):
    """It may be tried again with another config, as after the device had no room for the first."""

    def no_room(*_, **__):
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "make_step", lambda *_: no_room)
        with pytest.raises(MemoryError):
            training.train(tiny(batch=32), tmp_path, progress=False)
    assert (tmp_path / "config.json").is_file()
    same(training.train(tiny(), tmp_path, progress=False), run[1])
    assert losses(tmp_path) == losses(run[0])


def test_two_channels(tiny, tmp_path, monkeypatch):
    """Of what is neither grey nor colour the channels are drawn side by side, and the run goes on."""
    monkeypatch.setattr(data, "open_source", lambda *_, **__: Ramp((8, 8, 2)))
    settings = {"data": configs.Data(shape=(8, 8, 2)), "sampling": configs.Sampling(steps=(4,))}
    config = dataclasses.replace(tiny(steps=3, sample_every=3), **settings)
    training.train(config, tmp_path, progress=False)
    width, height = Image.open(tmp_path / "samples" / "00000003.png").size
    assert width > 1.9 * height
