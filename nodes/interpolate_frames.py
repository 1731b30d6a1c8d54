"""The InterpolateFrames node: frames of a clip -> more (or fewer) frames of the same clip."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

from torch import Tensor

from ..rife_core.engine import interpolate
from ..rife_core.ifnet import USER_SCALES
from ..rife_core.memory import auto_batch_size, estimate_memory
from ..rife_core.timeline import ENDS, End, Timeline
from .host import RIFEModel, compute_device, progress, show_text

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

    RETURN_TYPES = ("IMAGE", "FLOAT", "INT", "STRING")
    RETURN_NAMES = ("frames", "fps", "frame_count", "report")
    OUTPUT_TOOLTIPS = (
        "Source frames and made frames, in order.",
        "The frame rate at which the result runs as fast as the source did.",
        "How many frames came out.",
        "What was done, in one line.",
    )
    FUNCTION = "interpolate"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: D102, N802
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
                        "the last one repeated, so that sound stays in step to the end.",
                    },
                ),
                "scale": (
                    list(USER_SCALES),
                    {
                        "default": 1.0,
                        "tooltip": "The size at which motion is estimated. 0.5 for 4K or for "
                        "motion too large to be followed, 2 for small frames with fine motion.",
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
        scale: float = 1.0,
        ensemble: bool = False,
        batch_size: int = 0,
    ) -> dict[str, Any]:
        """See DESCRIPTION."""
        timeline = timeline_of(source_fps, multiplier, target_fps, end)
        height, width = frames.shape[1:3]
        batch_size = batch_size or auto_batch_size(compute_device(), height, width)
        network = model.ready(estimate_memory(model.network, height, width, batch_size))
        new = sum(step.timestep != 0 for step in timeline.steps(len(frames)))
        started = time.perf_counter()
        with progress(self.DISPLAY_NAME) as report:
            output = interpolate(
                network,
                frames,
                timeline,
                scale=scale,
                ensemble=ensemble,
                batch_size=batch_size,
                progress=report,
            )
        seconds = time.perf_counter() - started
        fps = float(timeline.output_fps(source_fps))
        text = (
            f"{len(frames)} frames of {width}x{height} at {source_fps:.6g} fps became "
            f"{len(output)} at {fps:.6g} fps: {new} made in {seconds:.1f} s with {model}."
        )
        if len(frames) == 1:
            text += " Nothing lies between one frame and itself: it was returned unchanged."
        show_text(text)
        return {"ui": {"text": (text,)}, "result": (output, fps, len(output), text)}


def timeline_of(
    source_fps: Fraction | float, multiplier: int, target_fps: float, end: str
) -> Timeline:
    """The timeline that the inputs of the interpolating nodes mean."""
    if target_fps:
        return Timeline.retime(source_fps, target_fps, ENDS_SHOWN[end])
    return Timeline.multiply(multiplier, ENDS_SHOWN[end])
