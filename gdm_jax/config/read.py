"""What an experiment is: ConfigDict files -> checked frozen dataclasses, once, at the edge.

The dataclasses of `gdm_jax.config.schema` are the commented default. An experiment file returns `default()` with some
fields set:

    from gdm_jax.config import default

    def get_config():
        config = default()
        config.process.groups = "bottom_to_top"
        config.process.k = 2
        return config

It may also enter something of its own in a table, e.g. in `gdm_jax.networks.NETWORKS`, and name it. Fields may be
overridden from a command line as `--config.training.batch=64`. A workdir keeps its config as JSON, so loading a model
runs no config file.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import json
import os
import pathlib
import sys
import typing
from collections.abc import Sequence
from typing import Any

import ml_collections

from gdm_jax._registry import first_line, suggest
from gdm_jax.config.schema import Config
from gdm_jax.config.validate import check

__all__ = ["default", "from_dict", "from_json", "inherit", "load", "parse", "parse_json", "to_json"]


def default() -> ml_collections.ConfigDict:
    """The default experiment as a locked ConfigDict, to be changed field by field."""
    return ml_collections.ConfigDict(dataclasses.asdict(Config())).lock()


def inherit(file: str | os.PathLike, sibling: str, variant: str = "") -> ml_collections.ConfigDict:
    """The ConfigDict of another experiment file in the same folder: `inherit(__file__, "digits.py")`."""
    return _run(pathlib.Path(file).parent / sibling, variant)


def load(path: str | os.PathLike, overrides: Sequence[str] = ()) -> Config:
    """The config of an experiment file, with `--config.a.b=value` overrides.

    Args:
      path: Python file with `get_config() -> ConfigDict`, or FILE:VARIANT for one whose get_config takes a variant.
      overrides: Changes of fields, each `FIELD=VALUE` or `--config.FIELD=VALUE`.

    Raises:
      ValueError: if the file is missing or not a config, or a field is unknown, mistyped or out of range.
    """
    file, _, variant = str(path).partition(":")
    settings = _run(pathlib.Path(file), variant)
    for override in overrides:
        _override(settings, override)
    return from_dict(settings.to_dict())


def _run(path: pathlib.Path, variant: str) -> ml_collections.ConfigDict:
    if not path.is_file():
        raise ValueError(f"config: there is no file {str(path)!r}; see configs/ for examples")
    spec = importlib.util.spec_from_file_location(f"gdm_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"config: {str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses, and so networks of the file's own, look up their types
    try:
        spec.loader.exec_module(module)
        settings = module.get_config(variant) if variant else module.get_config()
    except ValueError:
        raise
    except Exception as error:  # whatever a user's file may do wrong
        raise ValueError(f"config: {path}: {first_line(error)}") from error
    if not isinstance(settings, ml_collections.ConfigDict):
        raise ValueError(f"config: {path}: get_config must return a ConfigDict, got {settings!r}")
    return settings


def from_dict(values: Any) -> Config:
    """Nested dicts -> Config, checked.

    Raises:
      ValueError: if a field is unknown (with a suggestion), mistyped or out of range.
    """
    config = parse(values)
    check(config)
    return config


def from_json(text: str) -> Config:
    """The inverse of `to_json`. Raises ValueError as `from_dict`, or if the text is not JSON."""
    return from_dict(parse_json(text))


def parse(values: Any) -> Config:
    """Nested dicts -> Config, of which only names and types of the fields are checked.

    Raises:
      ValueError: if a field is unknown or mistyped.
    """
    return _build(Config, values, "")


def parse_json(text: str) -> Any:
    """What a text of JSON holds; raises ValueError if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"config: not JSON ({error})") from None


def to_json(config: Config) -> str:
    """A config as JSON, as a workdir keeps it."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def _build(kind: Any, values: Any, prefix: str) -> Any:
    if not isinstance(values, dict):
        raise ValueError(f"config: {prefix.rstrip('.') or 'the top level'} must be a section of fields, got {values!r}")
    hints = typing.get_type_hints(kind)
    for name in values:
        if name not in hints:
            raise ValueError(f"config: there is no field {prefix}{_plain(name)}{suggest(name, hints)}")
    built = {}
    for name, value in values.items():
        hint = hints[name]
        if dataclasses.is_dataclass(hint):
            built[name] = _build(hint, value, f"{prefix}{name}.")
        else:
            built[name] = _typed(f"{prefix}{name}", value, hint)
    return kind(**built)


def _typed(name: str, value: Any, hint: Any) -> Any:
    """value as the field's type; lists become tuples and whole numbers floats, nothing else is converted."""
    kind = typing.get_origin(hint) or hint
    if kind is tuple and isinstance(value, (list, tuple)):
        inner = typing.get_args(hint)
        if not inner:
            return _deep_tuple(value)
        if inner[-1] is not Ellipsis and len(value) != len(inner):
            raise ValueError(f"{name}: must hold {len(inner)} values, got {tuple(value)}")
        return tuple(_typed(name, item, inner[0]) for item in value)
    if kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"{name}: must be a number of float's range, got a larger one") from None
    if type(value) is not kind:
        raise ValueError(f"{name}: must be of type {kind.__name__}, got {value!r}")
    return value


def _deep_tuple(value: Any) -> Any:
    return tuple(_deep_tuple(v) for v in value) if isinstance(value, (list, tuple)) else value


def _override(settings: Any, override: str) -> None:
    """Set one `--config.a.b=value`. The value is read as a Python literal, or as text where it is none."""
    name, equals, text = override.removeprefix("--").removeprefix("config.").partition("=")
    if not equals:
        raise ValueError(f"{override}: an override has the form FIELD=VALUE")
    last, section, seen, part = settings, settings, "", ""
    for part in name.split("."):
        if not isinstance(section, ml_collections.ConfigDict) or part not in section:
            known = list(section) if isinstance(section, ml_collections.ConfigDict) else []
            raise ValueError(f"config: there is no field {seen}{part}{suggest(part, known)}")
        last, section, seen = section, section[part], f"{seen}{part}."
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if isinstance(section, str):
        value = text.strip("'\"")
    if isinstance(section, tuple) and not isinstance(value, (tuple, list)):
        value = (value,)
    with last.ignore_type():  # from_dict checks the type and names the field
        last[part] = value


def _plain(name: str) -> str:
    """A field's name as it is, or quoted where it is none that a field could have."""
    return name if name.isidentifier() else repr(name)
