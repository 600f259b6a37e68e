"""A small residual MLP for vectors: the 2-D mixtures of Fig. 1a."""

from __future__ import annotations

import math
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key

from gdm_jax.networks.embedding import Jump, Label, no_label, positional
from gdm_jax.networks.limits import check_size

__all__ = ["MLP", "make"]


def make(shape: Sequence[int], channels: int, blocks: int, classes: int, jumps: bool) -> MLP:
    """The MLP of a config.

    Args:
      shape: Shape of a datum; images are flattened.
      channels: Width of every layer.
      blocks: Number of residual blocks.
      classes: Number of class labels. 0 for none.
      jumps: Whether the network is told where a jump leads.

    Raises:
      ValueError: if the network is too large.
    """
    layers = 3 * blocks + 2
    check_size(layers, channels * (layers * channels + 2 * math.prod(shape) + classes))
    return MLP(width=channels, layers=blocks, classes=classes, jumps=jumps)


class MLP(nn.Module):
    """u(x_t, alpha) for x_t `[batch, *shape]`: linear in, `layers` residual blocks of `width`, linear out.

    Each block adds a linear map of the embedded alpha, and of a class label where `classes` > 0, before its
    nonlinearity; the last layer starts at zero.

    Attributes:
      width: Width of every layer.
      layers: Number of residual blocks.
      classes: Number of class labels. 0 for none.
      jumps: Whether the network is told where a jump leads.
    """

    width: int = 256
    layers: int = 4
    classes: int = 0
    jumps: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array | np.ndarray, " batch *shape"],
        alpha: Float[Array | np.ndarray, "batch k"],
        label: Integer[Array | np.ndarray, " batch"] | None = None,
        keys: Key[Array, " batch"] | None = None,
        beta: Float[Array | np.ndarray, "batch k"] | None = None,
    ) -> Float[Array, " batch *shape"]:
        """The field at x_t, or its mean from alpha to beta.

        A label is -1 for none; None is that for all. Keys change nothing: there is no dropout.
        """
        del keys
        shape, x = x.shape, x.reshape(len(x), -1)
        features = jnp.concatenate([positional(alpha, 64), alpha], axis=-1)
        embedding = nn.Dense(self.width)(features)
        if self.classes:
            embedding = embedding + Label(self.classes, self.width)(no_label(x) if label is None else label)
        if self.jumps:
            embedding = embedding + Jump(64, self.width, name="jump")(alpha, beta)
        embedding = nn.silu(embedding)
        h = nn.Dense(self.width)(x)
        for _ in range(self.layers):
            inner = nn.Dense(self.width)(nn.silu(nn.LayerNorm()(h))) + nn.Dense(self.width)(embedding)
            h = h + nn.Dense(self.width)(nn.silu(inner))
        return nn.Dense(x.shape[-1], kernel_init=nn.initializers.zeros)(nn.silu(nn.LayerNorm()(h))).reshape(shape)
