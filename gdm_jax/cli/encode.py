"""Turn data into latents."""

from __future__ import annotations

import argparse

import numpy as np

from gdm_jax.cli import inputs, options, outputs

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm encode --workdir digits --data 16
  gdm encode --workdir digits --images my_pictures/ --solver tsit5 --steps 0
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.model(command, does=("encodes",), default="32 steps of tsit5")
    options.label(command)
    options.source(command)


def run(arguments: argparse.Namespace) -> None:
    loading, solving, folder = options.of_model(arguments)
    source = options.of_source(arguments)

    from gdm_jax.config import build

    outputs.claim(folder, "encoded.npz", "encoded.png")
    model = inputs.model(**loading)
    x, _ = inputs.examples(model, **source)
    if solving.get("solver") != "inverse_euler":
        way = build.encoding(model.config.sampling, model.pieces, **solving)
        as_arrays = _as_arrays(way["solver"], way["steps"])
        outputs.arrays(folder, "encoded", z=model.encode(x, **solving), **as_arrays)
        return
    shared = ("steps", "batch", "progress", "label", "guidance")
    found = model.invert(x, **{name: solving[name] for name in shared if name in solving})
    z, error, converged, residual = map(np.asarray, (found.z, found.error, found.converged, found.residual))
    failed = np.flatnonzero(~converged).tolist()
    worst = error[converged].max(initial=0)
    print(f"inverted {len(x) - len(failed)} of {len(x)}; decoded, these differ by at most {worst:.1e}")
    outputs.warn_uncertain("encode", failed)
    way = _as_arrays(solver="euler", steps=solving.get("steps") or model.inverse_steps)
    outputs.arrays(folder, "encoded", z=z, error=error, residual=residual, **way)


def _as_arrays(solver: str, steps: int | tuple[int, ...] | None) -> dict[str, np.ndarray]:
    """By what `gdm decode` decodes; 0 steps for adaptive ones."""
    return {"solver": np.array(solver), "steps": np.array(steps or 0)}
