"""Solvers by name, and the network calls that they take."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from gdm_jax.ode.anderson import fixed_point
from gdm_jax.ode.multistep import Adams
from gdm_jax.process.arrays import AnyArray

__all__ = ["RK4", "SOLVERS", "STEP_TOLERANCE", "InverseEuler", "MeanFlow", "calls"]

STEP_TOLERANCE = 2e-6  # residual at which a step counts as undone, in units of x


class RK4(diffrax.AbstractERK):
    """The classical fourth-order Runge-Kutta method; adaptive steps judge it by the midpoint rule it contains."""

    tableau = diffrax.ButcherTableau(
        a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
        b_sol=np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6]),
        b_error=np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6]) - np.array([0.0, 1.0, 0.0, 0.0]),
        c=np.array([0.5, 0.5, 1.0]),
    )
    interpolation_cls = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms):
        return 4

    def error_order(self, terms):
        return 3


class _OneStep(diffrax.AbstractSolver):
    """What solvers of first order share that keep nothing from one step to the next."""

    term_structure = diffrax.AbstractTerm
    interpolation_cls = diffrax.LocalLinearInterpolation

    def order(self, terms):
        return 1

    def init(self, terms, t0, t1, y0, args):
        return None

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)


class InverseEuler(_OneStep):
    """`solver="inverse_euler"`: in `encode`, undoes `generate` with "euler" on the same steps.

    It solves the equation of `invert` as a diffrax solver: a step that is not solved to the tolerance in every example
    stops the solve with an error. Use `invert` to learn which examples those are, and how well each decodes.

    Attributes:
      tolerance: Residual at which a step counts as undone, in units of x.
      max_iterations: Largest number of network calls a step.
      memory: Number of earlier iterates that Anderson acceleration mixes.
    """

    tolerance: Any = eqx.field(default=STEP_TOLERANCE, converter=np.float32)
    max_iterations: int = eqx.field(default=200, static=True)
    memory: int = eqx.field(default=24, static=True)

    generates = False  # `settings` takes it for encoding alone

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        if not isinstance(y0, jax.Array):
            raise ValueError("ode: inverse_euler solves for x alone; for likelihoods choose an explicit solver")
        control = terms.contr(t0, t1)

        def image(y):
            return y0 + terms.vf_prod(t1, y, args, control)

        y1, residual, _ = fixed_point(image, y0, self.tolerance, self.max_iterations, self.memory)
        solved = (residual <= self.tolerance).all()
        results: Any = diffrax.RESULTS
        result = results.where(solved, results.successful, results.nonlinear_max_steps_reached)
        return y1, None, {"y0": y0, "y1": y1}, None, result


class MeanFlow(_OneStep):
    """`solver="mean_flow"`: each step is one jump by the mean of the field over it, for a network that takes beta.

    Such a network was trained by `gdm_jax.loss.mean_flow`, from noise to data. One step a piece is the fewest.
    """

    encodes = False  # `settings` takes it for generation alone

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        term: Any = getattr(terms, "term", terms)  # diffrax wraps it
        y1 = jax.tree.map(jnp.add, y0, term.prod(term.mean(t0, t1, y0), term.contr(t0, t1)))
        return y1, None, {"y0": y0, "y1": y1}, None, diffrax.RESULTS.successful


SOLVERS: dict[str, Callable[..., diffrax.AbstractSolver]] = {
    "euler": diffrax.Euler,
    "heun": diffrax.Heun,
    "midpoint": diffrax.Midpoint,
    "ralston": diffrax.Ralston,
    "mean_flow": MeanFlow,
    "ab2": functools.partial(Adams, 2),
    "ab3": functools.partial(Adams, 3),
    "abm3": functools.partial(Adams, 2, corrected=True),
    "bosh3": diffrax.Bosh3,
    "rk4": RK4,
    "tsit5": diffrax.Tsit5,
    "dopri5": diffrax.Dopri5,
    "dopri8": diffrax.Dopri8,
    "inverse_euler": InverseEuler,
}


def calls(solver: diffrax.AbstractSolver, steps: Int[AnyArray, " pieces"]) -> int:
    """Network calls of a walk that takes `steps` in each piece with an explicit solver; guidance doubles them."""
    tableau = getattr(solver, "tableau", None)
    if tableau is None:
        return int(np.sum(steps)) + getattr(solver, "more_calls", 0) * len(steps)
    first = int(tableau.fsal)  # the last call of a step serves as the next one's first, but for the first of a piece
    return int(np.sum(steps)) * (tableau.num_stages - first) + first * len(steps)
