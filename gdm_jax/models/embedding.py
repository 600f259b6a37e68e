"""How alpha enters a network: a positional embedding of each of the k values, side by side."""

import jax.numpy as jnp


def positional(alpha, width: int):
    """Cosines and sines of 1000 alpha at `width`/2 frequencies from 1 down to 1/10000.

    Args:
      alpha: `[batch, k]` in [0, 1].
      width: even number of features for each of the k values.

    Returns:
      `[batch, k * width]` float32.
    """
    frequency = 10000.0 ** -jnp.linspace(0, 1, width // 2)
    angle = 1000.0 * alpha[..., None].astype(jnp.float32) * frequency
    features = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)
    return features.reshape(len(alpha), -1)
