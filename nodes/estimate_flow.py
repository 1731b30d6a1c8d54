"""The EstimateFlow node: a clip -> the motion between its frames, and a picture of it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..rife_core.basics.arguments import one_of
from ..rife_core.charts.pictures import flow_picture
from ..rife_core.engine.memory_plan import estimate_memory
from ..rife_core.inference.flow import estimate_flow
from ..rife_core.inference.rife import USER_SCALES
from ..rife_core.losses.compare import check_frames
from .host import Outputs, RIFEModel, check_enough, colours, progress, work

_SHOWN = {"to the next frame": slice(2, 4), "to the previous frame": slice(0, 2)}


class EstimateFlow:
    """Estimates where every pixel moves between neighbouring frames."""

    DISPLAY_NAME = "Estimate Flow"
    CATEGORY = "RIFE Video"
    DESCRIPTION = (
        "Estimates the motion between each frame and the next, in pixels, and shows it on the "
        "colour wheel: the hue is the direction, full colour is fast, white stands still."
    )
    SEARCH_ALIASES = ("optical flow", "motion", "motion vectors", "flow map")

    RETURN_TYPES = ("RIFE_FLOW", "IMAGE", "STRING")
    RETURN_NAMES = ("flow", "picture", "report")
    OUTPUT_TOOLTIPS = (
        "Motion of each pair of frames, in pixels, for Compute Flow Loss.",
        "One picture for each pair of frames. Red moves right, yellow down, cyan left, blue up.",
        "How fast the clip moves, in one line.",
    )
    FUNCTION = "estimate"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "model": ("RIFE_MODEL", {"tooltip": "The network, from Load RIFE."}),
                "frames": ("IMAGE", {"tooltip": "The frames of one clip, at least two."}),
            },
            "optional": {
                "timestep": (
                    "FLOAT",
                    {
                        "default": 0.5,
                        "min": 0.0,
                        "max": 1.0,
                        "step": 0.01,
                        "tooltip": "The moment between two frames at which motion is told: 0 is "
                        "the first one, 1 the second. The paper's RIFE and HDv3 know 0.5 only.",
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
                "show": (
                    list(_SHOWN),
                    {
                        "default": next(iter(_SHOWN)),
                        "tooltip": "Which of the two motions the picture shows.",
                    },
                ),
                "full_colour_at": (
                    "FLOAT",
                    {
                        "default": 0.0,
                        "min": 0.0,
                        "max": 10000.0,
                        "advanced": True,
                        "tooltip": "The motion in pixels that gets the full colour. 0 takes the "
                        "fastest of the clip; set it to compare pictures of several clips.",
                    },
                ),
            },
        }

    @work
    def estimate(
        self,
        model: RIFEModel,
        frames: Tensor,
        timestep: float = 0.5,
        scale: float = 1.0,
        show: str = next(iter(_SHOWN)),
        full_colour_at: float = 0.0,
    ) -> Outputs:
        one_of("show", show, _SHOWN)
        frames = colours(frames)
        check_frames("frames", frames)
        check_enough(frames, 2, "Estimating flow")
        height, width = frames.shape[1:3]
        network = model.ready(estimate_memory(model.network, height, width))
        with progress("Estimate Flow") as report:
            flow = estimate_flow(network, frames, timestep, scale, report)
        shown = flow[:, _SHOWN[show]]
        speed = shown.norm(dim=1)
        pairs = "1 pair" if len(flow) == 1 else f"{len(flow)} pairs"
        text = (
            f"{pairs} at timestep {float(timestep):g}. From there {show} it is "
            f"{speed.mean():.2f} pixels on average, {speed.max():.2f} at most "
            f"(pair {int(speed.amax((1, 2)).argmax()) + 1})."
        )
        return Outputs((flow, flow_picture(shown, full_colour_at or None), text))
