"""Orthogonal bases U: x_bar = U^T x, x = U x_bar  (Sec. 3.4, A.4).

A basis here acts by one small orthogonal matrix per axis, x_bar[a, b] = sum_ij R[i, a] C[j, b] x[i, j], so the
r^2 x r^2 matrix U = R (x) C is never formed. Coefficients keep the grid of the pixels,
`[batch, height, width, channel]`; `rank` says where each stands from the lowest frequency up, the paper's
one-dimensional index.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Integer, Real

from gdm_jax.process.arrays import AnyArray, Integers, Leaf

__all__ = ["Basis", "dct", "gaussian_blur", "identity", "orthogonal"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Basis:
    """An orthogonal change of basis.

    Attributes:
      matrices: One orthogonal matrix `[n, n]` for each axis after the batch, whose columns are the basis vectors. Empty
        for pixels. They are float64, of which a program takes what its own precision holds.
      rank: int `[*shape]`, the frequency index of each coefficient, or None where there is no frequency.

    Equal bases hash alike, as equal `Groups` do.
    """

    matrices: tuple[Leaf, ...] = ()
    rank: Leaf | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes on which it acts. Empty for the identity."""
        return tuple(matrix.shape[0] for matrix in self.matrices)

    def _key(self) -> tuple:
        arrays = [*self.matrices] if self.rank is None else [*self.matrices, self.rank]
        return len(self.matrices), *((a.shape, a.dtype, np.asarray(a).tobytes()) for a in arrays)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Basis) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    @jax.jit
    def forward(self, x: Real[AnyArray, "batch *shape"]) -> Float[Array, "batch *shape"]:
        """x_bar = U^T x."""
        return self._apply(x, row=0)

    @jax.jit
    def inverse(self, x_bar: Real[AnyArray, "batch *shape"]) -> Float[Array, "batch *shape"]:
        """x = U x_bar."""
        return self._apply(x_bar, row=1)

    def _apply(self, x: AnyArray, row: int) -> Array:
        x = jnp.asarray(x)
        dtype = x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else jnp.float32
        for axis, matrix in enumerate(self.matrices, start=1):
            # In bfloat16, the default of accelerators, U would no longer be orthogonal.
            y = jnp.tensordot(x, matrix, axes=((axis,), (row,)), precision=jax.lax.Precision.HIGHEST)
            x = jnp.moveaxis(y, -1, axis)
        return x.astype(dtype)


def identity() -> Basis:
    """U = I: the elements are pixels."""
    return Basis()


def dct(size: int | np.integer | Integers) -> Basis:
    """The orthonormal type-II cosine basis of an image, or of a vector when size is (dim,).

    Column a of the matrix is sqrt(2/n) cos(pi (2i + 1) a / 2n), the first scaled by sqrt(1/2). Frequencies (a, b) rise
    with a^2 + b^2, ties by a.
    """
    lengths = _lengths(size)
    frequency = (np.indices(lengths, np.int64) ** 2).sum(0)
    return Basis(tuple(map(_dct_matrix, lengths)), _rank(frequency))


def gaussian_blur(size: int | np.integer | Integers, sigma: float | int = 0.4) -> Basis:
    """Eigenvectors of the Gaussian blur W = U D U^T, the paper's basis (App. A.4), sigma in pixels.

    W blurs each axis by the zero-padded Toeplitz matrix of the normalised kernel exp(-d^2 / 2 sigma^2). Coefficients
    are ordered by falling eigenvalue of W, ties by row.

    Raises:
      ValueError: If sigma is not positive, or so small or large that the eigenvalues cannot be told apart.
    """
    if not sigma > 0:
        raise ValueError(f"basis: sigma must be positive, got {sigma}")
    lengths = _lengths(size)
    values, vectors = zip(*(_blur_eigenvectors(n, sigma) for n in lengths))
    eigenvalue = values[0] if len(lengths) == 1 else np.multiply.outer(*values)
    return Basis(vectors, _rank(-eigenvalue))


def orthogonal(*matrices: Float[ArrayLike, "_ _"] | Sequence, rank: Integer[AnyArray, "*shape"] | None = None) -> Basis:
    """Your own basis.

    Args:
      *matrices: One orthogonal matrix for each axis, whose columns are the basis vectors.
      rank: Frequency index of each coefficient, if there are frequencies.

    Raises:
      ValueError: If a matrix is not square or not orthogonal to 1e-5.
    """
    for axis, matrix in enumerate(matrices):
        matrix = np.asarray(matrix, np.float64)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"basis: the matrix of axis {axis} must be square, got shape {matrix.shape}")
        error = np.abs(matrix.T @ matrix - np.eye(len(matrix))).max()
        if not error < 1e-5:
            raise ValueError(
                f"basis: the matrix of axis {axis} is not orthogonal (U^T U differs from I by {error:.1e})"
            )
    return Basis(tuple(np.asarray(m, np.float64) for m in matrices), None if rank is None else np.asarray(rank))


def _lengths(size: int | np.integer | Integers) -> tuple[int, ...]:
    lengths = (int(size),) * 2 if isinstance(size, (int, np.integer)) else tuple(int(n) for n in size)
    if not 1 <= len(lengths) <= 2 or any(n < 1 for n in lengths):
        raise ValueError(f"basis: size must be n, (height, width) or (dim,), got {size}")
    return lengths


def _dct_matrix(n: int) -> np.ndarray:
    position, frequency = np.arange(n)[:, None], np.arange(n)[None, :]
    matrix = np.sqrt(2 / n) * np.cos(np.pi * (2 * position + 1) * frequency / (2 * n))
    matrix[:, 0] *= np.sqrt(0.5)
    return matrix


@functools.lru_cache(maxsize=8)
def _blur_eigenvectors(n: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, falling, and eigenvectors (columns, first large entry positive) of the 1-D blur."""
    offset = np.arange(n)
    kernel = np.exp(-0.5 * (offset / sigma) ** 2)
    kernel /= kernel[0] + 2 * kernel[1:].sum()
    values, vectors = np.linalg.eigh(kernel[np.abs(offset[:, None] - offset[None, :])])
    values, vectors = values[::-1], vectors[:, ::-1]
    if n > 1 and -np.diff(values).max() < 1e-12:
        raise ValueError(f"basis: sigma {sigma} leaves the blur's eigenvalues equal to rounding; use one nearer 0.4")
    lead = np.take_along_axis(vectors, np.argmax(np.abs(vectors) > 1e-3, axis=0)[None], axis=0)
    return values, vectors * np.sign(lead)


def _rank(key: np.ndarray) -> np.ndarray:
    """Place of each entry when sorted by key, ties in row-major order."""
    rank = np.empty(key.size, np.int32)
    rank[np.argsort(key.ravel(), kind="stable")] = np.arange(key.size)
    return rank.reshape(key.shape)


# Each takes, by name, what it needs among size (the grid, without channels), data_shape (with them) and sigma.
BASES: dict[str, Callable[..., Basis]] = {"identity": identity, "dct": dct, "gaussian_blur": gaussian_blur}
