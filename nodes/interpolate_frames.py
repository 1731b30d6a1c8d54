"""The InterpolateFrames node: frames of a clip -> more (or fewer) frames of the same clip."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any, cast

import torch
from torch import Tensor

from ..rife_core.engine.loop import interpolate
from ..rife_core.engine.memory_plan import MIB, auto_batch_size, estimate_memory
from ..rife_core.engine.options import AUTO, SCALES, Options, Scale
from ..rife_core.engine.report import Report
from ..rife_core.engine.scenes import AT_CUT, REPEATS, AtCut, Repeats, SceneRules, parse_cuts
from ..rife_core.inference.rife import RIFE
from ..rife_core.timeline import ENDS, End, Timeline, as_fraction
from .host import RIFEModel, compute_device, progress

ENDS_SHOWN: dict[str, End] = {end.replace("_", " "): end for end in ENDS}


class InterpolateFrames:
    """Makes new frames between the frames of a clip."""

    DISPLAY_NAME = "Interpolate Frames"
    CATEGORY = "RIFE Video"
    DESCRIPTION = (
        "Makes the frames in between: a clip of 49 frames at 8 fps becomes 97 frames at 16 fps. "
        "Source frames pass through unchanged. Give a multiplier, or a target frame rate "
        "(any, up or down). Wire fps to the node that writes the video."
    )
    SEARCH_ALIASES = (
        "rife",
        "frame interpolation",
        "vfi",
        "smooth video",
        "slow motion",
        "increase fps",
        "change frame rate",
    )

    RETURN_TYPES = ("IMAGE", "FLOAT", "INT", "STRING", "MASK")
    RETURN_NAMES = ("frames", "fps", "frame_count", "report", "disagreement")
    OUTPUT_TOOLTIPS = (
        "Source frames and made frames, in order.",
        "The frame rate at which the result runs as fast as the source did.",
        "How many frames came out.",
        "What was done: frames, times, cuts, in a few lines.",
        "Where the two source frames say different things about a made frame, from 0 to 1: there "
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
                        "default": AUTO,
                        "tooltip": "The size at which motion is estimated. auto: 1, and less "
                        "between frames with motion too large for that. 0.5 for 4K or for fast "
                        "motion, 2 for small frames with fine motion.",
                    },
                ),
                "ensemble": (
                    "BOOLEAN",
                    {
                        "default": False,
                        "tooltip": "Look at each pair twice and average: a little steadier, twice "
                        "the time. Releases from 4.21 on have no such mode.",
                    },
                ),
                "batch_size": (
                    "INT",
                    {
                        "default": 0,
                        "min": 0,
                        "max": 64,
                        "tooltip": "Frames made at once. 0 chooses for the size of the frames.",
                    },
                ),
                "schedule": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "Multipliers of their own for some pairs of source frames, such "
                        "as '1-10:4, 11:1, rest 2': pairs are counted from 1, 1 makes nothing. Not "
                        "together with target_fps.",
                    },
                ),
                "at_cut": (
                    list(AT_CUT),
                    {
                        "default": "hold",
                        "tooltip": "What to show between two scenes. hold: the old scene, up to "
                        "the cut. nearest: each scene to the middle. blend: a crossfade. "
                        "interpolate: look for no cuts.",
                    },
                ),
                "cuts": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "Numbers of the frames that begin a new scene, counted from 1, "
                        "such as '25, 60'. Empty: they are found.",
                    },
                ),
                "repeats": (
                    list(REPEATS),
                    {
                        "default": "keep",
                        "tooltip": "Source frames that are shown several times (animation on twos, "
                        "stuttering renders). keep: as they come. retime: the motion is spread "
                        "over the run.",
                    },
                ),
                "max_memory": (
                    "INT",
                    {
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
                        "default": False,
                        "tooltip": "Fill the output disagreement: it takes a third of the memory "
                        "that the frames take.",
                    },
                ),
                "keep_region": (
                    "MASK",
                    {
                        "tooltip": "Where it is white, made frames show the nearer source frame: "
                        "for captions, logos and displays that should not be bent."
                    },
                ),
            },
        }

    def interpolate(
        self,
        model: RIFEModel,
        frames: Tensor,
        multiplier: int,
        source_fps: float,
        target_fps: float = 0.0,
        end: str = next(iter(ENDS_SHOWN)),
        scale: Scale = AUTO,
        ensemble: bool = False,
        batch_size: int = 0,
        schedule: str = "",
        at_cut: str = "hold",
        cuts: str = "",
        repeats: str = "keep",
        max_memory: int = 0,
        map_disagreement: bool = False,
        keep_region: Tensor | None = None,
    ) -> dict[str, Any]:
        """See DESCRIPTION."""
        timeline = timeline_of(source_fps, multiplier, target_fps, end, schedule)
        height, width = frames.shape[1:3]
        network = ready(model, height, width, batch_size)
        options = options_of(
            scale, ensemble, batch_size, max_memory, at_cut, cuts, repeats, keep_region
        )
        count = timeline.output_count(len(frames)) if map_disagreement else 1
        disagreement = torch.zeros(count, height, width)
        found = Report()
        started = time.perf_counter()
        with progress(self.DISPLAY_NAME) as report:
            output = interpolate(
                network,
                frames,
                timeline,
                disagreement=disagreement if map_disagreement else None,
                progress=report,
                watch=report.show,
                report=found,
                **options,
            )
        fps = timeline.output_fps(source_fps)
        text = told(found, as_fraction(source_fps), fps, time.perf_counter() - started, model)
        result = (output, float(fps), len(output), text, disagreement)
        return {"ui": {"text": (text,)}, "result": result}


def timeline_of(
    source_fps: Fraction | float, multiplier: int, target_fps: float, end: str, schedule: str
) -> Timeline:
    """The timeline that the inputs of the interpolating nodes mean."""
    if not target_fps:
        return Timeline.multiply(multiplier, ENDS_SHOWN[end], schedule)
    if schedule.strip():
        raise ValueError(
            "schedule and target_fps exclude each other; empty the one or set the other to 0."
        )
    return Timeline.retime(source_fps, target_fps, ENDS_SHOWN[end])


def options_of(
    scale: Scale,
    ensemble: bool,
    batch_size: int,
    max_memory: int,
    at_cut: str,
    cuts: str,
    repeats: str,
    keep_region: Tensor | None,
) -> Options:
    """The engine's options that the inputs of the interpolating nodes mean."""
    return {
        "scale": scale,
        "ensemble": ensemble,
        "batch_size": batch_size,
        "max_memory": max_memory * MIB,
        "scenes": SceneRules(cast(AtCut, at_cut), parse_cuts(cuts), cast(Repeats, repeats)),
        "keep": None if keep_region is None else keep_region[0],
    }


def ready(model: RIFEModel, height: int, width: int, batch_size: int) -> RIFE:
    """The network on its device, with room for making frames of that size."""
    batch_size = batch_size or auto_batch_size(compute_device(), height, width)
    return model.ready(estimate_memory(model.network, height, width, batch_size))


def told(
    report: Report, source_fps: Fraction, fps: Fraction, seconds: float, model: RIFEModel
) -> str:
    """A run in a few sentences."""
    each = f", {seconds / report.made:.3g} s per made frame" if report.made else ""
    return f"{report.text(source_fps, fps)}\n{seconds:.1f} s{each}, with {model}."
