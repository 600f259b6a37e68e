"""How alpha, a class label and the values of an augmentation enter a network."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

AUGMENTATION_VALUES = 9  # of gdm_jax.training.augment


def positional(alpha, width: int):
    """Cosines and sines of each alpha at `width`/2 frequencies, in geometric steps from 32 down to 0.32 radians.

    The highest frequency bounds how fast u can change with alpha, and with it the steps an adaptive solver needs: with
    the customary 1000 the round trip of digits at a tolerance of 1e-5 was off by 6e-3.

    Args:
      alpha: `[batch, k]` in [0, 1].
      width: even number of features for each of the k values.

    Returns:
      `[batch, k * width]` float32.
    """
    frequency = 32.0 * 100.0 ** -jnp.linspace(0, 1, width // 2)
    angle = alpha[..., None].astype(jnp.float32) * frequency
    features = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)
    return features.reshape(len(alpha), -1)


class Label(nn.Module):
    """A class label as `features` numbers, to be added to the embedding of alpha: a linear map of its one-hot code,
    scaled as in Karras et al. (2022). A label outside 0..classes-1, say -1, stands for none and gives zeros.

    Attributes:
      classes: number of labels.
      features: of the output.
    """

    classes: int
    features: int

    @nn.compact
    def __call__(self, label):
        """label: int `[batch]` -> `[batch, features]` float32."""
        code = jax.nn.one_hot(label, self.classes) * self.classes**0.5
        return nn.Dense(self.features, use_bias=False, name="map")(code)


def no_label(x):
    """The label -1, none, for each example of x: int32 `[batch]`."""
    return jnp.full(len(x), -1, jnp.int32)


def no_augmentation(x):
    """The values of an image left as it was, zeros, for each example of x: float32 `[batch, 9]`."""
    return jnp.zeros((len(x), AUGMENTATION_VALUES))
