"""Feature functions, the small classifier and perceptual variance."""

import sys
import types

import jax
import numpy as np
import pytest

from gdm_jax.metrics import fit_classifier, perceptual_variance, pixels, vgg19
from gdm_jax.metrics.features.classifier import _shifted


def images(n=6, side=8, channels=1, seed=0):
    return np.tanh(np.random.default_rng(seed).normal(size=(n, side, side, channels))).astype(np.float32)


def test_variance_of_a_linear_feature():
    """For x ~ N(mu_set, s^2 I) within a set and f(x) = x A, the expectation is s^2 |A|^2, whatever mu_set."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(12, 5))
    sets = rng.normal(size=(300, 1, 2, 3, 2)) + 0.3 * rng.normal(size=(300, 9, 2, 3, 2))
    mean, error = perceptual_variance(sets, lambda x: x.reshape(len(x), -1) @ matrix)
    expected = 0.3**2 * (matrix**2).sum()
    assert abs(mean - expected) < 3 * error < 0.15 * expected
    # Var of a set's total variance is 2 tr(C^2) / (n - 1) for members of covariance C.
    covariance = 0.3**2 * matrix.T @ matrix
    assert error == pytest.approx(np.sqrt(2 * np.trace(covariance @ covariance) / 8 / 300), rel=0.2)


def test_variance_against_the_definition():
    sets = np.stack([images(4, seed=n) for n in range(3)])
    each = [np.trace(np.cov(members.reshape(4, -1), rowvar=False)) for members in sets]
    mean, error = perceptual_variance(sets, pixels)
    assert mean == pytest.approx(np.mean(each), rel=1e-5)
    assert error == pytest.approx(np.std(each, ddof=1) / np.sqrt(3), rel=1e-4)


def test_alike_members_have_no_variance():
    sets = np.repeat(images(5)[:, None], 3, axis=1)
    assert perceptual_variance(sets, pixels) == (0, 0)


@pytest.mark.parametrize(
    "sets, features, message",
    [
        (np.zeros((3, 4, 8, 8)), pixels, "must be of shape"),
        (np.zeros((3, 1, 8, 8, 1)), pixels, "n >= 2 members"),
        (np.zeros((1, 3, 8, 8, 1)), pixels, "m >= 2 sets"),
        (np.full((2, 3, 8, 8, 1), np.nan), pixels, "2 of 2 members hold NaN"),
        (np.zeros((2, 3, 8, 8, 1)), lambda x: x.sum(), r"must be of shape \[3, d\]"),
        (np.zeros((2, 3, 8, 8, 1)), lambda x: x.reshape(3, -1) / 0, "features: 3 of 3 members hold NaN"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_bad_sets(sets, features, message):
    with pytest.raises(ValueError, match=message):
        perceptual_variance(sets, features)


def test_pixels():
    x = images(3, 4, 2)
    features = pixels(x)
    assert features.dtype == np.float32 and features.shape == (3, 32)
    assert (features.reshape(x.shape) == x).all()


@pytest.mark.parametrize(
    "bad, message",
    [
        (np.zeros((3, 8, 8)), "shape"),
        (np.zeros((0, 8, 8, 1)), "shape"),
        (np.zeros((3, 8, 8, 1), np.uint8), "uint8; scale bytes by"),
        (np.full((3, 8, 8, 1), 255.0), "up to 255; rescale"),
        (np.full((3, 8, 8, 1), np.inf), "3 of 3 members"),
    ],
)
def test_bad_images(bad, message):
    with pytest.raises(ValueError, match=message):
        pixels(bad)


@pytest.fixture(scope="module")
def digits():
    """scikit-learn's digits in [-1, 1], shuffled: 1,437 to train on and 360 to test on."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn carries the digits")
    bunch = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    x, y = (bunch.images / 8 - 1).astype(np.float32)[order, ..., None], bunch.target[order]
    return (x[:1437], y[:1437]), (x[1437:], y[1437:])


@pytest.fixture(scope="module")
def classifier(digits):
    return fit_classifier(*digits[0])


