"""List the trained models that ship with the package, or show the card of one.

Commands take such a name where they take --workdir, and gdm_jax.load takes it too.
"""

from __future__ import annotations

import argparse

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm models
  gdm models digits
"""


def arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", nargs="?", metavar="NAME", help="Model whose card to show. Default: a list of all.")


def run(arguments: argparse.Namespace) -> None:
    from gdm_jax import pretrained
    from gdm_jax._registry import choose

    models = pretrained.files()
    if arguments.model:
        choose(models, arguments.model, "model")
        print(pretrained.card(arguments.model))
        return
    for name, file in models.items():
        said = pretrained.card(name).split("\n\n")[1].replace("\n", " ")
        print(f"{name:<8} {file.stat().st_size / 1e6:.1f} MB  {said}")
