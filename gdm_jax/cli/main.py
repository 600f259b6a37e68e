"""The `gdm` command: its table of commands, what it changes of the process, and errors in one line.

A command is a module of this folder. Its docstring is its help, `EXAMPLES` end the help, `arguments` adds its options
to a parser, and `run` turns the parsed arguments into plain values and does what they ask. A new command is such a
module and a line of COMMANDS. Modules that load slowly, JAX among them, are imported by `run` and, for tables of names,
by `arguments`, which is called for the one command that was asked for.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import inspect
import logging
import os
import pathlib
import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType

from gdm_jax import _registry
from gdm_jax.cli import (
    analyse,
    decode,
    edit,
    encode,
    evaluate,
    experiment,
    explore,
    export,
    figures,
    fill,
    info,
    likelihood,
    models,
    plan,
    prepare,
    sample,
    train,
)

__all__ = ["COMMANDS", "main", "parse"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it did what was asked, 2 after a one-line error.

    Args:
      argv: Words of the command, from a Python program, which finds its process as it was. None takes the words of this
        process, which then belongs to the command to its end.
    """
    arguments = parse(argv)
    with _as_a_program(arguments.name, restore=argv is not None):
        return _run(arguments)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments of a command, its `name`, and the `overrides` of its config; leaves the program on bad usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="gdm", description="Groupwise diffusion models in JAX.", allow_abbrev=False)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="name")
    chosen = parser
    for name, command in COMMANDS.items():
        text = inspect.cleandoc(command.__doc__ or "")
        subparser = subparsers.add_parser(
            name,
            help=_registry.first_line(text),
            description=text,
            epilog=command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if words[:1] == [name]:
            command.arguments(subparser)
            chosen = subparser
    arguments, rest = parser.parse_known_args(words)
    overrides = [word for word in rest if word.startswith("--config.") and "=" in word]
    stray = [word for word in rest if word not in overrides]
    if stray:
        chosen.error(f"unrecognised argument {stray[0]!r}; fields of the config are set as --config.FIELD=VALUE")
    if overrides and not (getattr(arguments, "config", None) or arguments.name == "experiment"):
        chosen.error(f"{overrides[0]} needs --config")
    return argparse.Namespace(**vars(arguments), overrides=overrides, usage=chosen.format_usage())


class _Version(argparse.Action):
    """Looks the version up only where it is asked for, so that other commands need no installed package."""

    def __call__(self, parser, *_):
        print(f"gdm_jax {importlib.metadata.version('gdm_jax')}")
        parser.exit()


@contextlib.contextmanager
def _as_a_program(name: str, restore: bool) -> Iterator[None]:
    """What a command changes of the whole process while it runs."""
    import absl.logging
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    asyncio, verbosity, hook = logging.getLogger("asyncio"), absl.logging.get_verbosity(), sys.unraisablehook
    level, folder = asyncio.level, jax.config.values["jax_compilation_cache_dir"]
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR", str(pathlib.Path("~/.cache/gdm_jax").expanduser()))
    try:
        absl.logging.set_verbosity(absl.logging.FATAL)  # Orbax narrates every save, and prints what it also raises:
        asyncio.setLevel(logging.CRITICAL)  # for a save that fails, once for every array
        sys.unraisablehook = _without_echo
        jax.config.update("jax_compilation_cache_dir", cache)
        with warnings.catch_warnings():
            warnings.filterwarnings("once", category=UserWarning, module="gdm_jax")
            _warn_in_one_line(name)
            yield
    finally:
        if restore:
            absl.logging.set_verbosity(verbosity)
            asyncio.setLevel(level)
            sys.unraisablehook = hook
        if restore and folder != cache:
            jax.config.update("jax_compilation_cache_dir", folder)
            compilation_cache.reset_cache()


def _run(arguments: argparse.Namespace) -> int:
    """The command, as one of several processes where it is told so; its exit status."""
    several = getattr(arguments, "coordinator", None)
    try:
        if not several and (getattr(arguments, "process", None), getattr(arguments, "processes", None)) != (None, None):
            raise ValueError("coordinator: --process and --processes need --coordinator HOST:PORT")
        if several:
            from gdm_jax.devices import hosts

            hosts.join(several, arguments.processes, arguments.process, told_to_end=arguments.name == "train")
        COMMANDS[arguments.name].run(arguments)
    except (ValueError, OSError, RuntimeError, ImportError, MemoryError) as error:
        if os.environ.get("GDM_TRACEBACK"):
            traceback.print_exc()
        code = getattr(error, "exit_status", 2)
        said = _with_dashes(_registry.first_line(error), arguments)
        return _end(arguments, code, f"{'error: ' if code == 2 else ''}{said}")
    except KeyboardInterrupt:
        return _end(arguments, 130, "interrupted; what was saved stays")
    except BaseException:  # a fault of ours: shown whole, and no reason for the other processes to wait
        if several:
            from gdm_jax.devices import hosts

            traceback.print_exc()
            hosts.leave(1)
        raise
    return 0


def _with_dashes(message: str, arguments: argparse.Namespace) -> str:
    """A message about a field, `steps: ...` or `sampling.steps: ...`, as one about the option that holds its value."""
    named = message.partition(":")[0]
    field = named.removeprefix("sampling.")
    option = f"--{field.replace('_', '-')}"
    if getattr(arguments, field, None) is None or option not in re.findall(r"--[\w-]+", arguments.usage):
        return message
    return message.replace(named, option, 1)


def _end(arguments: argparse.Namespace, code: int, message: str) -> int:
    """Say why the command ends, and which process says so where there are several."""
    several = getattr(arguments, "coordinator", None)
    process = ""
    if several:
        import jax

        process = f"process {jax.process_index()}: " if jax.distributed.is_initialized() else ""
    print(f"gdm {arguments.name}: {process}{message}", file=sys.stderr)
    if several and code in (2, 130):  # those told to end have all saved and leave together
        from gdm_jax.devices import hosts

        hosts.leave(code)
    return code


def _warn_in_one_line(name: str) -> None:
    """Our own warnings without the line of code that gave them; others as ever."""
    others = warnings.showwarning

    def show(message, category, filename, *where):
        if "gdm_jax" in pathlib.Path(filename).parts:
            print(f"gdm {name}: warning: {message}", file=sys.stderr)
        else:
            others(message, category, filename, *where)

    warnings.showwarning = show


def _without_echo(unraisable, others=sys.unraisablehook) -> None:
    """Orbax raises the first error of a save and closes its loop; then TensorStore's threads complain."""
    if str(unraisable.exc_value) != "Event loop is closed":
        others(unraisable)


COMMANDS: dict[str, ModuleType] = {
    "train": train,
    "sample": sample,
    "encode": encode,
    "decode": decode,
    "fill": fill,
    "edit": edit,
    "explore": explore,
    "likelihood": likelihood,
    "analyse": analyse,
    "evaluate": evaluate,
    "experiment": experiment,
    "info": info,
    "models": models,
    "export": export,
    "plan": plan,
    "prepare": prepare,
    "figures": figures,
}
