"""Text from elsewhere (servers, files), made fit for a terminal and a log."""

from __future__ import annotations

import unicodedata
from typing import Any

MAX_TEXT = 20_000
"""Characters of the longest text that is shown."""

_TURNING = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def plain(text: Any, limit: int = MAX_TEXT) -> str:
    r"""`text` without what could steer a terminal or cannot be written, cut at `limit`.

    Control characters other than line ends and tabs, characters that reverse the reading
    direction and halves of surrogate pairs become a replacement character.

    Example:
        >>> plain("red \x1b[31mhat")
        'red �[31mhat'
        >>> plain("long" * 10, 8)
        'longlong...'
    """
    text = str(text)
    shown = "".join("\ufffd" if _is_unfit(char) else char for char in text[:limit])
    return f"{shown}..." if len(text) > limit else shown


def _is_unfit(char: str) -> bool:
    if char.isascii():
        return not char.isprintable() and char not in "\n\t"
    return char in _TURNING or unicodedata.category(char) in ("Cc", "Cs")
