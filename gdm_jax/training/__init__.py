"""Training: state, step, loop and augmentation."""

from gdm_jax.training.loop import NonFiniteLoss, train

__all__ = ["NonFiniteLoss", "train"]
