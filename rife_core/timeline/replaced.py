"""Frames that are replaced from their neighbours: how they are named, and which ones can be."""

from __future__ import annotations

import re

from ..basics.arguments import checked
from . import LONGEST_STEP

_FRAMES = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?")


@checked
def parse_replaced(text: str) -> frozenset[int]:
    """Reads frames such as "120-123, 500", counted from 1.

    Example:
        >>> sorted(parse_replaced("3-5, 9"))
        [3, 4, 5, 9]

    Raises:
        ValueError: an entry cannot be read, or names more frames in a row than can be made.
    """
    numbers: set[int] = set()
    for entry in filter(None, map(str.strip, text.split(","))):
        match = _FRAMES.fullmatch(entry)
        if match is None or not 0 < int(match[1]) <= int(match[2] or match[1]):
            raise ValueError(
                f"The frames {entry!r} cannot be read. Write numbers counted from 1, such as "
                "'120-123, 500', or 'auto' for repeats."
            )
        first, last = int(match[1]), int(match[2] or match[1])
        _check_run(first, last - first + 1)
        numbers.update(range(first, last + 1))
    return frozenset(numbers)


def check_replaced(replaced: frozenset[int], count: int) -> None:
    """Raises a ValueError where one of a clip's frames has no neighbours to be made from.

    Args:
        replaced: those frames, counted from 1.
        count: how many the clip has; 0: not known.
    """
    if not replaced:
        return
    if 1 in replaced or (count and max(replaced) >= count):
        raise ValueError(
            f"Frames 2 to {max(count - 1, 2)} can be replaced: the first and the last one have no "
            "neighbours on both sides."
        )
    for first in replaced:
        if all(number in replaced for number in range(first, first + LONGEST_STEP)):
            _check_run(first, LONGEST_STEP)


def _check_run(first: int, count: int) -> None:
    if count >= LONGEST_STEP:
        raise ValueError(
            f"From frame {first} on {LONGEST_STEP} frames or more are to be replaced; at most "
            f"{LONGEST_STEP - 1} in a row can be."
        )
