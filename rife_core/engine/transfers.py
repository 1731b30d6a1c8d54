"""Copies frames to a device and back; on CUDA in parallel with computation, via pinned memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Pending = Callable[[], Tensor]
"""Waits until a copy has arrived and returns it."""


class Transfers:
    """Synchronous copies between the frames' device and the one that computes.

    Args:
        device: the one that computes.

    Attributes:
        ahead: how many batches may be under way before the results of the first are waited for.
    """

    ahead = 0

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def upload(self, frame: Tensor) -> Pending:
        """Starts copying `frame` to the device; the result may be used on its current stream."""
        uploaded = frame.to(self.device)
        return lambda: uploaded

    def download(self, made: Tensor, home: torch.device) -> Pending:
        """Starts copying `made` to the device `home`, once the work that makes it is done."""
        downloaded = made.to(home)
        return lambda: downloaded


class StreamedTransfers(Transfers):
    """Copies on separate CUDA streams, one per direction.

    While one batch is computed, the results of the one before travel to the host and the
    frames of the next to the device.
    """

    ahead = 1

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._uploading = torch.cuda.Stream(device)
        self._downloading = torch.cuda.Stream(device)

    def upload(self, frame: Tensor) -> Pending:
        if frame.device.type != "cpu":
            return super().upload(frame)
        waiting = _pinned(frame).copy_(frame)
        with torch.cuda.stream(self._uploading):
            uploaded = waiting.to(self.device, non_blocking=True)
            arrived = self._uploading.record_event()

        def pending() -> Tensor:
            here = torch.cuda.current_stream(self.device)
            here.wait_event(arrived)
            uploaded.record_stream(here)  # its memory was taken on the other stream
            return uploaded

        return pending

    def download(self, made: Tensor, home: torch.device) -> Pending:
        if home.type != "cpu" or made.device.type == "cpu":
            return super().download(made, home)
        downloaded = _pinned(made)
        self._downloading.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._downloading):
            downloaded.copy_(made, non_blocking=True)
            made.record_stream(self._downloading)
            arrived = self._downloading.record_event()

        def pending() -> Tensor:
            arrived.synchronize()
            return downloaded

        return pending


def transfers_for(device: torch.device) -> Transfers:
    """The fastest transfers for `device`."""
    return StreamedTransfers(device) if device.type == "cuda" else Transfers(device)


def unpinned(frame: Tensor) -> Tensor:
    """`frame` in pageable memory: pinned memory is scarce and must not be held for long."""
    return frame.clone() if torch.cuda.is_available() and frame.is_pinned() else frame


def _pinned(like: Tensor) -> Tensor:
    """Pinned memory for a tensor like this one, for copies by DMA."""
    try:
        return torch.empty(like.shape, dtype=like.dtype, device="cpu", pin_memory=True)
    except RuntimeError:  # the system gives no more; copies through other memory are right as well
        return torch.empty(like.shape, dtype=like.dtype, device="cpu")
