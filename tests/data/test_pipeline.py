"""The stream of batches: its order, hosts that share it, flips, and a position that resumes."""

import json

import numpy as np
import pytest

from gdm_jax import data


class Numbered:
    """n images of which the left half holds the example's number and the right half the next."""

    shape, classes = (1, 2, 1), None

    def __init__(self, n=20):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, numbers):
        x = np.repeat(np.uint8(numbers)[:, None, None, None], 2, axis=1) + np.arange(2, dtype=np.uint8)[:, None]
        return {"x": x, "label": np.int32(numbers)}


def batches(count, **options):
    stream = data.stream(Numbered(), **{"seed": 0, "batch": 4} | options)
    return [next(stream) for _ in range(count)]


def labels(count, **options):
    return np.concatenate([batch["label"] for batch in batches(count, **options)])


def test_every_epoch_is_another_permutation():
    first, second = np.split(labels(10), 2)
    np.testing.assert_array_equal(np.sort(first), np.arange(20))
    np.testing.assert_array_equal(np.sort(second), np.arange(20))
    assert (first != second).any() and (first != np.arange(20)).any()


def test_the_order_depends_on_the_seed_alone():
    order = labels(10)
    np.testing.assert_array_equal(order, labels(10, threads=1))
    np.testing.assert_array_equal(order, labels(5, batch=8))
    assert (order != labels(10, seed=1)).any()


@pytest.mark.parametrize("hosts", [1, 2, 4])
def test_hosts_share_one_global_batch(hosts):
    """Examples put at their `position` make the batch that a single host reads, mirrored alike."""
    options = {"batch": 8, "flip": True, "seed": 3}
    parts = [batches(4, process_index=p, process_count=hosts, **options) for p in range(hosts)]
    for step, whole in enumerate(batches(4, **options)):
        part = [parts[p][step] for p in range(hosts)]
        assert {len(p["x"]) for p in part} == {8 // hosts}
        position = np.concatenate([p["position"] for p in part])
        np.testing.assert_array_equal(np.sort(position), np.arange(8))
        for name in ("x", "label"):
            np.testing.assert_array_equal(np.concatenate([p[name] for p in part])[np.argsort(position)], whole[name])


def test_flips():
    """About half are mirrored, each as a whole, and the same example not always."""
    found = batches(100, flip=True)
    x, label = (np.concatenate([batch[name] for batch in found]) for name in ("x", "label"))
    mirrored = x[:, 0, 0, 0] != label
    expected = label[:, None] + np.where(mirrored[:, None], [1, 0], [0, 1])
    np.testing.assert_array_equal(x[..., 0], np.broadcast_to(expected[:, None], (400, 2, 2)))
    assert 150 < mirrored.sum() < 250
    assert 0 < mirrored[label == 7].mean() < 1
    plain = np.concatenate([batch["x"] for batch in batches(100)])
    np.testing.assert_array_equal(plain[:, 0, 0, 0], label)


@pytest.mark.parametrize("hosts", [1, 2])
def test_a_saved_position_resumes_exactly(hosts):
    """get_state goes through JSON, as in a checkpoint; the new stream reads on where the old one was."""
    options = {"seed": 5, "batch": 4, "flip": True, "process_index": hosts - 1, "process_count": hosts}
    stream = data.stream(Numbered(), **options)
    for _ in range(7):
        next(stream)
    state = json.loads(json.dumps(stream.get_state()))
    expected = [next(stream) for _ in range(6)]
    again = data.stream(Numbered(), **options)
    again.set_state(state)
    for batch in expected:
        found = next(again)
        for name in ("x", "label", "position"):
            np.testing.assert_array_equal(found[name], batch[name])


def test_a_batch_that_hosts_do_not_divide():
    with pytest.raises(ValueError, match="training.batch: 4 does not divide evenly over 3 hosts"):
        data.stream(Numbered(), seed=0, batch=4, process_count=3)
