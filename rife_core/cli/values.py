"""Values on the command line, checked before any work begins."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import torch

from ..inference.precision import find_device

MOST_THREADS = 1024
"""For PyTorch on a CPU."""

_MOST = 2**63 - 1

_N = TypeVar("_N", int, float)


def whole(least: int, most: int = _MOST) -> Callable[[str], int]:
    """Reads a whole number from `least` to `most`.

    Example:
        >>> whole(1)("3")
        3
    """
    expected = f"a whole number of {least} or more{_up_to(most)}"
    return _number(int, lambda number: least <= number <= most, expected)


def above(least: float) -> Callable[[str], float]:
    """Reads a number above `least`; infinity is one, too.

    Example:
        >>> above(0)("0.5")
        0.5
    """
    return _number(float, lambda number: number > least, f"a number above {least:g}")


def at_least(least: float) -> Callable[[str], float]:
    """Reads a finite number of `least` or more.

    Example:
        >>> at_least(0)("0.5")
        0.5
    """
    expected = f"a finite number of {least:g} or more"
    return _number(float, lambda number: least <= number < math.inf, expected)


def several(each: Callable[[str], float]) -> Callable[[str], list[float]]:
    """Reads finite numbers with commas between: at least one.

    Example:
        >>> several(above(0))("8, 16")
        [8.0, 16.0]
    """

    def read(text: str) -> list[float]:
        numbers = [each(part.strip()) for part in text.split(",") if part.strip()]
        if not numbers or not all(map(math.isfinite, numbers)):
            raise argparse.ArgumentTypeError(f"found {text!r}, expected numbers between commas")
        return numbers

    return read


def device(text: str) -> str:
    """The name of a device, which may be that of another machine.

    Example:
        >>> device("cuda:1")
        'cuda:1'
    """
    try:
        found = torch.device(text)
    except RuntimeError:
        found = torch.device("meta")
    if found.type == "meta":
        raise argparse.ArgumentTypeError(f"found {text!r}, expected cpu, cuda, cuda:1 or mps")
    return text


def device_here(text: str) -> str:
    """The name of a device of this machine.

    Example:
        >>> device_here("cpu")
        'cpu'
    """
    try:
        find_device(device(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _up_to(most: int) -> str:
    return "" if most == _MOST else f", and at most {most}"


def _number(
    kind: Callable[[str], _N], fits: Callable[[_N], bool], expected: str
) -> Callable[[str], _N]:
    """Reads a number of a kind that fits; the error says what was expected."""

    def read(text: str) -> _N:
        with suppress(ValueError):
            if fits(number := kind(text)):
                return number
        raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")

    return read
