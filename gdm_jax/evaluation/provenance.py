"""What a number depends on, as short names that are the same in every process."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import types
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from gdm_jax.devices import program

__all__ = ["digest", "fingerprint", "versions"]


def digest(values: Any) -> str:
    """A short name of nested plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:12]


def versions() -> dict[str, str]:
    """What made a number: the libraries that compute it, and the kind of device."""
    names = ("gdm-jax", "jax", "flax", "diffrax", "equinox", "numpy")
    return {name: importlib.metadata.version(name) for name in names} | {"device": jax.devices()[0].device_kind}


def fingerprint(value: Any) -> str:
    """A short name of all that a value is.

    Arrays are known by their numbers, objects by their parts and functions by their code. Classes and functions of
    libraries are known by their names; `versions` says which libraries they are of.
    """
    seen = hashlib.sha256()
    for part in _parts(value, set()):
        seen.update(part)
    return seen.hexdigest()[:12]


def _parts(value: Any, inside: set[int]) -> Iterator[bytes]:
    """The bytes that tell a value from others; `inside` holds what it is part of, for values that hold themselves."""
    if program.is_array(value):
        array = np.asarray(value)
        yield f"{array.dtype}{array.shape}".encode()
        yield np.ascontiguousarray(array).tobytes()
        return
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.dtype)):
        yield repr(value).encode()
        return
    yield f"{type(value).__module__}.{type(value).__qualname__}(".encode()
    if id(value) not in inside:
        for part in _inner(value):
            yield from _parts(part, inside | {id(value)})
    yield b")"


def _inner(value: Any) -> list:
    """What a value that is no plain one is made of, in a fixed order."""
    if isinstance(value, dict):
        return [part for item in sorted(value.items(), key=lambda item: str(item[0])) for part in item]
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if program.of_library(value) or isinstance(value, (types.BuiltinFunctionType, types.ModuleType)):
        return [value.__name__]
    if isinstance(value, types.FunctionType):
        closure = [cell.cell_contents for cell in value.__closure__ or ()]
        return [value.__code__, value.__defaults__, value.__kwdefaults__, *closure]
    if isinstance(value, types.CodeType):
        return [value.co_code, value.co_names, value.co_consts]
    if isinstance(value, type):
        own = {name: part for name, part in vars(value).items() if isinstance(part, types.FunctionType)}
        return [value.__qualname__, own, value.__bases__]
    if hasattr(value, "__wrapped__"):
        return [value.__wrapped__]
    if dataclasses.is_dataclass(value):
        return [type(value), {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}]
    return [type(value), getattr(value, "__dict__", {})]
