"""Frames on their way to a device and back; on CUDA beside the computing, through pinned memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Arrival = Callable[[], Tensor]
"""Waits until a copy has arrived and returns it."""


class Copies:
    """Copies between frames' device and the one that computes, each done when it is asked for.

    Args:
        device: the one that computes.

    Attributes:
        ahead: how many batches may be under way before the results of the first are waited for.
    """

    ahead = 0

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def send(self, frame: Tensor) -> Arrival:
        """Begins to copy `frame` to the device; what arrives may be used on its current stream."""
        sent = frame.to(self.device)
        return lambda: sent

    def fetch(self, made: Tensor, home: torch.device) -> Arrival:
        """Begins to copy `made` to the device `home`, once what makes it is done."""
        fetched = made.to(home)
        return lambda: fetched


class StreamedCopies(Copies):
    """Copies on CUDA streams of their own, one for each direction.

    While one batch is computed, the results of the one before travel to the host and the
    frames of the next to the device.
    """

    ahead = 1

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._sending = torch.cuda.Stream(device)
        self._fetching = torch.cuda.Stream(device)

    def send(self, frame: Tensor) -> Arrival:
        """See `Copies`."""
        if frame.device.type != "cpu":
            return super().send(frame)
        waiting = _pinned(frame).copy_(frame)
        with torch.cuda.stream(self._sending):
            sent = waiting.to(self.device, non_blocking=True)
            arrived = self._sending.record_event()

        def arrival() -> Tensor:
            here = torch.cuda.current_stream(self.device)
            here.wait_event(arrived)
            sent.record_stream(here)  # its memory was taken on the other stream
            return sent

        return arrival

    def fetch(self, made: Tensor, home: torch.device) -> Arrival:
        """See `Copies`."""
        if home.type != "cpu" or made.device.type == "cpu":
            return super().fetch(made, home)
        fetched = _pinned(made)
        self._fetching.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._fetching):
            fetched.copy_(made, non_blocking=True)
            made.record_stream(self._fetching)
            arrived = self._fetching.record_event()

        def arrival() -> Tensor:
            arrived.synchronize()
            return fetched

        return arrival


def copies_for(device: torch.device) -> Copies:
    """What copies best to and from `device`."""
    return StreamedCopies(device) if device.type == "cuda" else Copies(device)


def unpinned(frame: Tensor) -> Tensor:
    """`frame`, in memory that may be held for long: of pinned memory a system has little."""
    return frame.clone() if torch.cuda.is_available() and frame.is_pinned() else frame


def _pinned(like: Tensor) -> Tensor:
    """Memory for a tensor like this one that a device copies from and to by itself."""
    try:
        return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)
    except RuntimeError:  # the system gives no more; copies through other memory are right as well
        return torch.empty(like.shape, dtype=like.dtype)
