"""Compiled programs and what they depend on.

A program that calls a network u must answer for u as it is at the time of the call. JAX compiles a function once and
knows it by its identity, so that what the function reads from elsewhere (a variable, an attribute, a list) would be
frozen at its first call. `compiled` knows a program by what it computes instead:

* u is settled if it can compute something else only by holding other arrays: a `functools.partial` of the `apply` of a
  Flax module, an Equinox module, a function that reads nothing but its arguments and libraries. Its arrays are
  arguments of the program, and JAX's own cache of compiled programs serves.
* Any other u is traced at every call. The arrays that it reads become arguments, and what remains, the text of the
  program, says whether it was compiled before: it costs a trace, and a compilation only if it computes something new
  (or calls back into Python, for the text does not name what it calls).
* Under a transformation (`jax.grad`, `jax.vmap`, `jax.jit`) such a u is traced into it, as it would be without us.
"""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

__all__ = ["as_pytree", "compiled", "is_array", "of_library", "settled"]

# Packages whose functions do not change while a program runs.
LIBRARIES = frozenset({"jax", "jaxlib", "numpy", "scipy", "flax", "equinox", "optax", "diffrax", "gdm_jax"})
LIBRARIES |= {"einops", "jaxtyping", "math", "functools", "operator", "itertools", "builtins"}
JITTED = type(jax.jit(lambda: None))
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, type, np.ufunc, jnp.ufunc, JITTED)
FUNCTIONS += (jax.custom_jvp, jax.custom_vjp)


def compiled(function: Callable) -> Callable:
    """`function(u, *arguments, **options)`, compiled; u is read anew at each call.

    Arrays in the arguments and options are traced, everything else in them is part of the program's key and must be
    hashable. The outputs must be arrays.
    """
    of_settled = eqx.filter_jit(function)

    @functools.wraps(function)
    def call(u, *arguments, **options):
        u = as_pytree(u)
        if settled(u):
            return of_settled(u, *arguments, **options)
        dynamic, static = eqx.partition((u, arguments, options), is_array)

        def whole(dynamic):
            u, arguments, options = eqx.combine(dynamic, static)
            return function(u, *arguments, **options)

        read = jax.tree.map(_as_array, eqx.filter_closure_convert(whole, dynamic))
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((read, dynamic))):
            return function(u, *arguments, **options)
        held, rest = eqx.partition(read, is_array)
        program = _Program(rest, held, dynamic)
        if _calls_back(read.jaxpr):
            return jax.jit(lambda *arrays: program(*arrays))(held, dynamic)
        return _run(program, held, dynamic)

    return call


def as_pytree(u: Any) -> Any:
    """u with its arrays as leaves, so that new parameters reuse what was compiled for the old ones.

    `functools.partial` hides its arguments from JAX; `jax.tree_util.Partial` shows them. Nothing else is changed.
    """

    def shown(leaf):
        return jax.tree_util.Partial(leaf.func, *leaf.args, **leaf.keywords)

    return jax.tree.map(lambda leaf: shown(leaf) if isinstance(leaf, functools.partial) else leaf, u)


def settled(u: Any) -> bool:
    """Whether u, a pytree, computes the same for ever but for the arrays that it holds."""
    if isinstance(u, jax.tree_util.Partial):
        return _fixed(u.func) and settled((u.args, u.keywords))
    leaves, structure = jax.tree.flatten(u)
    if jax.tree_util.treedef_is_leaf(structure):
        return is_array(u) or _fixed(u)
    written_here = type(u).__module__ == "__main__"  # a class of a notebook, whose methods may read its variables
    return not written_here and all(is_array(leaf) or settled(leaf) for leaf in leaves)


def is_array(leaf: Any) -> bool:
    """Whether a leaf is data of a program, and not a part of it."""
    return isinstance(leaf, (jax.Array, np.ndarray, np.generic))


def _as_array(leaf: Any) -> Any:
    """JAX before 0.10 keeps a NumPy array that a function reads in a class that is no array."""
    return jnp.asarray(leaf) if hasattr(leaf, "__array__") and not is_array(leaf) else leaf


def _fixed(part) -> bool:
    """Whether a part of u that is no array can be known by its identity or, where it is a value, by its value."""
    if _constant(part):
        return True
    if isinstance(part, JITTED) or of_library(part):  # jax.jit freezes what it compiled, as its user knows
        return True
    if isinstance(part, types.MethodType):
        owner = type(part.__self__)
        by_value = owner.__hash__ not in (None, object.__hash__)  # a Flax module goes by its fields
        frozen = getattr(getattr(owner, "__dataclass_params__", None), "frozen", False)
        return (by_value or frozen) and owner.__module__ != "__main__"
    if not isinstance(part, types.FunctionType) or part.__closure__ is not None:
        return False
    defaults = [*(part.__defaults__ or ()), *(part.__kwdefaults__ or {}).values()]
    read = {name: part.__globals__[name] for name in _names(part.__code__) if name in part.__globals__}
    return all(map(_constant, defaults)) and all(_imported(name, value) for name, value in read.items())


def _constant(value) -> bool:
    return value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.dtype))


def _imported(name: str, value) -> bool:
    """Whether a variable holds what its import gave it: a module, or a function under its own name."""
    return of_library(value) and (isinstance(value, types.ModuleType) or getattr(value, "__name__", None) == name)


def of_library(value: Any) -> bool:
    """Whether a value is a library, or a function or a class of one."""
    if isinstance(value, types.ModuleType):
        return value.__name__.partition(".")[0] in LIBRARIES
    if not isinstance(value, FUNCTIONS) or getattr(value, "__closure__", None) is not None:
        return False
    return str(getattr(value, "__module__", "")).partition(".")[0] in LIBRARIES


def _names(code: types.CodeType) -> set[str]:
    """Names that a function may read from its module, those of functions inside it included."""
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


class _Program:
    """A traced program, known by its text. Arrays that it read are its arguments."""

    def __init__(self, rest, held, dynamic):
        self.rest = rest
        text = jax.jit(lambda *arrays: self(*arrays)).lower(held, dynamic).as_text()
        self.key = hashlib.sha256(text.encode()).hexdigest()

    def __call__(self, held, dynamic):
        return eqx.combine(held, self.rest)(dynamic)

    def __hash__(self):
        return hash(self.key)

    def __eq__(self, other):
        return isinstance(other, _Program) and self.key == other.key


def _calls_back(jaxpr) -> bool:
    """Whether a program calls a Python function of the user's; Equinox's own raise errors."""
    for equation in jaxpr.eqns:
        if "callback" in equation.primitive.name:
            called = equation.params.get("callback")
            module = getattr(getattr(called, "callback_func", called), "__module__", None)
            if not str(module).startswith("equinox."):
                return True
        for part in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda part: hasattr(part, "eqns")):
            if hasattr(part, "eqns") and _calls_back(part):
                return True
    return False


@eqx.filter_jit
def _run(program, held, dynamic):
    return program(held, dynamic)
