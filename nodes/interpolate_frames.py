"""The InterpolateFrames node: frames of a clip -> more (or fewer) frames of the same clip."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..rife_core.basics.arguments import check_fields, one_of
from ..rife_core.engine.loop import check_clip, interpolate
from ..rife_core.engine.memory_plan import MIB, check_room
from ..rife_core.engine.options import AUTO, SCALES, UNSURE, Options, Scale, Unsure
from ..rife_core.engine.pixel_formats import check_dense
from ..rife_core.engine.report import Report
from ..rife_core.engine.scenes import (
    AT_CUT,
    PACINGS,
    REPEATS,
    AtCut,
    Pacing,
    Repeats,
    SceneRules,
    parse_cuts,
)
from ..rife_core.timeline import ENDS, End, Timeline, as_fraction, parse_schedule
from ..rife_core.timeline.replaced import parse_replaced
from ..rife_core.timeline.shutter import DEFAULT_EXPOSURES, Shutter
from .host import (
    JOIN,
    Outputs,
    Part,
    RIFEModel,
    free_memory,
    progress,
    running_after,
    running_item,
    running_part,
    work,
)

_STREAM = "Interpolate Video takes a clip of any length whole."
_WAY_OUT = (
    "Use Interpolate Video, which holds a few frames at a time, a smaller multiplier, or fewer "
    "frames."
)
ENDS_SHOWN: dict[str, End] = {end.replace("_", " "): end for end in ENDS}
AT_CUT_SHOWN: dict[str, AtCut] = {rule.replace("_", " "): rule for rule in AT_CUT}


class InterpolateFrames:
    """Makes new frames between the frames of a clip."""

    TITLE = "Interpolate Frames"
    # Older pages search these names only, and there only words that begin within 30 letters.
    DISPLAY_NAME = "RIFE VFI Tween, 60 FPS Frame Rate (Interpolate Frames, Smooth Slow Motion)"
    CATEGORY = "RIFE Video"
    ESSENTIALS_CATEGORY = "Video Tools"
    DESCRIPTION = (
        "Makes the frames in between: a clip of 49 frames at 8 fps becomes 97 frames at 16 fps. "
        "Source frames pass through unchanged. Give a multiplier, or a target frame rate "
        "(any, up or down). Wire fps to the node that writes the video."
    )
    SEARCH_ALIASES = (
        *("rife", "vfi", "interpolate", "frame interpolation", "tween", "inbetween"),
        *("fps", "60 fps", "increase fps", "frame rate", "change frame rate", "framerate"),
        *("smooth", "smooth video", "slow motion", "slowmo", "slomo"),
    )

    RETURN_TYPES = ("IMAGE", "FLOAT", "INT", "STRING", "MASK")
    RETURN_NAMES = ("frames", "fps", "frame_count", "report", "disagreement")
    OUTPUT_TOOLTIPS = (
        "Source frames and interpolated frames, in order.",
        "The frame rate at which the result runs as fast as the source did.",
        "How many frames came out.",
        "What was done: frames, times, cuts, in a few lines.",
        "Where the two source frames disagree about an interpolated frame, from 0 to 1: there "
        "it is least sure. Black unless map_disagreement is on.",
    )
    FUNCTION = "interpolate"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "model": ("RIFE_MODEL", {"tooltip": "The network, from Load RIFE."}),
                "frames": (
                    "IMAGE",
                    {"tooltip": "The frames of one clip, in order. One frame comes back as it is."},
                ),
                "multiplier": (
                    "INT",
                    {
                        "default": 2,
                        "min": 1,
                        "max": 64,
                        "tooltip": "Output frames for each source frame: 2 doubles the frame rate. "
                        "Not read where target_fps is set.",
                    },
                ),
                "source_fps": (
                    "FLOAT",
                    {
                        "default": 8.0,
                        "min": 0.01,
                        "max": 1000.0,
                        "step": 0.001,
                        "tooltip": "The frame rate of the incoming frames: wire it from Get Video "
                        "Components, or type what the generator makes (CogVideoX 8, Wan 16, "
                        "HunyuanVideo 24).",
                    },
                ),
            },
            "optional": {
                "target_fps": (
                    "FLOAT",
                    {
                        "default": 0.0,
                        "min": 0.0,
                        "max": 1000.0,
                        "step": 0.001,
                        "tooltip": "The frame rate wanted, above or below the source's; same "
                        "speed. 0: use the multiplier. 23.976, 29.97 and 59.94 are taken as the "
                        "exact broadcast rates.",
                    },
                ),
                "end": (
                    list(ENDS_SHOWN),
                    {
                        "default": next(iter(ENDS_SHOWN)),
                        "tooltip": "Where to stop. last frame: at the last source frame, N frames "
                        "become (N - 1) x multiplier + 1. keep duration: N x multiplier frames, "
                        "the last one repeated, so that sound stays in step to the end. loop: that "
                        "time leads back to the first frame, which is not repeated.",
                    },
                ),
                "scale": (
                    list(SCALES),
                    {
                        "advanced": True,
                        "default": AUTO,
                        "tooltip": "The size at which motion is estimated. auto: 1, and less "
                        "between frames with motion too large for that. 0.5 for 4K or for fast "
                        "motion, 2 for small frames with fine motion.",
                    },
                ),
                "ensemble": (
                    "BOOLEAN",
                    {
                        "advanced": True,
                        "default": False,
                        "tooltip": "Look at each pair twice and average: a little steadier, twice "
                        "the time. Releases from 4.21 on have no such mode.",
                    },
                ),
                "batch_size": (
                    "INT",
                    {
                        "advanced": True,
                        "default": 0,
                        "min": 0,
                        "max": 64,
                        "tooltip": "Frames made at once. 0 chooses for the size of the frames.",
                    },
                ),
                "schedule": (
                    "STRING",
                    {
                        "advanced": True,
                        "default": "",
                        "tooltip": "Multipliers of their own for some pairs of source frames, such "
                        "as '1-10:4, 11:1, rest 2': pairs are counted from 1, 1 makes nothing. Not "
                        "together with target_fps.",
                    },
                ),
                "at_cut": (
                    list(AT_CUT_SHOWN),
                    {
                        "default": "hold",
                        "tooltip": "What to show between two scenes. hold: the old scene, up to "
                        "the cut. nearest: each scene to the middle. blend: a crossfade. "
                        "carry on: the old scene, as if its motion went on. interpolate: look for "
                        "no cuts.",
                    },
                ),
                "cuts": (
                    "STRING",
                    {
                        "advanced": True,
                        "default": "",
                        "tooltip": "Numbers of the frames that begin a new scene, counted from 1, "
                        "such as '25, 60'. Empty: they are found.",
                    },
                ),
                "repeats": (
                    list(REPEATS),
                    {
                        "advanced": True,
                        "default": "keep",
                        "tooltip": "Source frames that are shown several times (animation on twos, "
                        "stuttering renders). keep: as they come. retime: the motion is spread "
                        "over the run.",
                    },
                ),
                "max_memory": (
                    "INT",
                    {
                        "advanced": True,
                        "default": 0,
                        "min": 0,
                        "max": 1_000_000,
                        "tooltip": "Megabytes that making frames may take on the device; to stay "
                        "below, frames are made in tiles. 0: as much as there is.",
                    },
                ),
                "map_disagreement": (
                    "BOOLEAN",
                    {
                        "advanced": True,
                        "default": False,
                        "tooltip": "Fill the output disagreement: it takes a third of the memory "
                        "that the frames take.",
                    },
                ),
                "keep_region": (
                    "MASK",
                    {
                        "tooltip": "Where it is white, interpolated frames show the nearer source "
                        "frame: for captions, logos and displays that should not be bent. One "
                        "mask for all frames, or one for each source frame."
                    },
                ),
                "unsure": (
                    list(UNSURE),
                    {
                        "advanced": True,
                        "default": "blend",
                        "tooltip": "What to show where the motion was not understood. blend: what "
                        "the network makes of both frames. hold: the earlier source frame, so that "
                        "objects stutter rather than tear. nearest: the nearer source frame.",
                    },
                ),
                "blur": (
                    "FLOAT",
                    {
                        "advanced": True,
                        "default": 0.0,
                        "min": 0.0,
                        "max": 360.0,
                        "step": 1.0,
                        "tooltip": "Motion blur: each frame is exposed for this many degrees of "
                        "its duration (180: half of it, as film cameras do), source frames too. "
                        "0: none.",
                    },
                ),
                "exposures": (
                    "INT",
                    {
                        "advanced": True,
                        "default": DEFAULT_EXPOSURES,
                        "min": 2,
                        "max": 256,
                        "tooltip": "How many moments are averaged to a blurred frame; so many "
                        "times more frames are interpolated. More for fast motion.",
                    },
                ),
                "pacing": (
                    list(PACINGS),
                    {
                        "advanced": True,
                        "default": PACINGS[0],
                        "tooltip": "even: motion is as fast all the way from one frame to the "
                        "next. eased: its speed glides from pair to pair, for animation on twos "
                        "and threes (with repeats retime).",
                    },
                ),
                "replace": (
                    "STRING",
                    {
                        "advanced": True,
                        "default": "",
                        "tooltip": "Frames that are made anew from their neighbours, counted from "
                        "1, such as '120-123, 500'; auto: those that repeat the one before them. "
                        "With multiplier 1 all others come through as they are.",
                    },
                ),
            },
        }

    @work
    def interpolate(
        self,
        model: RIFEModel,
        frames: Tensor,
        multiplier: float,
        source_fps: float,
        map_disagreement: bool = False,
        **inputs: Any,
    ) -> dict[str, Any]:
        check_clip(frames)
        asked = Inputs(multiplier, **inputs)
        timeline = asked.timeline(source_fps)
        part, given, begin = running_part(), len(frames), 0
        if part:
            frames, begin = _SEAMS.continued(part, frames)
            timeline = replace(timeline, end="last_frame")
        height, width = frames.shape[1:3]
        count = timeline.output_count(len(frames), begin)
        frame = frames[:1].numel() * frames.element_size() + (
            4 * height * width if map_disagreement else 0
        )
        check_room(count, height, width, frame, free_memory(), _WAY_OUT)
        options, notes = asked.options((height, width), given)
        options = replace(options, scenes=options.scenes.after(begin, len(frames)))
        if len(frames) > given and options.keep is not None and options.keep.ndim == 3:
            options = replace(options, keep=torch.cat((options.keep[:1], options.keep)))
        network, plan = model.planned(height, width, options)
        disagreement = torch.zeros(count if map_disagreement else 1, height, width, device="cpu")
        found = Report()
        started = time.perf_counter()
        with progress(self.TITLE) as report:
            output = interpolate(
                network,
                frames,
                timeline,
                begin=begin,
                disagreement=disagreement if map_disagreement else None,
                progress=report,
                watch=report.show,
                report=found,
                plan=plan,
                **vars(options),
            )
        seconds = time.perf_counter() - started
        disagreement = disagreement[: len(output)]
        if len(frames) > given and timeline.within(begin, begin + 1)[:1] == [begin]:
            # The part before has ended on this frame.
            output = output[1:]
            disagreement = disagreement[1:] if map_disagreement else disagreement
            found.frames_out -= 1
        source_rate = as_fraction(source_fps)
        is_still = len(frames) == 1 and not part  # a part's rate is that of the whole clip
        fps = source_rate if is_still else timeline.output_fps(source_fps)
        notes += _seam_notes(part, len(frames) - given, given, asked)
        notes += [] if part else asked.beyond(given)
        text = "\n".join((told(found, source_rate, fps, seconds, model), *notes))
        return Outputs((output, float(fps), len(output), text, disagreement), text)


@dataclass
class _Seam:
    """Where a part of a clip ended: its last frame, and that frame's number, from 0."""

    part: int
    frame: Tensor
    number: int


