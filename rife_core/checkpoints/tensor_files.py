"""Reads files of named tensors without running any code in them."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open

_DAMAGE = (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError)


class CheckpointError(ValueError):
    """A weights file that cannot be used; the message says why and what to do."""


def read_tensors(what: str, path: Path) -> tuple[Mapping[str, Any], dict[str, str]]:
    """Reads a .safetensors file, or one that torch saved: named tensors and metadata.

    A file that torch saved may hold dictionaries of tensors in a dictionary, and plain
    numbers and texts beside them; nothing else is read.

    Args:
        what: whose weights they should be, for errors.
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is empty or damaged, holds other things, or no dictionary.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r} with {what} weights.")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path.name} is empty. Fetch or copy the file again.")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                names = cast(list[str], file.keys())
                return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on a file that is refused anyway
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name} was refused: it is damaged, or holds other things than tensors, which "
            "could run code on loading. Fetch it again, or convert it to .safetensors where you "
            "trust it."
        ) from error
    except (SafetensorError, *_DAMAGE) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise CheckpointError(
            f"{path.name} is damaged or no weights file ({reason}). Fetch or copy the file again."
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path.name} holds a {type(content).__name__}, but {what} weights are a dictionary "
            "of named tensors."
        )
    return cast(Mapping[str, Any], content), {}
