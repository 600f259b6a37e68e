"""A reader of a PyTorch file of before 1.6 that is known to be sound, without PyTorch and without running what it says.

Such a file is a row of pickles (a magic number, a version, facts of the machine, the tensors by name with the storage
of each, the order of the storages), and then the bytes of the storages one after another.
"""

from __future__ import annotations

import collections
import os
import pickle
from typing import Any, NamedTuple

import numpy as np

__all__ = ["read_tensors"]

MAGIC = 0x1950A86A20F9469CFC6C
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Tensor(NamedTuple):
    storage: tuple  # ("storage", type, key, device, number of elements, view)
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Closed(pickle.Unpickler):
    """A pickle that may name dictionaries, tensors and the types of storages, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for, if it is one of the few."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise ValueError(f"it names {module}.{name}, which is no tensor")

    def persistent_load(self, pid: Any) -> Any:
        """The description of a storage, whose bytes come later in the file."""
        return pid


def read_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a PyTorch file of before version 1.6, by name.

    It does not guard against a file that was made to take up memory: check the file's hash first.

    Raises:
      OSError: if the file cannot be opened.
      ValueError: if it is no such file, holds other things than tensors, or is cut short.
    """
    with open(path, "rb") as file:
        try:
            if _Closed(file).load() != MAGIC:
                raise ValueError("it is no PyTorch file of before version 1.6")
            _, _, tensors, order = (_Closed(file).load() for _ in range(4))
            types = {tensor.storage[2]: tensor.storage[1] for tensor in tensors.values()}
            storages = {key: _storage(file, types[key]) for key in order}
            return {name: _view(storages[tensor.storage[2]], tensor) for name, tensor in tensors.items()}
        except (pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"it is no PyTorch file of before version 1.6, or is cut short ({error})") from error


def _storage(file, dtype: np.dtype) -> np.ndarray:
    count = int.from_bytes(file.read(8), "little")
    values = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    if len(values) != count:
        raise EOFError(f"a storage has {len(values):,} of {count:,} numbers")
    return values


def _view(storage: np.ndarray, tensor: _Tensor) -> np.ndarray:
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides))
    if min((tensor.offset, *tensor.strides)) < 0 or last >= len(storage):
        raise ValueError("a tensor reaches beyond its storage")
    strides = [stride * storage.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides, writeable=False)