class _Seams:
    """The last frame of each clip that comes in parts, for the part that follows."""

    _MOST = 8

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Seam] = {}

    def continued(self, part: Part, frames: Tensor) -> tuple[Tensor, int]:
        """The part's frames behind the last one of the part before, and the first one's number."""
        before = self._known.get(part.key)
        begin = 0
        if (
            before is not None
            and before.part == part.number - 1
            and before.frame.shape == frames.shape[1:]
        ):
            frames = torch.cat((before.frame[None].to(frames), frames))
            begin = before.number
        if len(frames):
            last = frames[-1].clone()
            self._known[part.key] = _Seam(part.number, last, begin + len(frames) - 1)
        while len(self._known) > self._MOST:
            del self._known[next(iter(self._known))]
        return frames, begin


_SEAMS = _Seams()

_DIVIDES = re.compile(r"FromBatch|Split|Slice|Chunk|Range", re.IGNORECASE)
"""Names of nodes that pass on some frames of a clip."""


def _seam_notes(part: Part | None, carried: int, count: int, asked: Inputs) -> list[str]:
    """What a person should know where the frames are not all of a clip, or not one clip."""
    if part and part.number and not carried:
        return [
            "This is a later part of a clip, but its part before was not seen here, so the frames "
            f"between the two are missing. {_STREAM}"
        ]
    if part:
        whole = (
            ""
            if ENDS_SHOWN[asked.end] == "last_frame"
            else (
                f" '{asked.end}' needs to know where the clip ends; it ends on its last frame "
                "instead."
            )
        )
        sharp = " With blur, the frame where two parts meet is sharp." if asked.blur else ""
        return [f"Part {part.number + 1} of a clip; it goes on from the part before.{whole}{sharp}"]
    if item := running_item():
        return [
            f"Item {item + 1} of a list, each of which is a clip of its own here: nothing was made "
            f"between it and the one before. {JOIN}"
        ]
    if count == 1:
        return [JOIN]
    if divider := running_after(_DIVIDES):
        return [
            f"{divider} passes some frames on. Where other runs make the rest of the clip, the "
            f"frames between their parts are missing. {_STREAM}"
        ]
    return []


