"""Models on the Hugging Face Hub, hf://OWNER/NAME: a file of `gdm export` with its card.

They need `pip install "gdm-jax[hub]"`.
"""

from __future__ import annotations

import functools
import os
import pathlib
from typing import Any

from gdm_jax._registry import first_line

__all__ = ["PREFIX", "check", "download", "upload"]

PREFIX = "hf://"
_MODEL, _CARD = "model.safetensors", "README.md"


def check(address: str, field: str) -> tuple[str, Any]:
    """OWNER/NAME of an address, and the Hub's library.

    Args:
      address: hf://OWNER/NAME.
      field: What the address was given as, for the errors.

    Raises:
      ValueError: if it is no address.
      ImportError: if huggingface_hub is not installed.
    """
    owner, _, name = address.removeprefix(PREFIX).partition("/")
    if not owner or not name or "/" in name:
        raise ValueError(f"{field}: an address on the Hub has the form {PREFIX}OWNER/NAME, got {address!r}")
    try:
        import huggingface_hub  # pyright: ignore[reportMissingImports]  (in an extra)
    except ImportError as error:
        how = 'pip install "gdm-jax[hub]"'
        raise ImportError(f"{field}: huggingface_hub cannot be imported ({first_line(error)}); {how}") from error
    return f"{owner}/{name}", huggingface_hub


@functools.lru_cache  # so that a process takes config and parameters from one revision
def download(address: str) -> pathlib.Path:
    """The model file at an address. It is downloaded once, into the cache of the Hub's library.

    Args:
      address: hf://OWNER/NAME.

    Raises:
      ValueError, ImportError: as `check`.
      ConnectionError: if there is no such model, or no network over which to fetch it.
    """
    name, hub = check(address, "workdir")
    try:
        return pathlib.Path(hub.hf_hub_download(name, _MODEL))
    except Exception as error:  # of the network, the Hub or the disk
        how = f"log in by 'hf auth login' if it is private, or pass the path of its {_MODEL}"
        raise ConnectionError(f"workdir: {address} cannot be fetched ({first_line(error)}); {how}") from error


def upload(address: str, file: str | os.PathLike, card: str, *, replace: bool = False) -> str:
    """Put a model file at an address, which is made, and public, if it is new; its page on the Hub.

    Args:
      address: hf://OWNER/NAME.
      file: File of `gdm export`.
      card: Its card in Markdown.
      replace: Whether the card takes the place of one that is there.

    Raises:
      ValueError, ImportError: as `check`.
      ConnectionError: if the Hub cannot be reached or does not take the file.
    """
    name, hub = check(address, "out")
    try:
        api = hub.HfApi()
        page = api.create_repo(name, exist_ok=True)
        parts = {_MODEL: os.fspath(file)}
        if replace or not api.file_exists(name, _CARD):
            parts[_CARD] = card.encode()
        operations = [hub.CommitOperationAdd(path_in_repo=path, path_or_fileobj=part) for path, part in parts.items()]
        api.create_commit(name, operations, commit_message="A model of gdm_jax")
    except Exception as error:  # of the network or the Hub
        how = "log in by 'hf auth login', or export to a file and upload it by hand"
        raise ConnectionError(f"out: {address} cannot be written ({first_line(error)}); {how}") from error
    return str(page)
