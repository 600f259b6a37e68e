"""The groupwise ODE dx = U diag(d alpha_g) U^T u(x, alpha), walked along a path of alpha  (Eqs. 9, 13, 17)."""

from gdm_jax.ode import inversion, path
from gdm_jax.ode.flow import Flow, Solution, check_solved, check_state, direction, encode, generate, solve
from gdm_jax.ode.inversion import invert
from gdm_jax.ode.solvers import SOLVERS, calls
from gdm_jax.ode.walk import Settings, settings

__all__ = [
    "Flow",
    "SOLVERS",
    "Settings",
    "Solution",
    "calls",
    "check_solved",
    "check_state",
    "direction",
    "encode",
    "generate",
    "inversion",
    "invert",
    "path",
    "settings",
    "solve",
]