@dataclass(frozen=True)
class Inputs:
    """The inputs that both interpolating nodes have, with their defaults."""

    multiplier: float
    target_fps: float = 0.0
    end: str = next(iter(ENDS_SHOWN))
    scale: Scale = AUTO
    ensemble: bool = False
    batch_size: int = 0
    schedule: str = ""
    at_cut: str = "hold"
    cuts: str = ""
    repeats: Repeats = "keep"
    max_memory: int = 0
    keep_region: Tensor | None = None
    unsure: Unsure = "blend"
    blur: float = 0.0
    exposures: int = DEFAULT_EXPOSURES
    pacing: Pacing = PACINGS[0]
    replace: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
        one_of("end", self.end, ENDS_SHOWN)
        one_of("at_cut", self.at_cut, AT_CUT_SHOWN)
        if self.blur and self.replace.strip():
            raise ValueError(
                "blur averages every frame, and replace copies all but some; set blur to 0 or "
                "empty replace."
            )

    def timeline(self, source_fps: Fraction | float) -> Timeline:
        """The timeline that they mean."""
        shutter = Shutter.of(self.blur, self.exposures) if self.blur else None
        return replace(self._timeline(source_fps), shutter=shutter)

    def _timeline(self, source_fps: Fraction | float) -> Timeline:
        end = ENDS_SHOWN[self.end]
        if not self.target_fps:
            return Timeline.multiply(self.multiplier, end, self.schedule)
        if self.schedule.strip():
            raise ValueError(
                "schedule and target_fps exclude each other; empty the one or set the other to 0."
            )
        return Timeline.retime(source_fps, self.target_fps, end)

    @property
    def finds_frames(self) -> bool:
        """Whether the frames to replace are to be detected."""
        return self.replace.strip() == "auto"

    def scenes(self) -> SceneRules:
        """The rules for cuts, repeated frames and replaced frames."""
        return SceneRules(
            AT_CUT_SHOWN[self.at_cut],
            parse_cuts(self.cuts),
            "retime" if self.finds_frames else self.repeats,
            pacing=self.pacing,
            replaced=frozenset() if self.finds_frames else parse_replaced(self.replace),
        )

    def beyond(self, count: int) -> list[str]:
        """Notes on entries of lists that lie beyond the last of `count` frames."""
        pairs = count if ENDS_SHOWN[self.end] == "loop" else count - 1
        schedule, _ = parse_schedule(self.schedule)
        named = (
            ("schedule", "pair", pairs, [stretch.first + 1 for stretch in schedule]),
            ("cuts", "frame", count, parse_cuts(self.cuts) or ()),
        )
        return [
            f"{name} names {what} {max(numbers)}, but the clip has {last}; that changed nothing."
            for name, what, last, numbers in named
            if numbers and max(numbers) > last
        ]

    def options(self, size: tuple[int, int], count: int | None) -> tuple[Options, list[str]]:
        """The engine's options that they mean, and notes on them.

        `size` is height and width of the frames, `count` their number, if that is known.
        """
        keep, notes = kept_region(self.keep_region, size, count)
        options = Options(
            scale=self.scale,
            ensemble=self.ensemble,
            batch_size=self.batch_size,
            max_memory=self.max_memory * MIB,
            scenes=self.scenes(),
            keep=keep,
            unsure=self.unsure,
        )
        return options, notes


