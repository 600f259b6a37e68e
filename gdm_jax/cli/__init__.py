"""The `gdm` command, a module a command; `main` holds their table."""

from gdm_jax.cli.main import main

__all__ = ["main"]
