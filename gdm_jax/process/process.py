"""The groupwise process: groups + basis + interpolant  (Eqs. 6, 11, 17).

With x_bar = U^T x, progress s = 1 - alpha and g(i) the group of element i,

    x_t    = U (signal(s_g) x_bar + noise(s_g) z_bar)              perturb, Eqs. 6 and 11
    u*     = -d x_t / d s                                          target; x - z for the linear interpolant, Eqs. 8, 16
    A      = U diag(alpha_g) U^T                                   diagonal, Eq. 17

x, z and x_t are pixels, `[batch, *shape]`. alpha is `[batch, k]`, or `[k]` for the whole batch.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Real

from gdm_jax.process import interpolant as interpolants
from gdm_jax.process.arrays import AnyArray
from gdm_jax.process.basis import Basis
from gdm_jax.process.groups import Groups, align

__all__ = ["Process"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Process:
    """How data become noise, group by group.

    Attributes:
      groups: Partition of the pixels, or of the basis's coefficients.
      basis: Orthogonal basis in which the groups are defined.
      interpolant: "linear", "variance_preserving", or another name of `interpolant.INTERPOLANTS`.
      strict: Whether the elements of groups whose generation has not begun are hidden from the network (Prop. 3.3).
        That is exact in the coefficients x_bar. In pixels it is as exact as U^T U is I in floating point.

    Raises:
      ValueError: For an unknown interpolant, or groups and basis of different sizes.
    """

    groups: Groups
    basis: Basis = Basis()
    interpolant: str = dataclasses.field(default="linear", metadata={"static": True})
    strict: bool = dataclasses.field(default=False, metadata={"static": True})

    def __post_init__(self) -> None:
        interpolants.get(self.interpolant)
        if not isinstance(self.groups, Groups) or not hasattr(self.groups.index, "shape"):
            return  # JAX rebuilds pytrees around placeholders
        axes = self.basis.shape
        if axes and self.groups.shape[: len(axes)] != axes:
            raise ValueError(f"process: groups are of shape {self.groups.shape} but the basis acts on {axes}")

    @property
    def k(self) -> int:
        return self.groups.k

    def spread(self, weights: Real[AnyArray, "... k"] | Bool[AnyArray, "... k"], x: AnyArray) -> Array:
        """One weight per group -> one per element, `[..., *groups.shape]`, which broadcasts against x."""
        weights = jnp.asarray(weights)
        if weights.shape[-1] != self.k:
            raise ValueError(f"process: expected one weight for each of {self.k} groups, [..., k], got {weights.shape}")
        return jnp.take(weights, align(self.groups.index, x.ndim - 1), axis=-1)

    @jax.jit
    def diagonal(
        self, weights: Real[AnyArray, "... k"], x: Float[AnyArray, "batch *shape"]
    ) -> Float[Array, "batch *shape"]:
        """U diag(w_g) U^T x, Eq. 17."""
        self.check(x)
        return self.basis.inverse(self.spread(weights, x) * self.basis.forward(x))

    @jax.jit
    def perturb(
        self, x: Float[AnyArray, "batch *shape"], z: Float[AnyArray, "batch *shape"], alpha: Real[AnyArray, "... k"]
    ) -> Float[Array, "batch *shape"]:
        """x_t, Eqs. 6 and 11. alpha = 1 gives x, alpha = 0 gives z."""
        return self._mix(x, z, alpha, "signal", "noise")

    @jax.jit
    def target(
        self, x: Float[AnyArray, "batch *shape"], z: Float[AnyArray, "batch *shape"], alpha: Real[AnyArray, "... k"]
    ) -> Float[Array, "batch *shape"]:
        """-d x_t / d s, what the network u(x_t, alpha) is trained to."""
        if self.interpolant == "linear":
            self._check_pair(x, z)
            return jnp.subtract(x, z)  # U cancels: Eqs. 8 and 16
        return -self._mix(x, z, alpha, "signal_rate", "noise_rate")

    @jax.jit
    def hide(
        self, x_t: Float[AnyArray, "batch *shape"], visible: Real[AnyArray, "... k"] | Bool[AnyArray, "... k"]
    ) -> Float[Array, "batch *shape"]:
        """What the network may see of x_t in strict mode. Otherwise it is x_t itself.

        Args:
          x_t: The process at some time.
          visible: 1 or True for each group whose generation has begun, as `Schedule.visible` says. At a time inside the
            intervals that is alpha > 0.
        """
        if not self.strict:
            return jnp.asarray(x_t)
        self.check(x_t)
        return self.basis.inverse(self.hide_bar(self.basis.forward(x_t), visible))

    def hide_bar(
        self, x_bar: Float[AnyArray, "batch *shape"], visible: Real[AnyArray, "... k"] | Bool[AnyArray, "... k"]
    ) -> Float[AnyArray, "batch *shape"]:
        """`hide` for coefficients x_bar = U^T x_t."""
        return x_bar * self.spread(jnp.asarray(visible, x_bar.dtype), x_bar) if self.strict else x_bar

    def check(self, x: AnyArray) -> None:
        """Raises ValueError unless x is real numbers `[batch, *shape]` that fit the groups."""
        shape = self.groups.shape
        if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
            kind = jnp.result_type(x)
            raise ValueError(f"process: expected real numbers, got {kind}; bring bytes to [-1, 1] by x / 127.5 - 1")
        channels = x.ndim - 1 - len(shape)  # beyond the groups' axes: none, or one of an image
        if x.shape[1 : len(shape) + 1] != shape or channels not in ((0, 1) if len(shape) == 2 else (0,)):
            named = ", ".join(map(str, shape))
            raise ValueError(f"process: expected data of shape [batch, {named}, ...], got {x.shape}")

    def _check_pair(self, x: AnyArray, z: AnyArray) -> None:
        self.check(x)
        self.check(z)
        if z.shape != x.shape:
            raise ValueError(f"process: x and z must be of one shape, got {x.shape} and {z.shape}")

    def _mix(self, x: AnyArray, z: AnyArray, alpha: AnyArray, of_x: str, of_z: str) -> Array:
        self._check_pair(x, z)
        path = interpolants.get(self.interpolant)
        s = 1 - self.spread(alpha, x)
        x_bar, z_bar = self.basis.forward(x), self.basis.forward(z)
        return self.basis.inverse(getattr(path, of_x)(s) * x_bar + getattr(path, of_z)(s) * z_bar)
