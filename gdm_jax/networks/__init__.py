"""Networks u(x_t, alpha) in Flax (App. B): DDPM++ for images, a small MLP for vectors."""

from gdm_jax.networks.in_basis import InBasis
from gdm_jax.networks.mlp import MLP
from gdm_jax.networks.unet import UNet
