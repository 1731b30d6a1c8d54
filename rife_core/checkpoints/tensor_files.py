"""Reads files of named tensors without running any code in them."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import time
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..ops.dispatch import is_out_of_memory
from .pickles import check_archive

MAX_BYTES = 4 * 2**30
"""Size of the largest file that is read; VGG-19, the largest of use here, has 0.6 GB."""

MAX_TENSORS = 10_000
"""Most tensors in a file that is read: finding out whose they are takes time for each."""

_TRIES = 40
_SETTLED_SECONDS = 0.025
_SHOWN = 80
_BEGIN = 8  # bytes before the JSON of a .safetensors file, which say how long it is
_PANIC = "PanicException"  # how safetensors ends without memory; it is no Exception
_DAMAGE = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
    MemoryError,
    AssertionError,
)


class CheckpointError(ValueError):
    """A weights file that cannot be used; the message says why and what to do."""


_DRAWING = (torch.nn.init.kaiming_uniform_, torch.nn.init.uniform_)
"""What convolutions and linear layers fill their new weights with."""


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in _DRAWING:
            return (kwargs or {}).get("tensor")
        return func(*args, **(kwargs or {}))


@contextmanager
def unfilled() -> Generator[None]:
    """Layers that are built meanwhile have shapes and types, but no content.

    Drawing weights that are replaced at once would take longer than all else.

    Example:
        >>> with unfilled():
        ...     torch.nn.Conv2d(3, 4, 1).weight.device.type
        'meta'
    """
    with torch.device("meta"), _Undrawn():
        yield


def read_tensors(what: str, path: Path) -> tuple[Mapping[str, Any], dict[str, str]]:
    """Reads a .safetensors file, or one that torch saved: named tensors and metadata.

    A file that torch saved may hold dictionaries of tensors in a dictionary, and plain
    numbers and texts beside them; nothing else is read. What is returned does not change
    with the file.

    Args:
        what: whose weights they should be, for errors.
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is empty or damaged, cannot be read, holds other things,
            or no dictionary.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {str(path)!r} with {what} weights.")
    content = _content(path)
    if not content:
        raise CheckpointError(f"{path.name} is empty. Fetch or copy the file again.")
    if path.suffix == ".safetensors":
        _check_count(path, content.count(b"{", _BEGIN, _header_end(content)) - 1)  # one for each
    try:
        with torch.device("cpu"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on a file that is refused anyway
            if path.suffix == ".safetensors":
                tensors = load_safetensors(content)
                _check_count(path, len(tensors))
                return tensors, _metadata(content)
            check_archive(content)
            loaded: object = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name} was refused: it is damaged, or holds other things than tensors, which "
            "could run code on loading. Fetch it again, or convert it to .safetensors where you "
            "trust it."
        ) from error
    except CheckpointError:
        raise
    except BaseException as error:
        panics = type(error).__name__ == _PANIC
        if not panics and not isinstance(error, (SafetensorError, *_DAMAGE)):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        if panics or is_out_of_memory(error):
            raise CheckpointError(
                f"There is not enough memory to read {path.name}, or it is damaged ({reason})."
            ) from error
        raise CheckpointError(
            f"{path.name} is damaged or no weights file ({reason}). Fetch or copy the file again."
        ) from error
    if not isinstance(loaded, Mapping):
        raise CheckpointError(
            f"{path.name} holds a {type(loaded).__name__}, but {what} weights are a dictionary "
            "of named tensors."
        )
    _check_count(path, len(loaded))
    return cast(Mapping[str, Any], loaded), {}


def save_tensors(
    tensors: Mapping[str, Tensor], part: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a .safetensors file, piece by piece: see `whole_file` for one that others may read.

    Raises:
        OSError: it cannot be written: there is no folder, or no room.
    """
    try:
        save_file(dict(tensors), part, dict(metadata) if metadata else None)
    except SafetensorError as error:
        if found := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(found[1]), os.strerror(int(found[1])), str(part)) from error
        raise OSError(f"{part.name} cannot be written: {error}") from error


def _check_count(path: Path, tensors: int) -> None:
    if tensors > MAX_TENSORS:
        raise CheckpointError(
            f"{path.name} holds {tensors:,} tensors; a network has some hundreds, and at most "
            f"{MAX_TENSORS:,} are read. Fetch or copy the file again."
        )


def float_weights(where: str, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights as float32 tensors of their own, on the CPU.

    Args:
        where: they are from, for errors.
        state: tensors by name.

    Raises:
        CheckpointError: one of them cannot be a network's weight: it holds whole numbers, is
            sparse or quantised, has no content, or is not finite. The message names it.
    """
    weights: dict[str, Tensor] = {}
    for name, tensor in state.items():
        reason = _unfit(tensor)
        if reason is None:
            weights[name] = tensor.detach().to("cpu", torch.float32, copy=True).contiguous()
            if not weights[name].isfinite().all():
                reason = "has values that are NaN or infinite"
        if reason:
            raise CheckpointError(
                f"{where} cannot be used: {shown(name)} {reason}, but weights are finite "
                "floating point numbers. Fetch or convert the file again."
            )
    return weights


def shown(name: object) -> str:
    """A name out of a file, for a message: in quotes, and not too long."""
    if not isinstance(name, str):
        return f"a {type(name).__name__}"
    return repr(name) if len(name) <= _SHOWN else f"{name[:_SHOWN]!r}..."


def _unfit(tensor: object) -> str | None:
    """Why something cannot be a weight; None if it can."""
    if not isinstance(tensor, Tensor):
        return f"is a {type(tensor).__name__}"
    if tensor.is_quantized:
        return "is quantised"
    if tensor.layout is not torch.strided or tensor.is_nested:
        return f"is {'nested' if tensor.is_nested else str(tensor.layout).removeprefix('torch.')}"
    if tensor.is_meta:
        return "has no content (device meta)"
    if not tensor.is_floating_point():
        return f"is of type {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return "repeats its values"
    return None


def _content(path: Path) -> bytes:
    """The bytes of a file as it was at one moment, even if somebody is writing it.

    A file that is mapped, or read while it changes, gives a mixture of two networks.
    """
    try:
        for _ in range(_TRIES):
            with path.open("rb") as file:
                before = os.fstat(file.fileno())
                if before.st_size > MAX_BYTES:
                    raise CheckpointError(
                        f"{path.name} has {before.st_size / 2**30:.0f} GB; weights have less than "
                        f"{MAX_BYTES / 2**30:.0f} GB."
                    )
                content = file.read(before.st_size + 1)  # so much memory is taken
                after = os.fstat(file.fileno())
            # Times of files have steps of some milliseconds: what has just changed may change on.
            is_fresh = 0 <= time.time() - after.st_mtime < _SETTLED_SECONDS
            same = (before.st_mtime_ns, len(content)) == (after.st_mtime_ns, after.st_size)
            if same and not is_fresh:
                return content
            time.sleep(_SETTLED_SECONDS)
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read ({error.strerror or error}).") from error
    raise CheckpointError(f"{path.name} is being written. Try again when it is complete.")


def _metadata(content: bytes) -> dict[str, str]:
    """The metadata of a .safetensors file that has been found to be sound."""
    return json.loads(content[_BEGIN : _header_end(content)]).get("__metadata__") or {}


def _header_end(content: bytes) -> int:
    return _BEGIN + int.from_bytes(content[:_BEGIN], "little")
