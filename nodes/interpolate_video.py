"""The InterpolateVideo node: a video -> a smoother video, a few frames at a time."""

from __future__ import annotations

import time
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from ..rife_core.engine.loop import Watch, stream
from ..rife_core.engine.report import Report
from ..rife_core.files.convert import FileReport, interpolate_file
from ..rife_core.inference.rife import RIFE
from ..rife_core.timeline import Timeline, as_fraction
from ..rife_core.video import (
    DEFAULT_CRF,
    ENCODER_TABLE,
    EncoderRequest,
    VideoReader,
    VideoWriter,
)
from .host import (
    Outputs,
    Progress,
    RIFEModel,
    Video,
    opened,
    progress,
    temporary_path,
    video_of_file,
)
from .interpolate_frames import Inputs, InterpolateFrames, told

_AUTO = "auto"
_SUFFIX = ".mp4"  # what Save Video writes
_ENCODERS = [_AUTO, *(name for name, row in ENCODER_TABLE.items() if _SUFFIX in row.suffixes)]


class InterpolateVideo:
    """Makes new frames between the frames of a video, without holding it in memory."""

    TITLE = "Interpolate Video"
    DISPLAY_NAME = "RIFE VFI 60 FPS, Smooth Slow Motion (Interpolate Video, Frame Rate, Tween)"
    CATEGORY = "RIFE Video"
    ESSENTIALS_CATEGORY = "Video Tools"
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
        "What was done: frames, times, cuts, in a few lines.",
    )
    FUNCTION = "interpolate"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        shared = InterpolateFrames.INPUT_TYPES()
        del shared["optional"]["map_disagreement"]
        later = {"unsure": shared["optional"].pop("unsure")}
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
                "slow_motion": (
                    "BOOLEAN",
                    {
                        "default": False,
                        "tooltip": "More frames at the source's frame rate: the picture slows "
                        "down, and sound is left out.",
                    },
                ),
                "crf": (
                    "INT",
                    {
                        "advanced": True,
                        "default": DEFAULT_CRF,
                        "min": 0,
                        "max": 51,
                        "tooltip": "Quality of the H.264 encoding: 0 loses nothing and is huge, "
                        "17 is hard to tell from the source, 28 is small.",
                    },
                ),
                **later,
                "encoder": (
                    _ENCODERS,
                    {
                        "advanced": True,
                        "default": _AUTO,
                        "tooltip": "What encodes. auto: H.264, or H.265 for more than 8 bits. One "
                        "that this machine lacks is replaced, and the report says so.",
                    },
                ),
                "quality": (
                    "INT",
                    {
                        "advanced": True,
                        "default": -1,
                        "min": -1,
                        "max": 100,
                        "tooltip": "Quality in the numbers of the encoder; for most, lower is "
                        "better. -1: crf where the encoder is auto, else the encoder's default.",
                    },
                ),
                "pixel_format": (
                    "STRING",
                    {
                        "advanced": True,
                        "default": "",
                        "tooltip": "The layout of pixels by its name in FFmpeg, such as "
                        "yuv420p10le. Empty: the one that loses least.",
                    },
                ),
            },
        }

    def interpolate(
        self,
        model: RIFEModel,
        video: Any,
        multiplier: int,
        slow_motion: bool = False,
        crf: int = DEFAULT_CRF,
        encoder: str = _AUTO,
        quality: int = -1,
        pixel_format: str = "",
        **inputs: Any,
    ) -> dict[str, Any]:
        """See DESCRIPTION."""
        asked = Inputs(multiplier, **inputs)
        if slow_motion and asked.target_fps:
            raise ValueError("slow_motion goes with the multiplier; set target_fps to 0.")
        request = _request(crf, encoder, quality, pixel_format)
        path = temporary_path(_SUFFIX)
        with opened(video) as source, progress(self.TITLE) as report:
            if isinstance(source.frames, Path):
                reader = VideoReader(source.frames)
                width, height, source_fps = reader.width, reader.height, reader.fps
                count = reader.clock.count or None
                work = partial(interpolate_file, source=reader, resume=False)
            else:
                count, height, width = source.frames.shape[:3]
                source_fps = as_fraction(source.fps or 1)
                work = partial(_interpolate_frames, source=source)
            timeline = asked.timeline(source_fps)
            options, notes = asked.options((height, width), count)
            network, plan = model.planned(height, width, options)
            done = work(
                network,
                destination=path,
                timeline=timeline,
                fps=source_fps if slow_motion or count == 1 else None,
                encoder=request,
                progress=report,
                watch=report.show,
                plan=plan,
                **vars(options),
            )
        text = told(done.engine, source_fps, done.fps, done.seconds, model)
        text = "\n".join((text, *done.notes, *notes))
        return Outputs((video_of_file(path), float(done.fps), done.frames, text), text)


def _request(crf: int, encoder: str, quality: int, pixel_format: str) -> EncoderRequest:
    """What is asked of the encoder; `crf`, which is older, speaks for the one that is chosen."""
    is_auto = encoder == _AUTO
    wanted = quality if quality >= 0 else crf if is_auto else None
    layout = pixel_format.strip() or None
    return EncoderRequest(None if is_auto else encoder, wanted, pixel_format=layout)


def _interpolate_frames(
    network: RIFE,
    *,
    source: Video,
    destination: Path,
    timeline: Timeline,
    fps: Fraction | None,
    encoder: EncoderRequest,
    progress: Progress,
    watch: Watch,
    **options: Any,
) -> FileReport:
    """`interpolate_file` for frames in memory."""
    assert not isinstance(source.frames, Path)
    count = len(source.frames)
    frames = (frame[..., :3] for frame in source.frames)
    started = time.perf_counter()
    total = timeline.output_count(count)
    due = None if timeline.end == "loop" else total  # one that closes by itself has fewer
    full_speed = timeline.output_fps(source.fps or 1)
    fps = fps or full_speed
    in_step = fps == full_speed and not timeline.schedule
    sound = source.sound if in_step else None
    report = Report()
    writer = VideoWriter(
        destination,
        fps,
        audio=sound,
        encoder=encoder,
        depth=source.depth,
        color=source.color,
        due=due,
    )
    with writer:
        for frame in stream(network, frames, timeline, report=report, **options):
            watch(frame)
            writer.write(frame)
            progress(writer.count, total)
        progress(writer.count, writer.count)
    seconds = time.perf_counter() - started
    notes = tuple(writer.notes)
    return FileReport(writer.count, report.made, fps, seconds, notes=notes, engine=report)
