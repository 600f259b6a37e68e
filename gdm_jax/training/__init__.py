"""Training: state, step, loop, checkpoints. Orbax and pmap live here alone."""

from gdm_jax.training.loop import train
