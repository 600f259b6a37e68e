"""A small residual MLP for vectors: the 2-D mixtures of Fig. 1a."""

import flax.linen as nn
import jax.numpy as jnp

from gdm_jax.models.embedding import positional


class MLP(nn.Module):
    """u(x_t, alpha) for x_t `[batch, dim]`: linear in, `layers` residual blocks of `width`, linear out.

    Each block adds a linear map of the embedded alpha before its nonlinearity; the last layer starts at zero.
    """

    width: int = 256
    layers: int = 4

    @nn.compact
    def __call__(self, x, alpha, keys=None):
        del keys  # no dropout
        shape, x = x.shape, x.reshape(len(x), -1)
        features = jnp.concatenate([positional(alpha, 64), alpha], axis=-1)
        embedding = nn.silu(nn.Dense(self.width)(features))
        h = nn.Dense(self.width)(x)
        for _ in range(self.layers):
            inner = nn.Dense(self.width)(nn.silu(nn.LayerNorm()(h))) + nn.Dense(self.width)(embedding)
            h = h + nn.Dense(self.width)(nn.silu(inner))
        return nn.Dense(x.shape[-1], kernel_init=nn.initializers.zeros)(nn.silu(nn.LayerNorm()(h))).reshape(shape)
