"""Generate new data from a trained model."""

from __future__ import annotations

import argparse

from gdm_jax.cli import inputs, options, outputs

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm sample --workdir fruits --count 64
  gdm sample --workdir digits --seeds 7 8 9 --solver heun --steps 32 --film
  gdm sample --workdir digits --solver abm3 --steps 12
  gdm sample --workdir mnist --temperature 1 0.85 0.7 0.85
  gdm sample --workdir runs/digits_few_calls --solver mean_flow --steps 4
  gdm sample --workdir runs/digits_orders --order 3 1 2 0
  gdm sample --workdir runs/digits_orders --overlap 1
  gdm sample --workdir runs/digits_labels --label 3 --guidance 2
  gdm sample --workdir runs/mnist_hour --autoguidance 1.3 --weak-step 2000
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.model(command)
    options.temperature(command)
    options.label(command)
    command.add_argument("--count", type=int, metavar="N", help="Number of samples, from seeds 0, 1, ... Default: 16.")
    text = "Seeds to draw from instead, one sample for each."
    command.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help=text)
    text = "Film of how the samples come about, written as well. Default format: gif."
    command.add_argument("--film", nargs="?", const="gif", choices=("gif", "mp4"), help=text)


def run(arguments: argparse.Namespace) -> None:
    loading, solving, folder = options.of_model(arguments)
    count, seeds, film = arguments.count, arguments.seeds, arguments.film

    from gdm_jax import drawing
    from gdm_jax.reports import samples

    outputs.claim(folder, "samples.npz", "samples.png", *([f"samples.{film}"] if film else []))
    model = inputs.model(**loading)
    if film:
        x, times, states = model.sample(count, seeds=seeds, frames=samples.frames(model), **solving)
        if x.ndim == 4:
            path = folder / f"samples.{film}"
            moments = [samples.moment(model.schedule, 1 - t) for t in times]
            drawing.film(samples.begun(model, times, states), path, captions=moments)
            print(path)
    else:
        x = model.sample(count, seeds=seeds, **solving)
    outputs.arrays(folder, "samples", x=x)
