"""What the text of a compiled TPU program says: its exchanges between chips, and its traffic with the chip's memory.

The compiler keeps an array in memory on the chip where there is room (128 MiB on a v5e), and writes S(1) behind its
shape. Such an array costs no traffic with HBM, so that the bytes accessed that XLA counts for its operations are no
measure of that traffic: they are several times as many.
"""

from __future__ import annotations

import collections
import math
import re
from typing import NamedTuple

__all__ = ["COLLECTIVES", "collectives", "loops", "recomputed", "traffic"]

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all")
_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "f32": 4, "s32": 4, "u32": 4}
_BYTES |= {"f64": 8, "s64": 8, "u64": 8}
_ARRAY = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\](\{[^{}]*\})?")
_OPERATION = re.compile(r"\s+(?:ROOT )?(%[\w.\-]+) = (.*?) ([\w\-]+)\((.*?)\)(.*)")
_COMPUTATION = re.compile(r"^(?:(ENTRY) )?(%[\w.\-]+) \(.*?\{\n(.*?)\n\}", re.MULTILINE | re.DOTALL)
_NO_TRAFFIC = {"parameter", "constant", "get-tuple-element", "tuple", "bitcast", "while", "conditional"}
MOVED = "moved to or from the chip"


class _Array(NamedTuple):
    bytes: int
    on_chip: bool


def collectives(text: str) -> list[tuple[str, int]]:
    """Name and bytes of each exchange; one in two halves counts at its start."""
    found = re.findall(rf"= (.+?) ({'|'.join(COLLECTIVES)})(?:-start)?\(", text)
    return [(name, sum(array.bytes for array in _arrays(result))) for result, name in found]


def traffic(text: str) -> dict[str, int]:
    """Bytes that a program reads from and writes to HBM, by what they are for; the most come first.

    Every operation counts each operand and result that is in HBM once. A fusion that reads a part of an operand counts
    as if it read all of it, so this is an upper bound. A loop counts as often as it turns, where its condition says so.
    """
    bodies = _bodies(text)
    return dict(_of(bodies["ENTRY"], bodies).most_common())


def loops(text: str) -> list[int]:
    """How often each loop turns, whose body XLA's count of operations takes once."""
    bodies = _bodies(text)
    return [_turns(bodies[name]) for name in re.findall(r" while\(.*?condition=(%[\w.\-]+)", text)]


def recomputed(text: str) -> int:
    """How many operations the compiler computes again by itself, because their results would not fit into memory.

    It marks their names; what jax.checkpoint computes again is not among them.
    """
    return len(re.findall(r"^\s+(?:ROOT )?%[\w.\-]+\.remat[\w.\-]* =", text, re.MULTILINE))


def _bodies(text: str) -> dict[str, str]:
    """The lines of each computation by its name; those of the program itself are called ENTRY."""
    return {first or name: body for first, name, body in _COMPUTATION.findall(text)}


def _of(body: str, bodies: dict[str, str]) -> collections.Counter[str]:
    arrays, found = {}, collections.Counter()
    for line in body.splitlines():
        parsed = _OPERATION.match(line)
        if not parsed:
            continue
        name, result, operation, operands, rest = parsed.groups()
        arrays[name] = _arrays(result)
        if operation == "while":
            inner, until = (bodies[re.findall(rf"{part}=(%[\w.\-]+)", rest)[0]] for part in ("body", "condition"))
            for kind, size in _of(inner, bodies).items():
                found[kind] += size * _turns(until)
        if operation in _NO_TRAFFIC or operation.endswith("-done") or "ConcatBitcast" in rest:
            continue
        if operation == "slice-start":  # its result is (all of the source, the part, a flag)
            found[MOVED] += min(array.bytes for array in arrays[name] if array.bytes > 4)
        elif operation == "copy-start":  # (the copy, the source, a flag)
            found[MOVED] += _in_hbm(arrays[name])
        else:
            read = sum(_in_hbm(arrays.get(operand, [])) for operand in re.findall(r"%[\w.\-]+", operands))
            if operation in ("slice", "dynamic-slice"):
                read = min(read, sum(array.bytes for array in arrays[name]))
            found[_purpose(operation, rest)] += read + _in_hbm(arrays[name])
    return found


def _turns(condition: str) -> int:
    """How often a loop turns that counts from 0 up to a constant, as JAX writes loops of known length; otherwise 1."""
    bounds = re.findall(r" constant\((\d+)\)", condition)
    return int(bounds[0]) if len(bounds) == 1 and "direction=LT" in condition else 1


def _arrays(shape: str) -> list[_Array]:
    """The arrays of a shape, which may be a tuple."""
    return [
        _Array(_BYTES.get(kind, 0) * math.prod(int(n) for n in axes.split(",") if n), "S(" in layout)
        for kind, axes, layout in _ARRAY.findall(shape)
    ]


def _in_hbm(arrays: list[_Array]) -> int:
    return sum(array.bytes for array in arrays if not array.on_chip)


def _purpose(operation: str, rest: str) -> str:
    """Of which pass and which kind of layer an operation is: "backward conv", "update" and so on."""
    name = re.search(r'op_name="([^"]*)"', rest)
    if operation.removesuffix("-start") in COLLECTIVES:
        return "exchange between chips"
    if not name or "jvp(" not in name[1]:
        return "update" if name and name[1].count("/") < 3 else "other"
    layer = name[1].split("/")[-2]
    layer = re.sub(r"(_\d+)+$", "", layer) if re.fullmatch(r"[a-z]+(_\w+)?", layer) else "other"
    return f"{'backward' if 'transpose(' in name[1] else 'forward'}, {layer}"
