"""Pytrees of arrays by the paths of their leaves, as `params/Dense_0/kernel`, and how two of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import PyTree

__all__ = ["Mismatch", "by_path", "check_same", "shapes"]


class Mismatch(ValueError):
    """Sound arrays of another architecture."""


def by_path(tree: PyTree) -> dict[str, Any]:
    """The leaves of a pytree, arrays or what has a shape like them, by their paths."""
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda leaf: hasattr(leaf, "shape"))
    return {_name(path): leaf for path, leaf in leaves}


def shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
    """Shapes of the leaves by their paths."""
    return {path: tuple(leaf.shape) for path, leaf in by_path(tree).items()}


def check_same(saved: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]], what: str) -> None:
    """Check that what is saved has the expected paths and shapes.

    Raises:
      Mismatch: naming the paths that differ.
    """
    differing = sorted(p for p in saved.keys() | expected.keys() if saved.get(p) != expected.get(p))
    if differing:
        listed = ", ".join(f"{p} ({saved.get(p)} saved, {expected.get(p)} expected)" for p in differing[:3])
        raise Mismatch(f"{what} is of another architecture; {len(differing)} differing path(s): {listed}")


def _name(path) -> str:
    return "/".join(str(getattr(p, "key", getattr(p, "name", getattr(p, "idx", p)))) for p in path)
