"""Networks u(x_t, alpha) in Flax  (App. B): DDPM++ for images, a small MLP for vectors.

An entry of NETWORKS makes a network. It takes, by name, what it needs of: shape (of a datum), k, process, augment
(whether the network is told augmentations) and the fields of config.model, such as channels, blocks and classes.

The network has `init(key, x, alpha)` and `apply(params, x_t, alpha)`, as a Flax module has. Where the config asks for
them, `apply` is also given label (int `[batch]`, -1 for none), keys (`[batch]`, for dropout), augmentation (`[batch,
9]`) and beta (`[batch, k]`, see `gdm_jax.network`). While sampling it is given the label, as its third argument, and
beta by name, each only where it is asked for. With config.model.jumps two are made, and only the second takes beta: see
`Jumping`.
"""

from collections.abc import Callable
from typing import Any

from gdm_jax.networks import mlp, unet
from gdm_jax.networks.in_basis import InBasis
from gdm_jax.networks.jumping import Jumping
from gdm_jax.networks.mlp import MLP
from gdm_jax.networks.preconditioned import Preconditioned
from gdm_jax.networks.unet import UNet

__all__ = ["InBasis", "Jumping", "MLP", "NETWORKS", "Preconditioned", "UNet"]

NETWORKS: dict[str, Callable[..., Any]] = {"unet": unet.make, "mlp": mlp.make}
