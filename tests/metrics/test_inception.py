"""Inception features against torch-fidelity fed by hand, on random weights: no file is downloaded."""

import pickle
import sys

import numpy as np
import pytest

from gdm_jax.metrics import inception
from gdm_jax.metrics.features.inception_v3 import INCEPTION_URL, _untrained
from gdm_jax.pixels import to_uint8


def images(n=3, side=8, channels=1, seed=0):
    return np.tanh(np.random.default_rng(seed).normal(size=(n, side, side, channels))).astype(np.float32)


@pytest.mark.parametrize(
    "weights, options, kind, message",
    [
        ("nowhere.pth", {}, FileNotFoundError, "no weights at nowhere.pth; pass None, or"),
        (3, {}, ValueError, 'None, "random" or the path of a file, got 3'),
        (None, {"batch": 0}, ValueError, "at least 1, got 0"),
    ],
)
def test_arguments(weights, options, kind, message, unchecked):
    with pytest.raises(kind, match=message):
        inception(weights, **options)


@pytest.mark.parametrize("library", ["torch", "torch_fidelity"])
def test_says_what_is_missing(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=r'pip install "gdm-jax\[fid\]"') as raised:
        inception("random")
    assert "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(torch, torch-fidelity, a file of random weights)."""
    how = 'Inception needs torch-fidelity; pip install "gdm-jax[fid]"'
    torch, fidelity = (pytest.importorskip(name, reason=how) for name in ("torch", "torch_fidelity"))
    state = _untrained(torch, fidelity).state_dict()
    generator = torch.Generator().manual_seed(1)
    for name, values in state.items():
        if name.endswith(("bn.bias", "running_mean")):
            values += 0.1 * torch.randn(values.shape, generator=generator)
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(state, path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more are many times slower where other processes keep the cores busy
    yield torch, fidelity, path
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def by_hand(saved):
    """Colour bytes as the library takes them -> its features."""
    torch, fidelity, path = saved
    net = fidelity.FeatureExtractorInceptionV3("by hand", ["2048"], feature_extractor_weights_path=path)
    return lambda pixels: net(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))[0].numpy()


@pytest.fixture(scope="module")
def features(saved):
    return inception(saved[2], batch=1)


@pytest.fixture
def seen(saved, monkeypatch):
    """(network, pixels `[n, 3, h, w]`) of each call to a network, which computes nothing."""
    torch, fidelity, _ = saved
    calls = []

    def forward(self, x):
        calls.append((self, x.cpu().numpy()))
        return (torch.zeros(len(x), 2048),)

    monkeypatch.setattr(fidelity.FeatureExtractorInceptionV3, "forward", forward)
    return calls


@pytest.mark.parametrize("n, side, channels", [(2, 8, 1), (1, 45, 3)])
def test_from_a_file(features, by_hand, n, side, channels):
    """Whatever the size, one by one and not together as by hand, and with samples that overshoot."""
    x = 1.2 * images(n, side, channels)
    found, expected = features(x), by_hand(np.repeat(to_uint8(x), 3 // channels, axis=-1))
    assert found.dtype == np.float32 and found.shape == (n, 2048)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.std())
    if n > 1:
        assert expected.std(axis=0).max() > 0.01  # images differ by far more than that


def test_bytes_come_back(features, seen):
    """From x / 127.5 - 1 in single precision the network gets the very byte x, three times where it is grey."""
    pixels = np.random.default_rng(0).permutation(256).astype(np.uint8).reshape(1, 16, 16, 1)
    x = pixels.astype(np.float32) / 127.5 - 1
    features(x), features(np.repeat(x, 3, axis=-1))
    for _, given in seen:
        np.testing.assert_array_equal(given, np.repeat(pixels, 3, axis=-1).transpose(0, 3, 1, 2))
    colour = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    features(colour.astype(np.float32) / 127.5 - 1)
    given = np.concatenate([x for _, x in seen[2:]])
    np.testing.assert_array_equal(given.transpose(0, 2, 3, 1), colour)


def test_bad_images(features):
    with pytest.raises(ValueError, match="1 or 3 channels, got 2"):
        features(images(2, channels=2))
    with pytest.raises(ValueError, match="uint8; scale bytes by"):
        features(to_uint8(images(2)))


def test_at_random(saved, seen):
    """The same network every time, and PyTorch's own generator is left as it was."""
    torch, fidelity, _ = saved
    before = torch.get_rng_state()
    inception("random")(images(1))
    again, expected = seen[0][0].state_dict(), _untrained(torch, fidelity).state_dict()
    assert (torch.get_rng_state() == before).all()
    assert all(torch.equal(again[name], expected[name]) for name in expected if not name.startswith("fc."))


def test_features_at_random(saved):
    a, b = inception("random")(images(2))
    assert a.shape == (2048,) and np.isfinite([a, b]).all() and np.abs(a - b).max() > 0.01


def test_download(saved, seen, monkeypatch):
    torch, fidelity, path = saved
    state, asked = torch.load(path, weights_only=True), []

    def fetch(url, **options):
        asked.append((url, options))
        return state

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetch)
    inception()(images(1))
    ((url, options),) = asked
    assert url == INCEPTION_URL == fidelity.feature_extractor_inceptionv3.URL_INCEPTION_V3
    assert options["weights_only"] and options["check_hash"]
    assert all(torch.equal(values.cpu(), state[name]) for name, values in seen[0][0].state_dict().items())


def test_download_that_fails(saved, monkeypatch):
    def fail(url, **_):
        raise OSError("no route to host")

    monkeypatch.setattr(saved[0].hub, "load_state_dict_from_url", fail)
    with pytest.raises(ConnectionError, match="no route to host.*pass its path as weights") as raised:
        inception()
    assert INCEPTION_URL in str(raised.value) and "\n" not in str(raised.value)


class Payload:
    """A pickle that writes a file where it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_files_that_do_not_fit(saved, tmp_path):
    torch, _, path = saved
    state = torch.load(path, weights_only=True)
    trap, missing = tmp_path / "trap", dict(state)
    del missing["Mixed_7c.branch_pool.conv.weight"]
    files = {
        "text": lambda out: out.write(b"no weights"),
        "empty": lambda out: out.write(b""),
        "nothing": lambda out: torch.save({}, out),
        "list": lambda out: torch.save([1, 2], out),
        "missing": lambda out: torch.save(missing, out),
        "misshapen": lambda out: torch.save(state | {"fc.bias": torch.zeros(3)}, out),
        "trapped": lambda out: torch.save(state | {"fc.bias": Payload(trap)}, out),
        "pickle": lambda out: pickle.dump(Payload(trap), out),
    }
    for name, write in files.items():
        with open(tmp_path / name, "wb") as out:
            write(out)
        with pytest.raises(ValueError, match="does not fit") as raised:
            inception(tmp_path / name)
        assert str(tmp_path / name) in str(raised.value) and "\n" not in str(raised.value)
    assert not trap.exists()
