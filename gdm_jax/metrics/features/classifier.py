"""A small classifier of labelled images, p(label | image), for judging samples of data that ImageNet knows nothing of.

Convolutions of 3x3 with rectifiers come first. Each after the first halves the image, until its shorter side is at most
four. A hidden layer (the features) and a linear one follow. It is trained with Adam on the cross-entropy, with a cosine
schedule and random shifts. The loop over steps is in Python, because XLA on CPU runs a convolution's gradient many
times slower inside a scan.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import Array, Float, Float32
from numpy.typing import ArrayLike
from tqdm import tqdm

from gdm_jax.metrics.checks import check_images, check_labels
from gdm_jax.metrics.features.batches import in_batches

__all__ = ["Classifier", "fit_classifier"]

WIDTH, WIDEST, HIDDEN = 32, 128, 128


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A fitted classifier of images in [-1, 1], which is a feature function; `fit_classifier` makes one.

    Attributes:
      params: Layers, {"convolutions": [...], "hidden": ..., "out": ...}, each of a kernel and a bias.
      shape: Shape of an image, (height, width, channel).
      classes: Number of classes; labels are 0..classes-1.
    """

    params: dict
    shape: tuple[int, int, int]
    classes: int

    def __call__(self, images: ArrayLike) -> Float32[np.ndarray, "n d"]:
        """As `features`, so that a classifier is a feature function."""
        return self.features(images)

    def features(self, images: ArrayLike) -> Float32[np.ndarray, "n d"]:
        """The hidden layer's activations of images `[n, *shape]`, 128 each."""
        return self._apply(_hidden, images)

    def probabilities(self, images: ArrayLike) -> Float32[np.ndarray, "n classes"]:
        """The probability of every class, for images `[n, *shape]`."""
        return self._apply(_probabilities, images)

    def head(self, features: ArrayLike) -> Float32[np.ndarray, "n classes"]:
        """The same from the images' `features`."""
        return np.asarray(jax.nn.softmax(_out(self.params, np.asarray(features, np.float32))))

    def accuracy(self, images: ArrayLike, labels: ArrayLike) -> float:
        """The share of images `[n, *shape]` whose most probable class is their label, int `[n]`."""
        images, labels = np.asarray(images), np.asarray(labels)
        if labels.shape != (len(images),):
            raise ValueError(f"classifier: {len(images)} images need as many labels, got shape {labels.shape}")
        return float((self.probabilities(images).argmax(-1) == labels).mean())

    def _apply(self, function: Callable, images: ArrayLike) -> np.ndarray:
        images = check_images("classifier", images)
        if images.shape[1:] != self.shape:
            raise ValueError(f"classifier: fitted to images of shape {self.shape}, got {images.shape[1:]}")
        return in_batches(lambda some: function(self.params, some), images, 512)


def fit_classifier(
    images: ArrayLike,
    labels: ArrayLike,
    *,
    seed: int = 0,
    steps: int = 600,
    batch: int = 64,
    learning_rate: float = 2e-3,
    shift: int = 1,
    progress: bool = False,
) -> Classifier:
    """A classifier trained on images and their labels.

    The defaults suit images of 8x8 to 32x32 with a few thousand members. Larger sets need more steps.

    Args:
      images: Images `[n, height, width, channel]` in [-1, 1].
      labels: Class of each image, ints 0..classes-1 `[n]`.
      seed: Seed of the first parameters, the order of the images and the shifts.
      steps: Number of Adam's steps.
      batch: Number of images a step.
      learning_rate: First learning rate, which falls to zero along a cosine.
      shift: Most pixels by which an image is moved along each axis, where its edge is repeated.
      progress: Whether to show a bar.

    Raises:
      ValueError: if images or labels are not as above, or steps, batch or learning_rate is not above zero.
    """
    images = check_images("classifier", images)
    labels = check_labels("classifier", labels, len(images))
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(
            "classifier: labels must be integers 0..classes-1; np.unique(..., return_inverse=True) numbers"
        )
    if min(steps, batch, learning_rate) <= 0 or shift < 0:
        raise ValueError("classifier: steps, batch and learning_rate must be above zero and shift not below it")
    classes, batch = int(labels.max()) + 1, min(batch, len(images))
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))
    rng = np.random.default_rng(seed)
    params = _init(rng, images.shape[1:], classes)

    @jax.jit
    def step(params, state, x, y):
        def loss(params):
            return optax.softmax_cross_entropy_with_integer_labels(_logits(params, x), y).mean()

        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    state, order = optimizer.init(params), np.empty(0, int)
    for _ in tqdm(range(steps), desc="classifier", unit=" steps", disable=not progress):
        if len(order) < batch:
            order = rng.permutation(len(images))
        members, order = order[:batch], order[batch:]
        params, state = step(params, state, _shifted(rng, images[members], shift), labels[members])
    height, width, channel = images.shape[1:]
    return Classifier(params, (height, width, channel), classes)


def _shifted(
    rng: np.random.Generator, images: Float[np.ndarray, "n height width channel"], most: int
) -> Float[np.ndarray, "n height width channel"]:
    """Each image moved by up to `most` pixels along each axis."""
    if most == 0:
        return images
    n, height, width, _ = images.shape
    offsets = rng.integers(-most, most + 1, (2, n, 1))
    rows = np.clip(np.arange(height) + offsets[0], 0, height - 1)
    columns = np.clip(np.arange(width) + offsets[1], 0, width - 1)
    return images[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def _init(rng: np.random.Generator, shape: Sequence[int], classes: int) -> dict:
    def layer(*kernel: int) -> dict[str, np.ndarray]:
        scale = np.sqrt(2 / np.prod(kernel[:-1]))  # He et al. 2015
        weights = scale * rng.normal(size=kernel)
        return {"kernel": weights.astype(np.float32), "bias": np.zeros(kernel[-1], np.float32)}

    height, width, channels = shape
    convolutions, wide = [layer(3, 3, channels, WIDTH)], WIDTH
    while min(height, width) > 4:
        height, width, before, wide = -(-height // 2), -(-width // 2), wide, min(2 * wide, WIDEST)
        convolutions.append(layer(3, 3, before, wide))
    hidden, out = layer(height * width * wide, HIDDEN), layer(HIDDEN, classes)
    return {"convolutions": convolutions, "hidden": hidden, "out": out}


@jax.jit
def _hidden(params: dict, x: Float[Array, "n height width channel"]) -> Float[Array, "n d"]:
    for n, layer in enumerate(params["convolutions"]):
        strides = (1, 1) if n == 0 else (2, 2)
        y = jax.lax.conv_general_dilated(
            x, layer["kernel"], strides, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(y + layer["bias"])
    return jax.nn.relu(x.reshape(len(x), -1) @ params["hidden"]["kernel"] + params["hidden"]["bias"])


def _out(params: dict, hidden: Any) -> Any:
    return hidden @ params["out"]["kernel"] + params["out"]["bias"]


def _logits(params: dict, x: Float[Array, "n height width channel"]) -> Float[Array, "n classes"]:
    return _out(params, _hidden(params, x))


@jax.jit
def _probabilities(params: dict, x: Float[Array, "n height width channel"]) -> Float[Array, "n classes"]:
    return jax.nn.softmax(_logits(params, x))
