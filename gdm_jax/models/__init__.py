"""Networks u(x_t, alpha) in Flax (App. B): DDPM++ for images, a small MLP for vectors."""

from gdm_jax.models.coefficients import InBasis
from gdm_jax.models.mlp import MLP
from gdm_jax.models.unet import UNet
