"""How data become noise, group by group  (Sec. 3; Eqs. 6, 10, 11, 17)."""

from gdm_jax.process import arrays, basis, family, groups, interpolant, schedule
from gdm_jax.process.process import Process

__all__ = ["Process", "arrays", "basis", "family", "groups", "interpolant", "schedule"]
