"""Show what a config or a run holds."""

from __future__ import annotations

import argparse

import numpy as np

from gdm_jax.cli import options

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm info --workdir digits
  gdm info --workdir digits.safetensors
  gdm info --config configs/cifar10.py:vanilla
  gdm info --config configs/digits.py --full
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.config(command, required=False)
    options.workdir(command, f"{options.MODEL} It takes the place of a config.", required=False)
    text = "Whether every field of the config follows, with its value, its meaning and what it may be."
    command.add_argument("--full", action="store_true", help=text)


def run(arguments: argparse.Namespace) -> None:
    file, overrides, workdir = arguments.config, arguments.overrides, arguments.workdir

    import jax

    from gdm_jax import config as configs
    from gdm_jax import pretrained
    from gdm_jax.config import schema
    from gdm_jax.process.groups import element_counts
    from gdm_jax.training import state
    from gdm_jax.workdir import checkpoint, log, model_file

    if bool(file) == bool(workdir):
        raise ValueError("pass either --config or --workdir")
    if workdir:
        config, (process, _, schedule, net) = configs.experiment(workdir)
    else:
        config = configs.load(file, overrides)
        process, _, schedule, net = configs.check(config)
    shape, training = config.data.shape, config.training
    params = jax.eval_shape(lambda: state.create(net, shape, process.k, training=training, seed=config.seed)).params
    count = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))
    print(f"data       {config.data.name} {config.data.shape}")
    print(f"process    {config.process.groups}, basis {config.process.basis}, {config.process.interpolant}")
    print(f"network    {config.model.name}, {count:,} parameters, {config.model.dtype}")
    print("group      elements  diffused in t (generated first at the top)")
    sizes = element_counts(process.groups, shape)
    for j in np.argsort(-np.asarray(schedule.t_end), kind="stable"):
        print(f"  {j:<8} {sizes[j]:>8}  [{schedule.t_start[j]:.3f}, {schedule.t_end[j]:.3f}]")
    place = pretrained.located(workdir or "")
    if place.is_file():
        print(f"step       {model_file.step(place):,}")
    elif workdir:
        started = (place / "checkpoints").is_dir()
        steps = checkpoint.Checkpoints(place, create=False).steps() if started else []
        print(f"steps      {steps[-1] if steps else 0:,} of {config.training.steps:,}; checkpoints {steps}")
        rows = log.read(place)
        if rows:
            print(f"last       {', '.join(f'{name} {value:.4g}' for name, value in rows[-1].items())}")
    if arguments.full:
        for name, value, field in schema.fields(config):
            words, allowed = field.metadata["words"], field.metadata["rule"].allowed()
            print(f"\n{name} = {value!r}\n    {words}{f' Must be {allowed}.' if allowed else ''}")
