"""The `gdm` command."""

from gdm_jax.cli.main import main
