"""Models on the Hugging Face Hub, hf://OWNER/NAME: a file of `gdm export` with its card.

They need `pip install "gdm-jax[hub]"`.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

from gdm_jax._registry import first_line

__all__ = ["PREFIX", "download", "upload"]

PREFIX = "hf://"
_MODEL, _CARD = "model.safetensors", "README.md"


def download(address: str) -> pathlib.Path:
    """The model file at an address, kept in the Hub's own cache and downloaded where that has it not.

    Args:
      address: hf://OWNER/NAME.

    Raises:
      ValueError: if it is no address.
      ImportError: if huggingface_hub is not installed.
      ConnectionError: if there is no such model, or no network to fetch it over.
    """
    name, hub = _parsed(address), _hub()
    try:
        return pathlib.Path(hub.hf_hub_download(name, _MODEL))
    except Exception as error:  # of the network, the Hub or the disk
        how = f"download {_MODEL} of huggingface.co/{name} where there is a network, and pass its path"
        raise ConnectionError(f"workdir: {address} cannot be fetched ({first_line(error)}); {how}") from error


def upload(address: str, file: str | os.PathLike, card: str) -> str:
    """Put a model file and its card at an address, which is made if it is new; their page on the Hub.

    Args:
      address: hf://OWNER/NAME.
      file: File of `gdm export`.
      card: Its card in Markdown.

    Raises:
      ValueError: if it is no address.
      ImportError: if huggingface_hub is not installed.
      ConnectionError: if the Hub cannot be reached or does not take them.
    """
    name, hub = _parsed(address), _hub()
    try:
        api = hub.HfApi()
        page = api.create_repo(name, exist_ok=True)
        parts = {_MODEL: os.fspath(file), _CARD: card.encode()}
        operations = [hub.CommitOperationAdd(path_in_repo=path, path_or_fileobj=part) for path, part in parts.items()]
        api.create_commit(name, operations, commit_message="A model of gdm_jax")
    except Exception as error:  # of the network or the Hub
        how = "log in by 'hf auth login', or export to a file and upload it by hand"
        raise ConnectionError(f"out: {address} cannot be written ({first_line(error)}); {how}") from error
    return str(page)


def _parsed(address: str) -> str:
    owner, slash, name = address.removeprefix(PREFIX).partition("/")
    if not (owner and slash and name) or "/" in name:
        raise ValueError(f"an address on the Hub has the form {PREFIX}OWNER/NAME, got {address!r}")
    return f"{owner}/{name}"


def _hub() -> Any:
    try:
        import huggingface_hub  # pyright: ignore[reportMissingImports]  (in an extra)
    except ImportError as error:
        how = 'pip install "gdm-jax[hub]"'
        raise ImportError(f"{PREFIX}: huggingface_hub cannot be imported ({first_line(error)}); {how}") from error
    return huggingface_hub