def test_classifier_knows_digits(classifier, digits):
    x, y = digits[1]
    assert classifier.accuracy(x, y) >= 0.97
    probabilities, features = classifier.probabilities(x), classifier.features(x)
    assert probabilities.shape == (360, 10) and features.shape == (360, 128)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-5)
    assert (probabilities.argmax(-1) == y).mean() == classifier.accuracy(x, y)
    # An image's features do not hang on its company, nor on how many fill a batch.
    np.testing.assert_allclose(features[:3], classifier.features(x[:3]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(features, classifier.features(np.concatenate([x, x]))[360:], rtol=1e-4, atol=1e-5)


def test_features_tell_classes_apart(classifier, digits):
    """Sets of one class vary less in the features than mixed ones, by more than in pixels."""
    x, y = digits[1]
    alike = np.stack([x[y == label][:20] for label in range(10)])
    mixed = x[:200].reshape(10, 20, *x.shape[1:])
    ratios = [
        perceptual_variance(alike, f).mean / perceptual_variance(mixed, f).mean for f in (classifier.features, pixels)
    ]
    assert ratios[0] < 0.7 * ratios[1] < 0.7


def test_the_penultimate_layer_decides(classifier, digits):
    """probabilities = softmax(features W + b)."""
    x, _ = digits[1]
    out = classifier.params["out"]
    logits = classifier.features(x) @ np.asarray(out["kernel"]) + np.asarray(out["bias"])
    np.testing.assert_allclose(classifier.probabilities(x), jax.nn.softmax(logits), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("shape", [(28, 28, 3), (3, 7, 2)])
def test_classifier_at_other_sizes(shape):
    """Learns which half is bright; the same seed gives the same network."""
    y = np.arange(64) % 2
    x = images(64, 32, 3)[:, : shape[0], : shape[1], : shape[2]] / 4
    x[:, : shape[0] // 2] += np.where(y, 0.3, -0.3)[:, None, None, None].astype(np.float32)
    net = fit_classifier(x, y, steps=12, batch=32, seed=5)
    assert net.accuracy(x, y) > 0.9
    assert net.features(x).shape == (64, 128)
    if shape[0] == 3:
        np.testing.assert_array_equal(fit_classifier(x, y, steps=12, batch=32, seed=5).features(x), net.features(x))


def test_training_shifts():
    """Every image is one of the nine crops of itself with its edge repeated, and all nine come up."""
    x = images(100, 5, 2)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    crops = np.stack([padded[:, i : i + 5, j : j + 5] for i in range(3) for j in range(3)])
    found = (crops == _shifted(np.random.default_rng(0), x, 1)).all(axis=(2, 3, 4))
    assert (found.sum(axis=0) == 1).all() and found.any(axis=1).all()


@pytest.mark.parametrize(
    "x, y, options, message",
    [
        (images(4), [0, 1], {}, "4 members need labels of shape"),
        (images(4), [1, 1, 1, 1], {}, "at least two classes, got only 1"),
        (images(4), [0.0, 1.0, np.nan, 1.0], {}, "float64; give integers"),
        (images(4), [-1, 0, 1, 1], {}, "0..classes-1"),
        (images(4), ["a", "b", "a", "b"], {}, "np.unique"),
        (images(4), [0, 1, 0, 1], {"steps": 0}, "above zero"),
        (images(4)[0], [0, 1, 0, 1], {}, "must be of shape"),
    ],
)
def test_bad_training_sets(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        fit_classifier(x, y, **options)


def test_bad_questions_to_a_classifier(classifier):
    with pytest.raises(ValueError, match=r"fitted to images of shape \(8, 8, 1\), got \(8, 8, 3\)"):
        classifier.features(images(channels=3))
    with pytest.raises(ValueError, match="as many labels"):
        classifier.accuracy(images(4), [0, 1])


def fake_keras(backend="jax", order="channels_last"):
    def fail(**_):
        raise Exception("URL fetch failure on https://example.org: None -- no route to host")

    config = types.SimpleNamespace(backend=lambda: backend, image_data_format=lambda: order)
    return types.SimpleNamespace(config=config, applications=types.SimpleNamespace(VGG19=fail))


@pytest.mark.parametrize(
    "keras, kind, message",
    [
        (None, ImportError, r'pip install "gdm-jax\[vgg\]"'),
        (fake_keras("tensorflow"), RuntimeError, "runs on tensorflow; set KERAS_BACKEND=jax"),
        (fake_keras(order="channels_first"), RuntimeError, "channels_last"),
        (fake_keras(), ConnectionError, "no route to host.*pass its path as weights"),
    ],
)
def test_vgg_says_what_is_missing(monkeypatch, keras, kind, message):
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(kind, match=message) as raised:
        vgg19()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "weights, options, kind, message",
    [
        ("nowhere.h5", {}, FileNotFoundError, 'no weights at nowhere.h5; pass "imagenet"'),
        (None, {}, ValueError, '"imagenet", "random" or the path'),
        ("random", {"layers": ["block6_conv1"]}, ValueError, "block5_pool, got 'block6_conv1'"),
        ("random", {"layers": "block1_conv1"}, ValueError, "sequence of names"),
        ("random", {"layers": []}, ValueError, "sequence of names"),
        ("random", {"side": 16}, ValueError, "at least 32 and batch at least 1, got 16"),
    ],
)
def test_vgg_arguments(weights, options, kind, message, unchecked):
    with pytest.raises(kind, match=message):
        vgg19(weights, **options)


@pytest.fixture(scope="module")
def saved_vgg(tmp_path_factory):
    """Keras, an untrained VGG-19 and the file of its weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "jax")
        keras = pytest.importorskip("keras", reason='VGG-19 needs Keras 3; pip install "gdm-jax[vgg]"')
    if keras.config.backend() != "jax":
        pytest.skip(f"Keras runs on {keras.config.backend()}")
    net = keras.applications.VGG19(include_top=False, weights=None, input_shape=(None, None, 3))
    path = tmp_path_factory.mktemp("vgg") / "vgg19.weights.h5"
    net.save_weights(path)
    return keras, net, path


def test_vgg_from_a_file(saved_vgg):
    """Against Keras fed by hand: BGR bytes less ImageNet's means, grey repeated, 8x8 brought to 32x32."""
    keras, net, path = saved_vgg
    layers = ("block1_conv2", "block5_pool")
    x = images(3)
    large = jax.image.resize(x, (3, 32, 32, 1), "bilinear")
    inputs = 127.5 * (np.repeat(large, 3, axis=-1) + 1) - np.array([103.939, 116.779, 123.68], np.float32)
    outputs = keras.Model(net.input, [net.get_layer(name).output for name in layers])(inputs)
    expected = np.concatenate([np.asarray(a).reshape(3, -1) for a in outputs], axis=-1)
    features = vgg19(path, layers=layers, batch=2)
    np.testing.assert_allclose(features(x), expected, rtol=1e-3, atol=1e-3 * expected.std())
    with pytest.raises(ValueError, match="1 or 3 channels, got 2"):
        features(images(2, channels=2))


def test_vgg_at_random(saved_vgg):
    features = vgg19("random")
    grey = images(2, 40)
    a, b = features(grey), features(np.repeat(grey, 3, axis=-1))
    assert a.dtype == np.float32 and a.shape == (2, 2 * 2 * 512)
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * a.std())
    mean, error = perceptual_variance(np.stack([images(2, seed=n) for n in range(2)]), features)
    assert mean > 0 and np.isfinite(error)


def test_vgg_file_that_does_not_fit(saved_vgg, tmp_path):
    keras, _, _ = saved_vgg
    text = tmp_path / "notes.txt"
    text.write_text("no weights")
    other = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(other)
    for path in (text, other):
        with pytest.raises(ValueError, match="does not fit") as raised:
            vgg19(path)
        assert "\n" not in str(raised.value)
