"""A small residual MLP for vectors: the 2-D mixtures of Fig. 1a."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp

from gdm_jax.networks.embedding import Label, no_label, positional


class MLP(nn.Module):
    """u(x_t, alpha) for x_t `[batch, dim]`: linear in, `layers` residual blocks of `width`, linear out.

    Each block adds a linear map of the embedded alpha, and of a class label where `classes` > 0, before its
    nonlinearity; the last layer starts at zero.
    """

    width: int = 256
    layers: int = 4
    classes: int = 0

    @nn.compact
    def __call__(self, x, alpha, label=None, keys=None):
        del keys  # no dropout
        shape, x = x.shape, x.reshape(len(x), -1)
        features = jnp.concatenate([positional(alpha, 64), alpha], axis=-1)
        embedding = nn.Dense(self.width)(features)
        if self.classes:
            embedding = embedding + Label(self.classes, self.width)(no_label(x) if label is None else label)
        embedding = nn.silu(embedding)
        h = nn.Dense(self.width)(x)
        for _ in range(self.layers):
            inner = nn.Dense(self.width)(nn.silu(nn.LayerNorm()(h))) + nn.Dense(self.width)(embedding)
            h = h + nn.Dense(self.width)(nn.silu(inner))
        return nn.Dense(x.shape[-1], kernel_init=nn.initializers.zeros)(nn.silu(nn.LayerNorm()(h))).reshape(shape)
