"""How far samples are from data: the protocol, the judges, and what a number depends on."""

from gdm_jax.evaluation.judges import Judge, floor, judge
from gdm_jax.evaluation.protocol import Evaluation, calls, check, compare_images, evaluate
from gdm_jax.evaluation.sets import Summary

__all__ = ["Evaluation", "Judge", "Summary", "calls", "check", "compare_images", "evaluate", "floor", "judge"]
