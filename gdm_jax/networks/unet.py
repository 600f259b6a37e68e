"""DDPM++, the U-Net of Song et al. (2021) as configured by Karras et al. (2022)  (App. B).

Down and up a ladder of resolutions by residual blocks; every output on the way down is concatenated to an input on the
way up. alpha enters each block through the embedding and, if `alpha_channels` names the groups, also as input channels
A(t). The last convolution of each block, and of the network, starts near zero, so u starts near zero.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key

from gdm_jax.networks.convolution import convolution
from gdm_jax.networks.embedding import Jump, Label, no_augmentation, no_label, positional
from gdm_jax.networks.limits import check_size
from gdm_jax.process.groups import Groups
from gdm_jax.process.process import Process

__all__ = ["Block", "GroupNorm", "NEAR_ZERO", "SKIP_SCALE", "UNet", "make"]

SKIP_SCALE = 0.5**0.5
NEAR_ZERO = 1e-5


def make(
    shape: Sequence[int],
    process: Process,
    *,
    channels: int,
    multipliers: Sequence[int],
    blocks: int,
    attention: Sequence[int],
    dropout: float,
    alpha_channels: bool,
    classes: int,
    jumps: bool,
    augment: bool,
    patch: int,
    dtype: Any,
    remat: bool,
) -> UNet:
    """The U-Net of a config. Its arguments are the attributes of `UNet`, but for these.

    Args:
      shape: Shape of a datum, (height, width, channel).
      process: Process whose groups A(t) is made of.
      alpha_channels: Whether A(t) is concatenated to the input.

    Raises:
      ValueError: if the data are no images, cannot be halved so often, or have no groups of pixels where A(t) is asked
        for, or if the network is too large.
    """
    if len(shape) != 3:
        raise ValueError(f"model.name: 'unet' is of images; use 'mlp' where data.shape is (dim,), got {tuple(shape)}")
    if any(n % _divisor(patch, multipliers) for n in shape[:2]):
        raise ValueError(
            f"data.shape: must be divisible by {_divisor(patch, multipliers)} for model.patch and model.multipliers, "
            f"got {tuple(shape)}"
        )
    if alpha_channels and process.basis.matrices:
        raise ValueError("model.alpha_channels: A(t) is a picture only for pixel groups; set process.basis='identity'")
    each = 2 * blocks + 1  # residual blocks a resolution, downwards and upwards, of two 3x3 convolutions
    widths = [channels * multiplier for multiplier in multipliers]
    parameters = sum(20 * each * width**2 for width in widths) + 4 * channels * classes
    check_size(2 * each * len(widths), parameters)
    return UNet(
        channels=channels,
        multipliers=tuple(multipliers),
        blocks=blocks,
        attention=tuple(attention),
        dropout=dropout,
        alpha_channels=process.groups if alpha_channels else None,
        classes=classes,
        jumps=jumps,
        augment=augment,
        patch=patch,
        dtype=dtype,
        remat=remat,
    )


def _divisor(patch: int, multipliers: Sequence[int]) -> int:
    """What height and width must be multiples of."""
    return patch * 2 ** (len(multipliers) - 1)


def _xavier_uniform(weight: float = 1.0):
    """Glorot uniform, the weights multiplied by `weight`."""
    return nn.initializers.variance_scaling(weight**2, "fan_avg", "uniform")


class UNet(nn.Module):
    """u(x_t, alpha) for images `[batch, height, width, channel]`, alpha `[batch, k]`; returns an array like x_t.

    Attributes:
      channels: Width at multiplier 1.
      multipliers: Width of each resolution, from the full one down by halves. Height and width must halve evenly.
      blocks: Number of residual blocks at each resolution. There is one more on the way up.
      attention: Resolutions (heights) with self-attention. The lowest always attends once on the way up.
      dropout: Dropout rate inside the blocks. It is applied only where `keys` are given.
      alpha_channels: Pixel groups whose A(t) is concatenated to x_t, or None.
      classes: Number of class labels. 0 for none.
      jumps: Whether the network is told where a jump leads.
      augment: Whether the network is told how its images were augmented.
      patch: Side of the squares of pixels that are folded into channels first. 1 is DDPM++; 2 quarters the cost.
      dtype: Type of the computation, e.g. bfloat16. Parameters stay float32.
      remat: Whether each block is computed again in the backward pass instead of storing its activations.
    """

    channels: int = 128
    multipliers: tuple[int, ...] = (2, 2, 2)
    blocks: int = 4
    attention: tuple[int, ...] = (16,)
    dropout: float = 0.0
    alpha_channels: Groups | None = None
    classes: int = 0
    jumps: bool = False
    augment: bool = False
    patch: int = 1
    dtype: Any = jnp.float32
    remat: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array | np.ndarray, "batch height width channel"],
        alpha: Float[Array | np.ndarray, "batch k"],
        label: Integer[Array | np.ndarray, " batch"] | None = None,
        keys: Key[Array, " batch"] | None = None,
        augmentation: Float[Array | np.ndarray, "batch values"] | None = None,
        beta: Float[Array | np.ndarray, "batch k"] | None = None,
    ) -> Float[Array, "batch height width channel"]:
        """The field at x_t, or its mean from alpha to beta.

        Args:
          x: Noisy images x_t.
          alpha: Progress of every group.
          label: Class labels. -1 or None for none.
          keys: Random keys, one for each image. None runs without dropout.
          augmentation: Values that say how each image was augmented. Zeros or None for an image as it was.
          beta: alpha after a jump, for a network with `jumps`. None for no jump.
        """
        height, width, out_channels = x.shape[1:]
        divisor = _divisor(self.patch, self.multipliers)
        if height % divisor or width % divisor:
            raise ValueError(f"unet: patch and multipliers need height and width divisible by {divisor}, got {x.shape}")
        block = nn.remat(Block) if self.remat else Block
        block = functools.partial(block, dropout=self.dropout, dtype=self.dtype)
        conv = functools.partial(nn.Conv, kernel_size=(3, 3), conv_general_dilated=convolution, dtype=self.dtype)

        embedding = positional(alpha, self.channels)
        features = embedding.shape[-1]
        if self.classes:
            embedding += Label(self.classes, features, name="label")(no_label(x) if label is None else label)
        if self.augment:
            told = no_augmentation(x) if augmentation is None else augmentation
            dense = nn.Dense(features, use_bias=False, kernel_init=_xavier_uniform(), name="augmentation")
            embedding += dense(told)
        if self.jumps:
            embedding += Jump(self.channels, features, name="jump")(alpha, beta)
        embedding = embedding.astype(self.dtype)
        for name in ("embed_0", "embed_1"):
            dense = nn.Dense(4 * self.channels, dtype=self.dtype, kernel_init=_xavier_uniform(), name=name)
            embedding = nn.silu(dense(embedding))

        if self.alpha_channels is not None:
            maps = jnp.take(alpha, self.alpha_channels.index, axis=-1).astype(x.dtype)
            maps = maps.reshape(maps.shape + (1,) * (x.ndim - maps.ndim))
            x = jnp.concatenate([x, jnp.broadcast_to(maps, x.shape)], axis=-1)

        x = _fold(x.astype(self.dtype), self.patch)
        h = conv(self.channels, kernel_init=_xavier_uniform(), name="conv_in")(x)
        skips = [h]
        for level, multiplier in enumerate(self.multipliers):
            if level:
                h = block(h.shape[-1], resample="down", name=f"down_{level}")(h, embedding, keys)
                skips.append(h)
            attends = h.shape[1] in self.attention
            for n in range(self.blocks):
                h = block(self.channels * multiplier, attention=attends, name=f"enc_{level}_{n}")(h, embedding, keys)
                skips.append(h)

        for level, multiplier in reversed(list(enumerate(self.multipliers))):
            if level == len(self.multipliers) - 1:
                h = block(h.shape[-1], attention=True, name="middle_0")(h, embedding, keys)
                h = block(h.shape[-1], name="middle_1")(h, embedding, keys)
            else:
                h = block(h.shape[-1], resample="up", name=f"up_{level}")(h, embedding, keys)
            for n in range(self.blocks + 1):
                attends = n == self.blocks and h.shape[1] in self.attention
                h = jnp.concatenate([h, skips.pop()], axis=-1)
                h = block(self.channels * multiplier, attention=attends, name=f"dec_{level}_{n}")(h, embedding, keys)

        h = nn.silu(GroupNorm(self.dtype, name="norm_out")(h))
        h = conv(out_channels * self.patch**2, kernel_init=_xavier_uniform(NEAR_ZERO), name="conv_out")(h)
        return _unfold(h, self.patch).astype(jnp.float32)


class Block(nn.Module):
    """Residual block: norm, conv, + embedding, norm, dropout, conv; then, if asked, self-attention over the pixels.

    Attributes:
      channels: Number of channels that leave the block.
      dropout: Dropout rate.
      dtype: Type of the computation.
      resample: "down" halves the resolution, "up" doubles it, None keeps it.
      attention: Whether the pixels attend to one another.
    """

    channels: int
    dropout: float
    dtype: Any
    resample: str | None = None
    attention: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height width channel"],
        embedding: Float[Array, "batch features"],
        keys: Key[Array, " batch"] | None,
    ) -> Float[Array, "batch out_height out_width out_channel"]:
        """The features after the block. Without keys nothing is dropped."""
        conv = functools.partial(nn.Conv, kernel_size=(3, 3), conv_general_dilated=convolution, dtype=self.dtype)
        h = nn.silu(GroupNorm(self.dtype, name="norm_0")(x))
        h, x = _resample(h, self.resample), _resample(x, self.resample)
        h = conv(self.channels, kernel_init=_xavier_uniform(), name="conv_0")(h)
        shift = nn.Dense(self.channels, dtype=self.dtype, kernel_init=_xavier_uniform(), name="affine")(embedding)
        h = nn.silu(GroupNorm(self.dtype, name="norm_1")(h + shift[:, None, None]))
        h = _dropout(h, keys, self.dropout, salt=self.path)
        h = conv(self.channels, kernel_init=_xavier_uniform(NEAR_ZERO), name="conv_1")(h)
        if self.resample or x.shape[-1] != self.channels:
            x = nn.Dense(self.channels, dtype=self.dtype, kernel_init=_xavier_uniform(), name="skip")(x)
        h = (h + x) * SKIP_SCALE
        if self.attention:
            h = (self._attend(h) + h) * SKIP_SCALE
        # Keeps XLA's CPU backend from computing the gradient of many blocks again for each one (JAX 0.10 ignores it).
        return jax.lax.optimization_barrier(h)

    def _attend(self, h):
        batch, height, width, channels = h.shape
        dense = functools.partial(nn.Dense, dtype=self.dtype)
        h = GroupNorm(self.dtype, name="norm_2")(h)
        qkv = dense(3 * channels, kernel_init=_xavier_uniform(0.2**0.5), name="qkv")(h)
        q, k, v = jnp.split(qkv.reshape(batch, height * width, 1, 3 * channels), 3, axis=-1)
        h = nn.dot_product_attention(q, k, v, dtype=self.dtype, force_fp32_for_softmax=True)
        h = h.reshape(batch, height, width, channels)
        return dense(channels, kernel_init=_xavier_uniform(NEAR_ZERO), name="proj")(h)


class GroupNorm(nn.Module):
    """Group normalisation with min(32, C/4) groups, or the nearest fewer that divide C.

    It computes the values of `flax.linen.GroupNorm` in half the time on a CPU, because each channel is summed over the
    pixels first, and the few channels of a group after that.

    Attributes:
      dtype: Type of the result.
      epsilon: Number added to the variance.
    """

    dtype: Any
    epsilon: float = 1e-6

    @nn.compact
    def __call__(self, h: Float[Array, "batch height width channel"]) -> Float[Array, "batch height width channel"]:
        """The features, normalised, scaled and shifted."""
        channels = h.shape[-1]
        groups = next(n for n in range(min(32, max(channels // 4, 1)), 0, -1) if channels % n == 0)
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))

        def over_group(moment):
            mean = moment.reshape(len(h), groups, -1).mean(-1, keepdims=True)
            return jnp.broadcast_to(mean, (len(h), groups, channels // groups)).reshape(len(h), channels)

        values = h.astype(jnp.float32)
        mean = over_group(values.mean((1, 2)))
        variance = over_group(jnp.square(values).mean((1, 2))) - jnp.square(mean)
        factor = jax.lax.rsqrt(jnp.maximum(variance, 0) + self.epsilon) * scale
        return (values * factor[:, None, None] + (bias - mean * factor)[:, None, None]).astype(self.dtype)


def _resample(h, direction):
    """Halve by averaging 2x2 boxes, or double by repeating each pixel 2x2."""
    batch, height, width, channels = h.shape
    if direction == "down":
        return h.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))
    if direction == "up":
        return jnp.repeat(jnp.repeat(h, 2, axis=1), 2, axis=2)
    return h


def _fold(x, patch: int):
    """Squares of patch x patch pixels -> channels."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // patch, patch, width // patch, patch, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height // patch, width // patch, channels * patch**2)


def _unfold(x, patch: int):
    """The inverse of `_fold`."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height, width, patch, patch, channels // patch**2).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height * patch, width * patch, channels // patch**2)


def _dropout(h, keys, rate: float, salt: tuple[str, ...]):
    """Dropout drawn from each example's own key, so that it does not depend on how the batch is split over devices."""
    if keys is None or rate == 0:
        return h
    number = functools.reduce(lambda seed, letter: (seed * 31 + ord(letter)) % 2**31, "/".join(salt), 0)

    def kept(key):
        return jax.random.bernoulli(jax.random.fold_in(key, number), 1 - rate, h.shape[1:])

    return jnp.where(jax.vmap(kept)(keys), h / (1 - rate), 0).astype(h.dtype)
