"""Environment variables that this project reads, and errors for values that do not fit."""

from __future__ import annotations

import os

from .arguments import natural

_OFF = ("", "0", "no", "off", "false")


def is_on(name: str) -> bool:
    """Whether a switch is on: it is there, and neither empty nor 0, no, off or false.

    Example:
        >>> is_on("RIFE_VIDEO_NONE")
        False
    """
    return os.environ.get(name, "").strip().lower() not in _OFF


def whole_number(name: str, least: int, most: int, default: int | None = None) -> int:
    """The whole number that a variable holds.

    Args:
        name: of the variable.
        least: that it may be.
        most: that it may be.
        default: taken where it is not there, or empty. None: it must be there.

    Raises:
        ValueError: it holds none, or is not there.

    Example:
        >>> whole_number("RIFE_VIDEO_NONE", 0, 9, 5)
        5
    """
    text = os.environ.get(name, "").strip()
    if not text and default is not None:
        return default
    number = natural(text)
    if number is None or not least <= number <= most:
        found = f"is {text[:60]!r}" if text else "is not set"
        raise ValueError(
            f"The environment variable {name} {found}; it must be a whole number from {least} to "
            f"{most}."
        )
    return number
