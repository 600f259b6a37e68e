"""The `gdm` command: reads arguments, calls the library, writes files. It holds no mathematics."""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import zipfile

TRAIN = """examples:
  gdm train --config configs/digits.py --workdir runs/digits
  gdm train --config configs/digits.py --workdir runs/short --config.training.steps=500
"""
SAMPLE = """examples:
  gdm sample --workdir runs/digits --count 64
  gdm sample --workdir runs/digits --seeds 7 8 9 --solver heun --steps 32 --film
"""
ENCODE = """examples:
  gdm encode --workdir runs/digits --data 16
  gdm encode --workdir runs/digits --images my_pictures/ --solver tsit5 --steps 0
"""
DECODE = """example:
  gdm decode --workdir runs/digits --latents runs/digits/encoded.npz
"""
INFO = """examples:
  gdm info --workdir runs/digits
  gdm info --config configs/cifar10.py:vanilla
"""
PREPARE = """examples:
  gdm prepare --config configs/digits.py
  gdm prepare --config configs/mnist.py --config.data.path=~/mnist/train
"""
FIGURES = """example:
  gdm figures --workdir runs/digits
"""


def main(argv=None) -> int:
    """Run one command; 0 if it did what was asked, 2 after a one-line error."""
    parser, arguments = _parse(argv)
    overrides = [word for word in arguments.rest if word.startswith("--config.") and "=" in word]
    stray = [word for word in arguments.rest if word not in overrides]
    if stray:
        parser.error(f"unrecognised argument {stray[0]!r}; fields of the config are set as --config.FIELD=VALUE")
    if overrides and not getattr(arguments, "config", None):
        parser.error(f"{overrides[0]} needs --config")
    arguments.overrides = overrides
    import jax
    from absl import logging

    logging.set_verbosity(logging.ERROR)  # Orbax narrates every save
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR", str(pathlib.Path("~/.cache/gdm_jax").expanduser()))
    jax.config.update("jax_compilation_cache_dir", cache)
    try:
        arguments.command(arguments)
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        if os.environ.get("GDM_TRACEBACK"):
            raise
        print(f"gdm {arguments.name}: error: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"gdm {arguments.name}: interrupted; what was saved stays", file=sys.stderr)
        return 130
    return 0


def train(arguments) -> None:
    from gdm_jax import config, training

    training.train(config.load(arguments.config, arguments.overrides), arguments.workdir)


def prepare(arguments) -> None:
    from gdm_jax import config, data

    source = data.open_source(config.load(arguments.config, arguments.overrides).data)
    print(f"ready: {len(source):,} examples of shape {source.shape}")


def sample(arguments) -> None:
    from gdm_jax import figures, gallery

    model, options = _load(arguments)
    if arguments.film:
        options["frames"] = gallery.frames(model)
        x, times, states = model.sample(arguments.count, seeds=arguments.seeds, **options)
        if x.ndim == 4:
            figures.film(gallery.begun(model, times, states), _output(arguments, "samples.gif"))
            print(_output(arguments, "samples.gif"))
    else:
        x = model.sample(arguments.count, seeds=arguments.seeds, **options)
    _write(arguments, "samples", x=x)


def encode(arguments) -> None:
    import numpy as np

    model, options = _load(arguments)
    x = _images(arguments, model)
    if arguments.solver == "inverse_euler":
        found = model.invert(x, **{name: options[name] for name in ("steps", "batch", "progress") if name in options})
        failed = np.flatnonzero(~np.asarray(found.converged))
        print(f"inverted {len(x) - len(failed)} of {len(x)}; largest residual {float(found.residual.max()):.1e}")
        if len(failed):
            print(
                f"gdm encode: warning: not inverted, do not trust: {failed.tolist()}; try more --steps", file=sys.stderr
            )
        _write(arguments, "encoded", z=np.asarray(found.z), residual=np.asarray(found.residual))
    else:
        _write(arguments, "encoded", z=model.encode(x, **options))


def decode(arguments) -> None:
    model, options = _load(arguments)
    _write(arguments, "decoded", x=model.decode(_latents(arguments), **options))


def info(arguments) -> None:
    import jax
    import numpy as np

    from gdm_jax import build
    from gdm_jax import config as configs
    from gdm_jax.training import checkpoint, log, state

    if bool(arguments.config) == bool(arguments.workdir):
        raise ValueError("pass either --config or --workdir")
    config = configs.load(arguments.config, arguments.overrides) if arguments.config else None
    config = config or checkpoint.load_config(arguments.workdir)
    process = build.process(config)
    schedule = build.schedule(config, process.k)
    net = build.network(config, process)
    params = jax.eval_shape(lambda: state.create(config, net, process.k)).params
    count = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))
    print(f"data       {config.data.name} {config.data.shape}")
    print(f"process    {config.process.groups}, basis {config.process.basis}, {config.process.interpolant}")
    print(f"network    {config.model.name}, {count:,} parameters, {config.model.dtype}")
    print("group      elements  diffused in t (generated first at the top)")
    for j in np.argsort(-np.asarray(schedule.t_end), kind="stable"):
        print(f"  {j:<8} {process.groups.sizes[j]:>8}  [{schedule.t_start[j]:.3f}, {schedule.t_end[j]:.3f}]")
    if arguments.workdir:
        started = (pathlib.Path(arguments.workdir) / "checkpoints").is_dir()
        steps = checkpoint.Checkpoints(arguments.workdir, create=False).steps() if started else []
        print(f"steps      {steps[-1] if steps else 0:,} of {config.training.steps:,}; checkpoints {steps}")
        rows = log.read(arguments.workdir)
        if rows:
            print(f"last       {', '.join(f'{name} {value:.4g}' for name, value in rows[-1].items())}")


