"""The InterpolateVideo node: a video -> a smoother video, a few frames at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..rife_core.files.convert import SOUNDS, Sound, interpolate_file
from ..rife_core.timeline.speed_curve import SpeedCurve
from ..rife_core.video import (
    DEFAULT_CRF,
    ENCODER_TABLE,
    EncoderRequest,
    Part,
    excerpt,
)
from .host import (
    Outputs,
    RIFEModel,
    as_advice,
    opened,
    progress,
    temporary_path,
    video_of_file,
    work,
)
from .interpolate_frames import Inputs, InterpolateFrames, told

_AUTO = "auto"
_SUFFIX = ".mp4"  # what Save Video writes
# Inputs that Interpolate Frames has, too, and that came after others of this node.
_LATER = ("unsure",), ("blur", "exposures", "pacing", "replace")
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
        optional = shared["optional"]
        del optional["map_disagreement"]
        later, latest = ({name: optional.pop(name) for name in names} for names in _LATER)
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
                **optional,
                "slow_motion": (
                    "BOOLEAN",
                    {
                        "default": False,
                        "tooltip": "More frames at the source's frame rate: the picture slows "
                        "down. What becomes of sound, the input sound says.",
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
                **latest,
                "speed": (
                    "STRING",
                    {
                        "advanced": True,
                        "default": "",
                        "tooltip": "How fast the video runs: seconds of it and speeds, such as "
                        "'0-2s:1, 2-3s:0.25 ease, 3s-:1'. Empty: as it does.",
                    },
                ),
                "sound": (
                    list(SOUNDS),
                    {
                        "advanced": True,
                        "default": SOUNDS[0],
                        "tooltip": "At another speed. auto: stretch with speed, left out with "
                        "slow_motion. stretch: it follows the picture and keeps its pitch. tape: "
                        "its pitch goes with the speed. none: left out at every speed.",
                    },
                ),
                "start": (
                    "STRING",
                    {
                        "advanced": True,
                        "default": "",
                        "tooltip": "Where to begin: seconds such as 12.5, a time such as 1:02.5, "
                        "or a frame such as 300f. Empty: at the beginning. cuts, schedule, replace "
                        "and speed count from there.",
                    },
                ),
                "stop": (
                    "STRING",
                    {
                        "advanced": True,
                        "default": "",
                        "tooltip": "Where to end: before this moment, or with this frame. Empty: "
                        "at the end.",
                    },
                ),
            },
        }

    @work
    def interpolate(
        self,
        model: RIFEModel,
        video: Any,
        multiplier: float,
        slow_motion: bool = False,
        crf: int = DEFAULT_CRF,
        encoder: str = _AUTO,
        quality: int = -1,
        pixel_format: str = "",
        speed: str = "",
        sound: Sound = SOUNDS[0],
        start: str = "",
        stop: str = "",
        **inputs: Any,
    ) -> dict[str, Any]:
        asked = Inputs(multiplier, **inputs)
        if slow_motion and (asked.target_fps or speed.strip()):
            raise ValueError(
                "slow_motion goes with the multiplier alone; set target_fps to 0 and empty speed."
            )
        curve = SpeedCurve.parse(speed) if speed.strip() else None
        part = Part(start.strip() or None, stop.strip() or None)
        request = _request(crf, encoder, quality, pixel_format)
        path = temporary_path(_SUFFIX)
        with opened(video) as source, progress(self.TITLE) as report:
            reader = excerpt(source.reader(skip_damaged=asked.finds_frames), part)
            count, source_fps = reader.clock.count, reader.fps
            timeline = replace(asked.timeline(source_fps), speed=curve)
            options, notes = asked.options((reader.height, reader.width), count)
            network, plan = model.planned(reader.height, reader.width, options)
            done = interpolate_file(
                network,
                reader,
                path,
                timeline,
                fps=source_fps if slow_motion else None,
                encoder=request,
                sound=sound,
                resume=False,
                progress=report,
                watch=report.show,
                plan=plan,
                **vars(options),
            )
        text = told(done.engine, source_fps, done.fps, done.seconds, model)
        text = "\n".join((text, *map(as_advice, done.notes), *notes, *asked.beyond(count)))
        return Outputs((video_of_file(path), float(done.fps), done.frames, text), text)


def _request(crf: int, encoder: str, quality: int, pixel_format: str) -> EncoderRequest:
    """The request to the encoder; `crf`, which is older, speaks for the one that is chosen."""
    is_auto = encoder == _AUTO
    wanted = quality if quality >= 0 else crf if is_auto else None
    layout = pixel_format.strip() or None
    return EncoderRequest(None if is_auto else encoder, wanted, pixel_format=layout)
