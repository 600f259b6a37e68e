"""The groupwise process: groups + basis + interpolant  (Eqs. 6, 11, 17).

With x_bar = U^T x, progress s = 1 - alpha and g(i) the group of element i,

    x_t    = U (signal(s_g) x_bar + noise(s_g) z_bar)              perturb, Eqs. 6 and 11
    u*     = -d x_t / d s                                          target; x - z for the linear interpolant, Eqs. 8, 16
    A      = U diag(alpha_g) U^T                                   diagonal, Eq. 17

x, z and x_t are pixels, `[batch, *shape]`; alpha is `[batch, k]` (or `[k]`, shared by the batch).
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from gdm_jax.process import interpolant as interpolants
from gdm_jax.process.basis import Basis
from gdm_jax.process.groups import Groups


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Process:
    """How data become noise, group by group.

    Attributes:
      groups: the partition, of pixels or of the basis's coefficients.
      basis: the orthogonal basis in which the groups are defined.
      interpolant: "linear" or "variance_preserving".
      strict: hide from the network the elements of groups whose generation has not begun (Prop. 3.3). Exact in the
        coefficients x_bar; in pixels it is as exact as U^T U is I in floating point.

    Raises:
      ValueError: for an unknown interpolant, or groups and basis of different sizes.
    """

    groups: Groups
    basis: Basis = Basis()
    interpolant: str = dataclasses.field(default="linear", metadata={"static": True})
    strict: bool = dataclasses.field(default=False, metadata={"static": True})

    def __post_init__(self):
        interpolants.get(self.interpolant)
        if not isinstance(self.groups, Groups) or not hasattr(self.groups.index, "shape"):
            return  # JAX rebuilds pytrees around placeholders
        axes = self.basis.shape
        if axes and self.groups.shape[: len(axes)] != axes:
            raise ValueError(f"process: groups are of shape {self.groups.shape} but the basis acts on {axes}")

    @property
    def k(self) -> int:
        return self.groups.k

    def spread(self, weights, x) -> jax.Array:
        """One weight per group -> one per element: `[..., k]` -> `[..., *groups.shape]`, broadcastable to x."""
        weights = jnp.asarray(weights)
        if weights.shape[-1] != self.k:
            raise ValueError(f"process: expected one weight for each of {self.k} groups, [..., k], got {weights.shape}")
        per_element = jnp.take(weights, self.groups.index, axis=-1)
        channels = x.ndim - 1 - len(self.groups.shape)  # groups shared by the channels
        return per_element.reshape(per_element.shape + (1,) * channels)

    @jax.jit
    def diagonal(self, weights, x) -> jax.Array:
        """U diag(w_g) U^T x: weights `[..., k]`, x `[batch, *shape]`."""
        self.check(x)
        return self.basis.inverse(self.spread(weights, x) * self.basis.forward(x))

    @jax.jit
    def perturb(self, x, z, alpha) -> jax.Array:
        """x_t, Eqs. 6 and 11: alpha = 1 gives x, alpha = 0 gives z."""
        return self._mix(x, z, alpha, "signal", "noise")

    @jax.jit
    def target(self, x, z, alpha) -> jax.Array:
        """-d x_t / d s, what the network u(x_t, alpha) is trained to."""
        if self.interpolant == "linear":
            self._check_pair(x, z)
            return x - z  # U cancels: Eqs. 8 and 16
        return -self._mix(x, z, alpha, "signal_rate", "noise_rate")

    @jax.jit
    def hide(self, x_t, visible) -> jax.Array:
        """What the network may see of x_t in strict mode, x_t itself otherwise.

        Args:
          x_t: `[batch, *shape]`.
          visible: `[..., k]`, 1 for a group whose generation has begun. At a time inside the intervals that is
            alpha > 0; a solver, which also stands on their ends, passes the groups of its interval.
        """
        return self.diagonal(jnp.asarray(visible, x_t.dtype), x_t) if self.strict else x_t

    def check(self, x) -> None:
        """Raises ValueError unless x is real numbers `[batch, *shape]` that fit the groups."""
        shape = self.groups.shape
        if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
            kind = jnp.result_type(x)
            raise ValueError(f"process: expected real numbers, got {kind}; bring bytes to [-1, 1] by x / 127.5 - 1")
        channels = x.ndim - 1 - len(shape)  # beyond the groups' axes: none, or one of an image
        if x.shape[1 : len(shape) + 1] != shape or channels not in ((0, 1) if len(shape) == 2 else (0,)):
            named = ", ".join(map(str, shape))
            raise ValueError(f"process: expected data of shape [batch, {named}, ...], got {x.shape}")

    def _check_pair(self, x, z) -> None:
        self.check(x)
        self.check(z)
        if z.shape != x.shape:
            raise ValueError(f"process: x and z must be of one shape, got {x.shape} and {z.shape}")

    def _mix(self, x, z, alpha, of_x: str, of_z: str) -> jax.Array:
        self._check_pair(x, z)
        path = interpolants.get(self.interpolant)
        s = 1 - self.spread(alpha, x)
        x_bar, z_bar = self.basis.forward(x), self.basis.forward(z)
        return self.basis.inverse(getattr(path, of_x)(s) * x_bar + getattr(path, of_z)(s) * z_bar)
