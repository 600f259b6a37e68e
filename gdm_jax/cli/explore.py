"""Open a page in the browser to play with the latent of a model of images: mix, move, draw anew, generate the rest.

The page shows a link to its settings and the lines of Python that do the same. Ctrl+C ends it.
"""

from __future__ import annotations

import argparse
import socket

from gdm_jax.cli import options

__all__ = ["EXAMPLES", "arguments", "run"]

EXAMPLES = """examples:
  gdm explore --workdir fruits
  gdm explore --workdir runs/digits --port 7861
"""


def arguments(command: argparse.ArgumentParser) -> None:
    options.workdir(command, options.MODEL)
    text = "Port of the page. Default: the first free one from 7860 on."
    command.add_argument("--port", type=int, metavar="N", help=text)
    text = "Address to listen at. 0.0.0.0 lets other machines in. Default: 127.0.0.1."
    command.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help=text)
    command.add_argument("--no-browser", action="store_true", help="Do not open a browser.")


def run(arguments: argparse.Namespace) -> None:
    workdir, port, host, browser = arguments.workdir, arguments.port, arguments.host, not arguments.no_browser

    if port is not None:
        _check_free(host, port)

    from gdm_jax import explorer

    page = explorer.explore(workdir, server_name=host, server_port=port, inbrowser=browser)
    print(f"The page is at {page.url} until Ctrl+C.", flush=True)
    page.wait()


def _check_free(host: str, port: int) -> None:
    try:
        with socket.socket() as found:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a page that has just ended is no hindrance
            found.bind((host, port))
    except (OSError, OverflowError) as error:
        raise ValueError(f"port: {host}:{port} cannot be listened at ({error})") from error
