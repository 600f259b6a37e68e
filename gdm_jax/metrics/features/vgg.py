"""VGG-19's activations on ImageNet as features of images  (Simonyan & Zisserman 2015)."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdm_jax._registry import first_line
from gdm_jax.metrics.checks import FeatureFunction, check_images
from gdm_jax.metrics.features.batches import in_batches

__all__ = ["VGG_LAYERS", "VGG_SIDE", "VGG_URL", "vgg19"]

VGG_BLOCKS = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4}  # convolutions of each block
VGG_LAYERS = tuple(
    f"block{block}_{name}"
    for block, convolutions in VGG_BLOCKS.items()
    for name in [*(f"conv{i + 1}" for i in range(convolutions)), "pool"]
)
VGG_SIDE = 32  # the least that five halvings leave something of
VGG_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
)


def vgg19(
    weights: str | os.PathLike = "imagenet",
    *,
    layers: Sequence[str] = ("block5_conv4",),
    side: int = VGG_SIDE,
    batch: int = 64,
) -> FeatureFunction:
    """A feature function of VGG-19's activations, through Keras 3 on JAX (`pip install "gdm-jax[vgg]"`).

    Images of one channel are repeated to three. Images whose shorter side is below `side` are enlarged to it
    bilinearly, with their proportions kept. The activations after the rectifier are flattened and put one layer after
    another.

    Args:
      weights: Path of a file of weights without the fully connected layers. "imagenet" has Keras download that file
        once to ~/.keras/models. "random" is an untrained network, for trying things out.
      layers: Names of layers, block1_conv1 ... block5_conv4 and block1_pool ... block5_pool.
      side: Least side of an image, at least 32.
      batch: Number of images computed at a time.

    Raises:
      ValueError: if a layer does not exist, side is below 32 or batch below 1, or the file's weights are not VGG-19's.
      FileNotFoundError: if the file of weights does not exist.
      ImportError: if Keras is not installed.
      RuntimeError: if Keras is running on another backend than JAX.
      ConnectionError: if the weights cannot be downloaded.
    """
    unknown = [layer for layer in layers if layer not in VGG_LAYERS]
    if unknown or isinstance(layers, str) or not len(layers):
        named = unknown[0] if unknown and not isinstance(layers, str) else layers
        raise ValueError(f"vgg19: layers must be a sequence of names out of {', '.join(VGG_LAYERS)}, got {named!r}")
    if side < VGG_SIDE or batch < 1:
        raise ValueError(f"vgg19: side must be at least {VGG_SIDE} and batch at least 1, got {side} and {batch}")
    if not isinstance(weights, (str, os.PathLike)):
        raise ValueError(f'vgg19: weights must be "imagenet", "random" or the path of a file, got {weights!r}')
    if weights not in ("imagenet", "random") and not pathlib.Path(weights).is_file():
        raise FileNotFoundError(f'vgg19: no weights at {weights}; pass "imagenet", or the path of a copy of {VGG_URL}')
    keras = _keras()
    net = _vgg19(keras, weights)
    part = keras.Model(net.input, [net.get_layer(layer).output for layer in layers])
    variables = [[v.value for v in group] for group in (part.trainable_variables, part.non_trainable_variables)]

    @jax.jit
    def apply(variables, images):
        height, width = images.shape[1:3]
        scale = max(1.0, side / min(height, width))
        size = (len(images), round(height * scale), round(width * scale), images.shape[-1])
        enlarged = images if scale == 1 else jax.image.resize(images, size, "bilinear")
        colour = jnp.broadcast_to(enlarged, (*size[:3], 3))
        inputs = keras.applications.vgg19.preprocess_input(127.5 * (colour + 1), data_format="channels_last")
        outputs, _ = part.stateless_call(*variables, inputs, training=False)
        return jnp.concatenate([a.reshape(len(a), -1) for a in jax.tree.leaves(outputs)], axis=-1)

    def features(images: Any) -> np.ndarray:
        images = check_images("vgg19", images)
        if images.shape[-1] not in (1, 3):
            raise ValueError(f"vgg19: images must have 1 or 3 channels, got {images.shape[-1]}")
        return in_batches(lambda some: apply(variables, some), images, batch)

    return features


def _keras():
    """Keras 3 on its JAX backend, which is asked for if no backend has been named."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        import keras  # pyright: ignore[reportMissingImports]  (in an extra)
    except ImportError as error:
        how = 'pip install "gdm-jax[vgg]" and leave KERAS_BACKEND unset or "jax"'
        raise ImportError(f"vgg19: Keras cannot be imported ({error}); {how}") from error
    backend = keras.config.backend()
    if backend != "jax":
        raise RuntimeError(f"vgg19: Keras runs on {backend}; set KERAS_BACKEND=jax before Keras is first imported")
    if keras.config.image_data_format() != "channels_last":
        raise RuntimeError('vgg19: Keras is set to channels first; keras.config.set_image_data_format("channels_last")')
    return keras


def _vgg19(keras, weights):
    """The network up to its last pooling, for images of any size."""
    shape = (None, None, 3)
    if weights == "imagenet":
        try:
            return keras.applications.VGG19(include_top=False, weights="imagenet", input_shape=shape)
        except Exception as error:  # Keras raises a bare Exception here
            how = f"fetch {VGG_URL} where there is a network and pass its path as weights"
            raise ConnectionError(f"vgg19: the weights cannot be downloaded ({error}); {how}") from error
    net = keras.applications.VGG19(include_top=False, weights=None, input_shape=shape)
    if weights == "random":
        return net
    kernels = [layer.kernel for layer in net.layers if "conv" in layer.name]
    before = [np.asarray(kernel.value) for kernel in kernels]
    try:
        net.load_weights(weights)
        reason = "some layers are missing"  # over which Keras passes with a warning
        fits = not any((old == np.asarray(kernel.value)).all() for old, kernel in zip(before, kernels))
    except Exception as error:  # whatever the reader of the file's format raises
        fits, reason = False, first_line(error)
    if not fits:
        raise ValueError(f"vgg19: {weights} does not fit ({reason}); pass the path of a copy of {VGG_URL}")
    return net
