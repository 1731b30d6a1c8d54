"""How long a server may be silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

PROGRESS = 2**16
"""Bytes that a transfer has to move on for its deadline to move too."""

T = TypeVar("T")


_SLICES = 20


class Deadline:
    """The moment at which patience ends; progress moves it.

    Only the time counts in which we listened: while this program is busy with the answer of
    another server, or gets no processor, this one cannot be heard.

    Attributes:
        seconds: of patience.
        left: of them, still.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._furthest = -PROGRESS
        self.move()

    def move(self) -> None:
        """Starts the time anew."""
        self.left = self.seconds

    def moved_to(self, position: int) -> None:
        """Tells how many bytes a transfer has moved; those that it moves again do not count."""
        if position >= self._furthest + PROGRESS:
            self._furthest = position
            self.move()

    async def pause(self, seconds: float) -> None:
        """Waits, and counts it."""
        await asyncio.sleep(seconds)
        self.left = max(0.0, self.left - seconds)

    async def limit(self, work: Awaitable[T]) -> T:
        """The result of `work`. Raises TimeoutError once the deadline has passed."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                if not self.left:
                    raise asyncio.TimeoutError(f"{self.seconds:g} s of silence")
                slice_ = min(self.left, self.seconds / _SLICES)
                started = time.monotonic()
                await asyncio.wait({task}, timeout=slice_)
                self.left = max(0.0, self.left - min(slice_, time.monotonic() - started))
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