def figures(arguments) -> None:
    from gdm_jax import gallery

    model, options = _load(arguments)
    folder = _output(arguments, "figures")
    for line in gallery.write(model, folder, **options):
        print(f"{folder}/{line}")


def _load(arguments):
    """The model and the solver options given on the command line."""
    from gdm_jax import model

    options = {"progress": True}
    for name in ("solver", "rtol", "atol", "batch"):
        if getattr(arguments, name, None) is not None:
            options[name] = getattr(arguments, name)
    if getattr(arguments, "steps", None) is not None:
        steps = arguments.steps
        options["steps"] = (steps[0] or None) if len(steps) == 1 else tuple(steps)
    return model.load(arguments.workdir, step=arguments.checkpoint), options


def _images(arguments, model):
    """The images to encode, `[n, *shape]` in the model's range."""
    import numpy as np

    from gdm_jax import data
    from gdm_jax.data.images import UNREADABLE

    if bool(arguments.images) == (arguments.data is not None):
        raise ValueError("pass either --images FILE_OR_FOLDER ... or --data COUNT")
    if not arguments.images:
        if arguments.data < 1:
            raise ValueError(f"--data: must be at least 1, got {arguments.data}")
        source = data.open_source(model.config.data)
        chosen = [source[i]["x"] for i in range(min(arguments.data, len(source)))]
    else:
        files = [f for p in map(pathlib.Path, arguments.images) for f in (data.find_images(p) if p.is_dir() else [p])]
        chosen = []
        for file in files:
            try:
                chosen.append(data.read_image(file, model.config.data.shape))
            except UNREADABLE as error:
                raise ValueError(f"--images: {str(file)!r} cannot be read ({error})") from error
    return np.asarray(data.to_model_range(np.stack(chosen)))


def _latents(arguments):
    """The array 'z' of --latents."""
    import numpy as np

    path = pathlib.Path(arguments.latents)
    if not path.is_file():
        raise ValueError(f"--latents: there is no file {str(path)!r}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"--latents: {str(path)!r} is not an .npz of plain arrays") from error
    if "z" not in arrays:
        raise ValueError(f"--latents: {str(path)!r} holds {', '.join(arrays)}; expected an array 'z'")
    return arrays["z"]


def _write(arguments, name: str, **arrays) -> None:
    """NAME.npz with the arrays, and a picture of the first."""
    import numpy as np

    from gdm_jax import figures

    path = _output(arguments, f"{name}.npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    first = next(iter(arrays.values()))
    picture = figures.grid(first) if first.ndim == 4 else figures.cloud(first)
    figures.save(picture, path.with_suffix(".png"))
    print(f"{path}\n{path.with_suffix('.png')}")


def _output(arguments, name: str) -> pathlib.Path:
    return pathlib.Path(arguments.out or arguments.workdir) / name


def _parse(argv):
    parser = argparse.ArgumentParser(prog="gdm", description="Groupwise diffusion models in JAX.", allow_abbrev=False)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(run, text, examples, *, config=False, workdir=False, solver=False):
        command = commands.add_parser(
            run.__name__,
            help=text,
            description=text,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.set_defaults(command=run, name=run.__name__, subparser=command)
        if config:
            optional = config == "optional"
            command.add_argument(
                "--config",
                required=not optional,
                metavar="FILE",
                help="an experiment file; --config.FIELD=VALUE overrides a field",
            )
        if workdir:
            optional = workdir == "optional"
            command.add_argument("--workdir", required=not optional, metavar="DIR", help="folder of the run")
        if solver:
            command.add_argument("--checkpoint", type=int, metavar="STEP", help="step to load; the newest by default")
            command.add_argument("--out", metavar="DIR", help="where to write; the workdir by default")
            command.add_argument(
                "--solver",
                metavar="NAME",
                help="euler, heun, midpoint, ralston, bosh3, rk4, tsit5, "
                "dopri5, dopri8" + (", inverse_euler" if run is encode else ""),
            )
            command.add_argument(
                "--steps",
                type=int,
                nargs="+",
                metavar="N",
                help="a total, or one number a group; 0 adapts to the tolerances",
            )
            command.add_argument("--rtol", type=float, help="relative tolerance of adaptive steps")
            command.add_argument("--atol", type=float, help="absolute tolerance of adaptive steps")
            command.add_argument("--batch", type=int, metavar="N", help="examples solved at once (256)")
        return command

    add(train, "Train a model, or continue a run.", TRAIN, config=True, workdir=True)
    command = add(sample, "Generate new data from a trained model.", SAMPLE, workdir=True, solver=True)
    command.add_argument("--count", type=int, default=16, metavar="N", help="how many (16)")
    command.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="one a sample, instead of --count")
    command.add_argument("--film", action="store_true", help="also a GIF of how they come about")
    command = add(encode, "Data to latents.", ENCODE, workdir=True, solver=True)
    command.add_argument("--images", nargs="+", metavar="PATH", help="image files or folders")
    command.add_argument("--data", type=int, metavar="N", help="the first N examples of the training data instead")
    command = add(decode, "Latents to data.", DECODE, workdir=True, solver=True)
    command.add_argument("--latents", required=True, metavar="FILE", help="an .npz with an array 'z'")
    add(info, "What a config or a run holds.", INFO, config="optional", workdir="optional")
    add(prepare, "Write a config's data set as ArrayRecord, once.", PREPARE, config=True)
    add(
        figures,
        "Pictures of a trained model: samples, film, strip, reconstruction, mixing.",
        FIGURES,
        workdir=True,
        solver=True,
    )
    arguments, rest = parser.parse_known_args(argv)
    arguments.rest = rest
    return arguments.subparser, arguments


def _one_line(error: BaseException) -> str:
    """The first line of an error's message that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
