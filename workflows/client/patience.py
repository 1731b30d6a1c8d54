"""How long a server may be silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

PROGRESS = 2**16
"""Bytes that a transfer has to move on for its deadline to move too."""

T = TypeVar("T")


class Deadline:
    """The moment at which patience ends; progress moves it.

    Attributes:
        seconds: of patience.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._furthest = -PROGRESS
        self.move()

    def move(self) -> None:
        """Patience begins anew."""
        self._end = time.monotonic() + self.seconds

    def moved_to(self, position: int) -> None:
        """Tells how many bytes a transfer has moved; those that it moves again do not count."""
        if position >= self._furthest + PROGRESS:
            self._furthest = position
            self.move()

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self._end - time.monotonic())

    async def limit(self, work: Awaitable[T]) -> T:
        """The result of `work`. Raises TimeoutError once the deadline has passed."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                if not self.left:
                    raise asyncio.TimeoutError(f"{self.seconds:g} s of silence")
                await asyncio.wait({task}, timeout=self.left)
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