def kept_region(
    masks: Tensor | None, size: tuple[int, int], count: int | None
) -> tuple[Tensor | None, list[str]]:
    """The masks for the engine, in the size of the frames, and what was done to them.

    One mask goes for all frames; as many as source frames, each for its own.

    Shape:
        masks: M H W, or H W; returns: H W, or N H W
    """
    if masks is None or not masks.numel():
        return None, []
    check_dense(masks)
    is_masks = masks.ndim in (2, 3) or (masks.ndim == 4 and masks.shape[1] == 1)
    if not is_masks or masks.is_complex() or not masks.isfinite().all():
        raise ValueError(
            f"keep_region is {tuple(masks.shape)} {masks.dtype}; expected masks (frames, height, "
            "width) of finite numbers from 0 to 1."
        )
    notes: list[str] = []
    masks = masks.float().clamp(0, 1).reshape(-1, *masks.shape[-2:])
    if masks.shape[-2:] != size:
        height, width = masks.shape[-2:]
        notes.append(f"keep_region is {width}x{height}; it was resized to {size[1]}x{size[0]}.")
        masks = F.interpolate(masks[:, None], size, mode="bilinear", antialias=True)[:, 0]
    if len(masks) == 1 or count is None or len(masks) == count:
        return (masks[0] if len(masks) == 1 else masks), notes
    notes.append(
        f"keep_region has {len(masks)} masks for {count} source frames; the first one is used for "
        "all. Give one, or one for each source frame."
    )
    return masks[0], notes


def told(
    report: Report, source_fps: Fraction, fps: Fraction, seconds: float, model: RIFEModel
) -> str:
    """A run in a few sentences."""
    each = f", {seconds / report.made:.3g} s per interpolated frame" if report.made else ""
    return f"{report.text(source_fps, fps)}\n{seconds:.1f} s{each}, with {model}."
