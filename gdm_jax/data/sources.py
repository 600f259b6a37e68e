"""From a data set's name to a random-access source: `source[numbers]` is {"x": `[n, *shape]`, "label": `[n]`}.

digits       the bundled handwritten digits
fruits       bundled photographs of fruit in colour
mixture2d    the plane's mixture of Gaussians
folder       a folder of images, prepared once at data.shape
             (several of them, with weights, by data.mixture)
any other    a TFDS data set already prepared in data.dir as ArrayRecord, with an "image" feature

A data set of your own is an entry of SOURCES. It is called with those fields of `config.Data` that it has parameters
for, and returns a `Source`:

    SOURCES["mine"] = lambda path, split: Mine(path, split)
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped

from gdm_jax._registry import call
from gdm_jax.data import prepared
from gdm_jax.data.gaussians import Mixture
from gdm_jax.pixels import to_model_range
from gdm_jax.process.arrays import Integers

__all__ = ["SOURCES", "Several", "Source", "examples", "fingerprint", "open_source", "spread"]


@runtime_checkable
class Source(Protocol):
    """A data set of random access.

    `source[numbers]`, of an int or an array of them, is {"x": `[..., *shape]`, "label": int32 `[...]`}; x is uint8,
    uint16, or floats that the model sees as they are, in [-1, 1] where they are images.

    Attributes:
      shape: Shape of an example.
      classes: Number of classes that the labels name, or None where that is not known.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def classes(self) -> int | None: ...

    def __len__(self) -> int: ...

    def __getitem__(self, numbers: Any) -> dict[str, np.ndarray]: ...


class Several:
    """Some sources one after another. An example's label is the number of its source.

    Attributes:
      parts: Sources.
      weights: Share of a training batch that `stream` gives to each source.
      ends: Number after the last example of each source.
      shape: Shape of an example.
      classes: Number of sources.
    """

    parts: list[Source]
    weights: Float[np.ndarray, " sources"]
    ends: Int[np.ndarray, " sources"]
    shape: tuple[int, ...]
    classes: int | None

    def __init__(self, sources: Sequence[Source], weights: Sequence[float | int]):
        self.parts = list(sources)
        self.weights = np.asarray(weights, np.float64) / np.sum(weights)
        self.shape, self.classes = sources[0].shape, len(sources)
        self.ends = np.cumsum([len(source) for source in sources])
        kinds = {source[0]["x"].dtype for source in sources}
        if len(kinds) > 1:
            raise ValueError(f"data.mixture: must hold images of one type, got {' and '.join(map(str, kinds))}")
        self.dtype = kinds.pop()

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, numbers: Any) -> dict[str, np.ndarray]:
        label = np.searchsorted(self.ends, numbers, side="right").astype(np.int32)
        x = np.zeros((*np.shape(numbers), *self.shape), self.dtype)
        for n, part in enumerate(self.parts):
            x[label == n] = part[np.asarray(numbers)[label == n] - (self.ends[n] - len(part))]["x"]
        return {"x": x, "label": label}


def open_source(data: Any, *, write: bool = True) -> Source:
    """The source that a `config.Data` names, prepared first where that is ours to do.

    Args:
      data: A `config.Data`. The entry of SOURCES by its name is called with those of its fields that it takes.
      write: Whether a data set that is not prepared may be written to data.dir. A config that came with a model does
        not choose where we write: for it, only TFDS's own folder is written to.

    Raises:
      ValueError: if the data set is unknown or unprepared, a folder is missing, empty or partly unreadable, or images
        have another shape than data.shape, or a type or a range that is not known.
    """
    if data.mixture:
        alone = [dataclasses.replace(data, name=name, path=path, mixture=()) for name, path, _ in data.mixture]
        return Several([open_source(one, write=write) for one in alone], [weight for *_, weight in data.mixture])
    source = call(SOURCES.get(data.name, prepared.by_name), {**vars(data), "write": write, "others": SOURCES})
    if tuple(source.shape) != tuple(data.shape):
        raise ValueError(f"data.shape: {data.name} has shape {tuple(source.shape)}, got {tuple(data.shape)}")
    return source


def examples(
    source: Source, numbers: Integers
) -> tuple[Float[np.ndarray, " n *shape"], Shaped[np.ndarray, " n"]]:
    """Some examples of a source, x in the model's range and labels."""
    chosen = source[np.asarray(numbers)]
    return np.asarray(to_model_range(chosen["x"])), chosen["label"]


def spread(count: int, total: int) -> Int[np.ndarray, " n"]:
    """`count` numbers, or all, spread evenly over 0 ... total - 1.

    >>> spread(3, 9).tolist(), spread(3, 2).tolist()
    ([0, 4, 8], [0, 1])
    """
    return np.linspace(0, total - 1, min(count, total)).astype(int)


def fingerprint(source: Source) -> str:
    """A short name of what a data set is, wherever it lies.

    It is made of the length and the examples. Of a large data set, as many examples count as take 256 MiB.
    """
    seen = hashlib.sha256(str(len(source)).encode())
    numbers = spread(2**28 // source[0]["x"].nbytes, len(source))
    for start in range(0, len(numbers), 4096):
        some = source[numbers[start : start + 4096]]
        for name in ("x", "label"):
            seen.update(np.ascontiguousarray(some[name]).tobytes())
    return seen.hexdigest()[:12]


SOURCES: dict[str, Callable[..., Source]] = {
    "digits": prepared.bundled,
    "fruits": prepared.bundled,
    "mixture2d": Mixture.default,
    "folder": prepared.folder,
}
