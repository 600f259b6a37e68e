"""Partitions of a datum's elements into groups S_0, ..., S_{k-1}  (Sec. 3.1, 4.1, 4.3, App. C).

A partition is one integer array, `index`: element i belongs to group g(i) = index[i]. Its shape is the datum's shape
without the batch axis: `[dim]` for vectors, `[height, width]` for images whose channels share a group, or
`[height, width, channel]` where each channel has its own. In a frequency basis the elements are the coefficients
x_bar = U^T x, laid out on the same grid as the pixels.

Named constructors number the groups in the order of generation: group 0 is generated first.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Integer

from gdm_jax.process.arrays import AnyArray, Integers, Leaf

__all__ = [
    "GROUPINGS", "Groups", "LARGEST", "align", "blockwise", "bottom_to_top", "cascade", "cascade_inverse",
    "check_groups", "element_counts", "frequency_bands", "from_index", "from_sets", "of_elements", "per_element",
    "right_to_left", "single",
]

LARGEST = 2**24  # most elements of a datum; more fits no network


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
    """A partition of the elements into k groups.

    Attributes:
      index: int32 `[*shape]`, the group of each element, in 0..k-1.
      k: Number of groups.

    Build one with a constructor of this module. The constructors validate, this class does not. Equal partitions hash
    alike, so a `Groups` may be a static argument or a field of a Flax module.
    """

    index: Leaf
    k: int = dataclasses.field(metadata={"static": True})

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.index.shape)

    @property
    def sizes(self) -> Integer[np.ndarray, " k"]:
        """Number of elements of each group, channels not counted where they share a group."""
        return np.bincount(np.asarray(self.index).ravel(), minlength=self.k)

    def _key(self) -> tuple:
        return self.k, self.shape, np.asarray(self.index).tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Groups) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


def from_index(index: AnyArray | Sequence) -> Groups:
    """Any partition, from the group number of every element.

    Args:
      index: Integers `[*shape]`. The numbers in use must be 0..k-1 without a gap.

    Raises:
      ValueError: If an entry is not an integer or is negative, or a group number below the largest is unused.

    >>> from_index([0, 0, 1, 2]).sizes.tolist()
    [2, 1, 1]
    """
    try:
        index = np.asarray(index)
    except ValueError:
        raise ValueError("groups: rows of the index differ in length; nest it as the datum is") from None
    if index.size == 0 or not np.issubdtype(index.dtype, np.integer):
        raise ValueError(f"groups: index must be a non-empty integer array, got {index.dtype} of shape {index.shape}")
    if index.min() < 0:
        raise ValueError(f"groups: index must not be negative, got {index.min()}; number the groups from 0")
    k = int(index.max()) + 1
    used = np.unique(index)
    gaps = np.flatnonzero(used != np.arange(len(used)))
    if len(gaps):
        raise ValueError(f"groups: no element belongs to group {gaps[0]} of {k}; number the groups without a gap")
    return Groups(index.astype(np.int32), k)


def from_sets(shape: int | Integers, sets: Sequence[Integers]) -> Groups:
    """A partition from the sets S_0, ..., S_{k-1} of flat (row-major) element numbers, in the order of generation.

    Raises:
      ValueError: If an element is in no set or in two, or lies outside the datum.

    >>> from_sets((2, 2), [[3], [0, 1, 2]]).index.tolist()
    [[1, 1], [1, 0]]
    """
    shape = _shape(shape)
    size = int(np.prod(shape))
    index = np.full(size, -1, np.int32)
    for j, members in enumerate(sets):
        try:
            members = np.asarray(members, np.int64)
        except OverflowError:
            raise ValueError(f"groups: set {j} names elements beyond any datum, {members}") from None
        outside = members[(members < 0) | (members >= size)]
        if outside.size:
            raise ValueError(f"groups: set {j} names element {outside[0]}, but a datum of shape {shape} has {size}")
        repeated = members[index[members] >= 0]
        if repeated.size or len(np.unique(members)) < len(members):
            first = repeated[0] if repeated.size else members[np.unique(members, return_index=True)[1].size - 1]
            raise ValueError(f"groups: element {first} is in two sets; every element belongs to exactly one")
        index[members] = j
    if (index < 0).any():
        missing = int(np.argmin(index))
        raise ValueError(f"groups: element {missing} of {size} is in no set; every element belongs to exactly one")
    return from_index(index.reshape(shape))


def single(shape: int | Integers) -> Groups:
    """k = 1: every element in one group, which is ordinary diffusion (rectified flow)."""
    return Groups(np.zeros(_shape(shape), np.int32), 1)


def bottom_to_top(shape: Integers, k: int) -> Groups:
    """k horizontal stripes of (nearly) equal height; the bottom one is generated first.

    >>> bottom_to_top((4, 1), 2).index.ravel().tolist()
    [1, 1, 0, 0]
    """
    height, width = _shape(shape, axes=2)
    return from_index(np.broadcast_to(_stripes(height, k)[::-1, None], (height, width)))


def right_to_left(shape: Integers, k: int) -> Groups:
    """k vertical stripes of (nearly) equal width; the rightmost one is generated first."""
    height, width = _shape(shape, axes=2)
    return from_index(np.broadcast_to(_stripes(width, k)[::-1], (height, width)))


def blockwise(shape: Integers, blocks: Integers) -> Groups:
    """rows x columns rectangular blocks of (nearly) equal size, numbered row by row from the top left (Fig. 5)."""
    height, width = _shape(shape, axes=2)
    rows, columns = blocks
    return from_index(_stripes(height, rows)[:, None] * columns + _stripes(width, columns)[None, :])


def cascade(shape: Integers, k: int) -> Groups:
    """Coarse to fine lattices: group 0 is every 2^(k-1)-th pixel, each later group halves the spacing (Prop. 3.2).

    >>> cascade((2, 4), 2).index.tolist()
    [[0, 1, 0, 1], [1, 1, 1, 1]]
    """
    height, width = _shape(shape, axes=2)
    _check_k(k, min(height, width).bit_length(), "halvings of the image")
    index = np.full((height, width), k - 1)
    for j in reversed(range(k)):
        index[:: 2 ** (k - 1 - j), :: 2 ** (k - 1 - j)] = j
    return from_index(index)


def cascade_inverse(shape: Integers, k: int) -> Groups:
    """The lattices of `cascade` generated from the finest to the coarsest."""
    return from_index(k - 1 - cascade(shape, k).index)


def per_element(shape: int | Integers) -> Groups:
    """k = d: each element alone, in row-major order, which is autoregression (Prop. 3.1)."""
    shape = _shape(shape)
    return from_index(np.arange(np.prod(shape)).reshape(shape))


def frequency_bands(rank: Integer[AnyArray, "*shape"] | None, boundaries: Integers) -> Groups:
    """Bands of a frequency basis; the lowest is generated first (GDM-F, Sec. 3.4).

    Args:
      rank: Place of each coefficient from the lowest frequency up, the `rank` of a basis.
      boundaries: Rank at which each band after the first begins, rising. (30, 100, 500) gives S_0 = {0..29},
        S_1 = {30..99}, S_2 = {100..499}, S_3 = {500..}.

    Raises:
      ValueError: If the basis has no frequency order, or the boundaries do not rise or leave a band empty.
    """
    if rank is None:
        raise ValueError("groups: frequency_bands needs a basis with a frequency order (dct or gaussian_blur)")
    rank = np.asarray(rank)
    edges = [0, *boundaries, rank.size]
    if any(low >= high for low, high in zip(edges, edges[1:])):
        raise ValueError(f"groups: boundaries must rise strictly between 0 and {rank.size}, got {tuple(boundaries)}")
    return from_index(np.searchsorted(np.asarray(boundaries, np.int64), rank, side="right"))


def _shape(shape: int | Integers, axes: int | None = None) -> tuple[int, ...]:
    shape = tuple(int(n) for n in np.atleast_1d(shape))
    if any(n < 1 for n in shape) or not 1 <= len(shape) <= 3:
        raise ValueError(f"groups: shape must be (dim,), (height, width) or (height, width, channel), got {shape}")
    if math.prod(shape) > LARGEST:
        raise ValueError(f"groups: a datum has at most {LARGEST:,} elements, got shape {shape}")
    if axes is not None and len(shape) != axes:
        raise ValueError(f"groups: this partition is of an image's (height, width), got shape {shape}")
    return shape


def _stripes(length: int, k: int) -> np.ndarray:
    """0..k-1 along an axis, in runs whose lengths differ by at most one."""
    _check_k(k, length, "elements along the axis")
    return np.arange(length) * k // length


def _check_k(k: int, most: int, what: str) -> None:
    if not 1 <= k <= most:
        raise ValueError(f"groups: k must be between 1 and {most} ({what}), got {k}")


def check_groups(groups: Integers, k: int) -> list[int]:
    """The group numbers as a sorted list without repetition.

    Raises:
      ValueError: If one is not a whole number from 0 to k-1.
    """
    given = np.asarray(list(groups))
    if given.size and not (np.issubdtype(given.dtype, np.integer) and given.ndim == 1):
        raise ValueError(f"groups: must be whole numbers, got {list(groups)}")
    chosen = sorted({int(j) for j in given})
    outside = [j for j in chosen if not 0 <= j < k]
    if outside:
        raise ValueError(f"groups: {outside[0]} is out of range; there are groups 0..{k - 1}")
    return chosen


def align(values: AnyArray, axes: int) -> AnyArray:
    """Values of the elements as they broadcast against a datum of that many axes: those that they lack are the last."""
    return values.reshape(values.shape + (1,) * (axes - values.ndim))


def of_elements(index: AnyArray, shape: Integers) -> AnyArray:
    """The group of every element of a datum of that shape, channels included."""
    return (jnp if isinstance(index, jax.Array) else np).broadcast_to(align(index, len(shape)), tuple(shape))


def element_counts(groups: Groups, shape: Integers) -> Integer[np.ndarray, " k"]:
    """Number of elements of each group in a datum of that shape, channels included."""
    return groups.sizes * (math.prod(shape) // int(groups.sizes.sum()))


# Each takes, by name, what it needs among shape (the grid, without channels), data_shape (with them), k, blocks,
# boundaries, index and rank (that of the basis; None for pixels).
GROUPINGS: dict[str, Callable[..., Groups]] = {
    "single": single,
    "bottom_to_top": bottom_to_top,
    "right_to_left": right_to_left,
    "blockwise": blockwise,
    "cascade": cascade,
    "cascade_inverse": cascade_inverse,
    "per_element": per_element,
    "frequency_bands": frequency_bands,
    "from_index": from_index,
}
