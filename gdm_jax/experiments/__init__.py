"""The paper's experiments: each trains or reuses models, judges them, and reports a table and pictures."""

from gdm_jax.experiments import group_counts, groupings, hierarchy, intervals, network_space, orders, solvers
from gdm_jax.experiments.lab import Lab, claim, write
from gdm_jax.experiments.scales import SCALES

OF_ANY_MODEL = ("hierarchy", "solvers")  # that look at one model of bands, which may be the user's
EXPERIMENTS = {
    "groupings": groupings.run,
    "orders": orders.run,
    "numbers": group_counts.run,
    "intervals": intervals.run,
    "domain": network_space.run,
    "hierarchy": hierarchy.run,
    "solvers": solvers.run,
}
