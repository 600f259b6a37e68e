"""What a slice of TPU chips would do with a config: its programs, compiled by the TPU's own compiler, with no chip."""

from __future__ import annotations

from gdm_jax.planning.chips import CHIPS, Chip, devices
from gdm_jax.planning.planner import Plan, plan, report
from gdm_jax.planning.programs import Program, Size, compiled, sampling_step, training_step

__all__ = [
    "CHIPS", "Chip", "Plan", "Program", "Size", "compiled", "devices", "plan", "report", "sampling_step",
    "training_step",
]  # fmt: skip
