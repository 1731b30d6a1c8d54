"""Bounds for the pickles that torch saves: refused unread where reading them could take for ever.

torch reads them without running code, but what they build may still grow without bound: an
archive that unpacks to a thousand times its size, or tuples of tuples whose hash takes 2**40 steps.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator
from pickle import UnpicklingError
from typing import Any

_MAX_STEPS = 1_000_000
"""Of one pickle; that of a network takes some 10,000."""

_MAX_TUPLE = 1000
"""Values that a tuple may hold, those of the tuples in it included; torch writes some 20."""

_MAX_PICKLE = 16 * 2**20
_LEGACY_PICKLES = 5
_ROOM = 2**20


def check_archive(content: bytes) -> None:
    """Raises UnpicklingError unless what torch saved can be read in a moment.

    Args:
        content: of the file.
    """
    for data in _pickles(content):
        _check_steps(data)


def _pickles(content: bytes) -> Iterator[io.BytesIO]:
    """The pickles in a file: of a zip archive, or the first ones of an older file."""
    if not content.startswith(b"PK"):
        data = io.BytesIO(content)
        for _ in range(_LEGACY_PICKLES):
            if data.tell() < len(content):
                yield data
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > len(content) + _ROOM:
                raise UnpicklingError("it unpacks to more than it holds")
            for entry in entries:
                if entry.filename.endswith(".pkl"):
                    if entry.file_size > _MAX_PICKLE:
                        raise UnpicklingError("its pickle is too large")
                    yield io.BytesIO(archive.read(entry))
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise UnpicklingError(str(error)) from error


def _check_steps(data: io.BytesIO) -> None:
    """Follows a pickle with the sizes of its tuples in place of its values."""
    stack: list[int] = []
    marks: list[int] = []
    memo: dict[Any, int] = {}
    for count, (step, argument, _) in enumerate(pickletools.genops(data), 1):
        if count > _MAX_STEPS:
            raise UnpicklingError("it takes too many steps")
        taken = list(step.stack_before)
        if step.name == "MARK":
            marks.append(len(stack))
            continue
        if pickletools.markobject in taken:
            start = marks.pop() - taken.index(pickletools.markobject)
        else:
            start = len(stack) - len(taken)
        if start < 0:
            raise UnpicklingError("it takes more than there is")
        values = stack[start:]
        del stack[start:]
        if step.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif step.name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif step.name == "MEMOIZE":
            memo[len(memo)] = values[0]
            stack += values
        elif step.name == "GLOBAL" and "nested" in str(argument):  # of no shape that can be told
            raise UnpicklingError("it holds nested tensors")
        elif step.name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(1 + sum(values))
            if stack[-1] > _MAX_TUPLE:
                raise UnpicklingError("it holds tuples in tuples")
        else:
            stack += [1] * len(step.stack_after)
