"""The paper's experiments: each trains or reuses models, judges them, and reports a table and pictures."""

from gdm_jax.experiments import domain, groupings, hierarchy, intervals, numbers, orders, solvers
from gdm_jax.experiments.lab import SCALES, Lab, claim, write

OF_ANY_MODEL = ("hierarchy", "solvers")  # that look at one model of bands, which may be the user's
EXPERIMENTS = {
    "groupings": groupings.run,
    "orders": orders.run,
    "numbers": numbers.run,
    "intervals": intervals.run,
    "domain": domain.run,
    "hierarchy": hierarchy.run,
    "solvers": solvers.run,
}
