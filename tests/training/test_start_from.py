"""A run that begins with the averaged parameters of another: what it takes over, and what it refuses."""

import dataclasses

import jax
import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import training
from tests.runs import losses, same


def leaves(params):
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params)}


def jumping(config, **changes):
    """The config with a network that learns jumps, by the loss of jumps."""
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, jumps=True, **changes),
        training=dataclasses.replace(config.training, loss="mean_flow"),
    )


@pytest.mark.parametrize("learning_rate", [1e-12, 1e-2])
def test_a_run_that_learns_jumps(run, tiny, tmp_path, learning_rate):
    """The field stays that of the other run to the last bit. The network that jumps begins as the field, and learns."""
    workdir, _ = run
    config = jumping(tiny(steps=2, warmup_images=0, learning_rate=learning_rate, start_from=str(workdir)))
    training.train(config, tmp_path, progress=False)
    before, after = gdm.load(workdir), gdm.load(tmp_path)
    (other,), (both,) = before.u.args, after.u.args
    same(both["field"], other)
    own = leaves(both["jump"])
    assert set(own) - set(leaves(other)) == {"['params']['jump']['map']['kernel']"}
    moved = max(np.abs(own[name] - leaf).max() for name, leaf in leaves(other).items())
    assert moved < 1e-6 if learning_rate < 1e-6 else moved > 1e-3
    np.testing.assert_array_equal(after.sample(2), before.sample(2))
    x = after.sample(2, solver="mean_flow", steps=after.pieces)
    apart = np.abs(x - before.sample(2, solver="euler", steps=before.pieces)).max()
    assert apart < 1e-4 if learning_rate < 1e-6 else apart > 1e-3
    training.train(dataclasses.replace(config, training=dataclasses.replace(config.training, steps=3)), tmp_path)
    assert [step for step, *_ in losses(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"channels": 64}, "training.start_from: must be a run of the same network; .* is of shape"),
        ({"name": "unet"}, "training.start_from: must be a run of the same network; .* is not in this one"),
    ],
)
def test_other_networks(run, tiny, tmp_path, changes, message):
    config = jumping(tiny(steps=1, start_from=str(run[0])), **changes)
    with pytest.raises(ValueError, match=message) as caught:
        training.train(config, tmp_path, progress=False)
    assert "\n" not in str(caught.value)


def test_finds_a_model_that_ships(tiny, tmp_path):
    """By its name; its network is another than the tiny one."""
    with pytest.raises(ValueError, match="training.start_from: must be a run of the same network"):
        training.train(jumping(tiny(start_from="digits")), tmp_path, progress=False)


def test_no_such_run(tiny, tmp_path):
    with pytest.raises(ValueError, match="^training.start_from: there is no trained run in .*none"):
        training.train(jumping(tiny(start_from=str(tmp_path / "none"))), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_the_loss_of_jumps_needs_a_network_that_knows_them(tiny):
    with pytest.raises(ValueError, match="model.jumps: must be True for training.loss 'mean_flow'"):
        training.train(tiny(loss="mean_flow"), "never")


def test_jumps_need_a_trained_field(tiny):
    with pytest.raises(ValueError, match="training.start_from: must be the workdir of a trained run where model.jumps"):
        training.train(jumping(tiny()), "never")


def test_a_model_without_jumps_does_not_jump(run):
    with pytest.raises(ValueError, match="solver: mean_flow needs a network that was trained with model.jumps; take"):
        gdm.load(run[0]).sample(2, solver="mean_flow", steps=3)
