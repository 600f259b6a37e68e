"""Tables (name -> callable), and errors in one line.

A table is the way in for a new thing of a kind: an entry makes its name known to configs, commands and help.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

__all__ = ["call", "choose", "first_line", "lacks", "suggest", "takes"]

Entry = TypeVar("Entry")


def choose(table: Mapping[str, Entry], name: str, field: str) -> Entry:
    """The entry of that name.

    Args:
      table: from names to entries.
      name: the name asked for.
      field: what the name was given as, for the error.

    Raises:
      ValueError: if there is none, with the names that there are.

    >>> choose({"euler": 1, "heun": 2}, "huen", "solver")
    Traceback (most recent call last):
    ValueError: solver: must be one of euler, heun, got 'huen'; did you mean 'heun'?
    """
    if name not in table:
        raise ValueError(f"{field}: must be one of {', '.join(table)}, got {name!r}{suggest(name, table)}")
    return table[name]


def takes(function: Callable) -> list[str]:
    """Names of the parameters that a callable takes by keyword."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, parameter in inspect.signature(function).parameters.items() if parameter.kind in kinds]


def lacks(function: Callable, known: Iterable[str]) -> list[str]:
    """Names of the parameters without a default that are not among the known names."""
    parameters = inspect.signature(function).parameters
    needed = [name for name in takes(function) if parameters[name].default is inspect.Parameter.empty]
    return [name for name in needed if name not in known]


def call(function: Callable, known: Mapping[str, Any]) -> Any:
    """function(...) with those of the known values that it has parameters for.

    Raises:
      TypeError: if a parameter without a default is not among them.

    >>> call(lambda shape, k=1: (shape, k), {"shape": (2, 2), "k": 3, "rank": None})
    ((2, 2), 3)
    """
    return function(**{name: known[name] for name in takes(function) if name in known})


def suggest(name: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' with the nearest known name, or nothing where none is near."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def first_line(error: BaseException | str) -> str:
    """The first line of an error's message, or of a text, that says something; else the name of its kind.

    >>> first_line(ValueError("\\n  no such group \\n at all")), first_line(EOFError())
    ('no such group', 'EOFError')
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
