"""What a node returns when it reports something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Outputs(dict[str, Any]):
    """What a node returns when it reports something: its outputs, and the text shown on it.

    Unpacks as the plain tuple of outputs does, for scripts that call nodes themselves.

    Example:
        >>> number, report = Outputs((3, "three were made"))
    """

    def __init__(self, result: tuple[Any, ...], text: str | None = None) -> None:
        super().__init__(ui={"text": (result[-1] if text is None else text,)}, result=result)

    def __iter__(self) -> Iterator[Any]:
        return iter(self["result"])
