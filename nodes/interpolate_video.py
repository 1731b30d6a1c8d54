"""The InterpolateVideo node: a video -> a smoother video, a few frames at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from ..rife_core.engine import stream
from ..rife_core.files import FileReport, interpolate_file
from ..rife_core.ifnet import RIFE
from ..rife_core.memory import auto_batch_size, estimate_memory
from ..rife_core.timeline import Timeline, as_fraction
from ..rife_core.video import DEFAULT_CRF, VideoReader, VideoWriter
from .host import (
    Progress,
    RIFEModel,
    Video,
    compute_device,
    opened,
    progress,
    show_text,
    temporary_path,
    video_of_file,
)
from .interpolate_frames import ENDS_SHOWN, InterpolateFrames, timeline_of


class InterpolateVideo:
    """Makes new frames between the frames of a video, without holding it in memory."""

    DISPLAY_NAME = "Interpolate Video"
    CATEGORY = "RIFE Video"
    DESCRIPTION = (
        "Makes a video smoother, from file to file, a few frames at a time: memory does not grow "
        "with the length of the clip. Sound is kept, the frame rate is exact, and Save Video "
        "copies the result without encoding it again."
    )
    SEARCH_ALIASES = (*InterpolateFrames.SEARCH_ALIASES, "long video", "interpolate video file")

    RETURN_TYPES = ("VIDEO", "FLOAT", "INT", "STRING")
    RETURN_NAMES = ("video", "fps", "frame_count", "report")
    OUTPUT_TOOLTIPS = (
        "The smoother video, with the source's sound. Wire it to Save Video.",
        "Its frame rate.",
        "How many frames it has.",
        "What was done, in one line.",
    )
    FUNCTION = "interpolate"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: D102, N802
        shared = InterpolateFrames.INPUT_TYPES()
        return {
            "required": {
                "model": shared["required"]["model"],
                "video": (
                    "VIDEO",
                    {"tooltip": "The video, from Load Video or any node that makes one."},
                ),
                "multiplier": shared["required"]["multiplier"],
            },
            "optional": {
                **shared["optional"],
                "crf": (
                    "INT",
                    {
                        "default": DEFAULT_CRF,
                        "min": 0,
                        "max": 51,
                        "tooltip": "Quality of the H.264 encoding: 0 loses nothing and is huge, "
                        "17 is hard to tell from the source, 28 is small.",
                    },
                ),
            },
        }

    def interpolate(
        self,
        model: RIFEModel,
        video: Any,
        multiplier: int,
        target_fps: float = 0.0,
        end: str = next(iter(ENDS_SHOWN)),
        scale: float = 1.0,
        ensemble: bool = False,
        batch_size: int = 0,
        crf: int = DEFAULT_CRF,
    ) -> dict[str, Any]:
        """See DESCRIPTION."""
        path = temporary_path(".mp4")
        with opened(video) as source, progress(self.DISPLAY_NAME) as report:
            if isinstance(source.frames, Path):
                reader = _Shown(source.frames, report)
                width, height, fps = reader.width, reader.height, reader.fps
                work = partial(interpolate_file, source=reader)
            else:
                height, width = source.frames.shape[1:3]
                fps = as_fraction(source.fps or 1)
                work = partial(_interpolate_frames, video=source)
            batch_size = batch_size or auto_batch_size(compute_device(), height, width)
            done = work(
                model.ready(estimate_memory(model.network, height, width, batch_size)),
                destination=path,
                timeline=timeline_of(fps, multiplier, target_fps, end),
                scale=scale,
                ensemble=ensemble,
                batch_size=batch_size,
                crf=crf,
                progress=report,
            )
        text = (
            f"{width}x{height} at {float(fps):.6g} fps became {done.frames} frames at "
            f"{float(done.fps):.6g} fps: {done.made} made in {done.seconds:.1f} s with {model}."
        )
        show_text(text)
        result = (video_of_file(path), float(done.fps), done.frames, text)
        return {"ui": {"text": (text,)}, "result": result}


class _Shown(VideoReader):
    """A reader whose frames are shown as they pass."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(path)
        self._progress = progress

    def timed(self, first: int = 0) -> Iterator[tuple[Fraction, Tensor]]:
        for seconds, frame in super().timed(first):
            self._progress.show(frame)
            yield seconds, frame


def _interpolate_frames(
    network: RIFE,
    *,
    video: Video,
    destination: Path,
    timeline: Timeline,
    crf: int,
    progress: Progress,
    **options: Any,
) -> FileReport:
    """`interpolate_file` for frames in memory."""
    assert isinstance(video.frames, Tensor)
    frames = video.frames[..., :3]
    started = time.perf_counter()
    total = timeline.output_count(len(frames))
    made = sum(step.timestep != 0 for step in timeline.steps(len(frames)))
    fps = timeline.output_fps(video.fps or 1)
    with VideoWriter(destination, fps, audio=video.sound, crf=crf) as writer:
        for frame in stream(network, frames, timeline, **options):
            progress.show(frame)
            progress(writer.count, total)
            writer.write(frame)
    return FileReport(writer.count, made, fps, time.perf_counter() - started)
