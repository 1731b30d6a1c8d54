"""The progress bar of a running node, its pictures, and the way out when the user cancels."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from tqdm import tqdm

from .comfyui import comfyui

_PREVIEW_SECONDS = 0.5
_PREVIEW_SIDE = 512


class Progress:
    """Moves the progress bar: call it with what is done and the total (None: not known).

    In ComfyUI a call raises once the user cancelled; let that exception pass.
    """

    def __init__(self, report: Callable[[int, int | None, Tensor | None], None]) -> None:
        self._report = report
        self._picture: Tensor | None = None
        self._shown = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        """Reports; a picture goes along where one is due."""
        due = time.monotonic() - self._shown >= _PREVIEW_SECONDS
        picture = self._picture if due else None
        if picture is not None:
            self._shown = time.monotonic()
        self._report(done, total, picture)

    def show(self, frame: Tensor) -> None:
        """Takes H W C in [0, 1] or 8 bit to show with a report, unless one was shown just now."""
        self._picture = frame


def _preview(frame: Tensor) -> Any:
    """A picture as ComfyUI's progress bar takes it."""
    image = importlib.import_module("PIL.Image")  # ComfyUI brings it along; nobody else needs it
    step = max(1, max(frame.shape[:2]) // _PREVIEW_SIDE)
    small = frame[::step, ::step, :3].cpu()
    if small.is_floating_point():
        small = small.float().clamp(0, 1).mul(255).byte()
    array = small.expand(-1, -1, 3).contiguous().numpy()  # grey ones have one channel
    return "JPEG", image.fromarray(array), _PREVIEW_SIDE


@contextmanager
def progress(title: str, unit: str = "frame") -> Generator[Progress]:
    """A progress bar while the block runs.

    Example:
        with progress("InterpolateFrames") as report:
            report(1, 48)
    """
    if management := comfyui("comfy.model_management"):
        bar = comfyui("comfy.utils").ProgressBar(1)

        def report(done: int, total: int | None, picture: Tensor | None) -> None:
            management.throw_exception_if_processing_interrupted()
            preview = None if picture is None else _preview(picture)
            bar.update_absolute(done, total or done + 1, preview)

        yield Progress(report)
        return
    with tqdm(desc=title, unit=unit, leave=False) as line:

        def count(done: int, total: int | None, _: Any) -> None:
            line.total = total
            line.update(done - line.n)

        yield Progress(count)
