"""The ComputeFlowLoss node: interpolated frames, or flow, against the truth, in numbers."""

from __future__ import annotations

import json
import math
from typing import Any

import torch
from torch import Tensor

from ..rife_core.basics.arguments import one_of
from ..rife_core.charts.pictures import heat_picture, plot
from ..rife_core.engine import interpolate
from ..rife_core.engine.options import Options
from ..rife_core.losses import epe
from ..rife_core.losses.compare import MAPS, MEASURES, check_frames, compare
from ..rife_core.timeline import Timeline
from .host import (
    Outputs,
    RIFEModel,
    check_enough,
    colours,
    compute_device,
    model_folders,
    progress,
    work,
)

_FLOW_ERROR = "flow_error"
_FIRST = tuple(name for name, measure in MEASURES.items() if not measure.late)
_LATE = tuple(name for name, measure in MEASURES.items() if measure.late)


def _about(name: str) -> str:
    measure = MEASURES[name]
    return (
        f"Mean over the frames; {measure.better} is better. Compares {measure.meaning}. "
        "Not a number where it was not asked for."
    )


def _choice(name: str) -> tuple[str, dict[str, Any]]:
    measure = MEASURES[name]
    tooltip = f"Compare {measure.meaning}. {measure.better.capitalize()} is better."
    return "BOOLEAN", {"default": measure.chosen, "tooltip": tooltip}


class ComputeFlowLoss:
    """Judges interpolated frames, or estimated flow."""

    DISPLAY_NAME = "Compute Flow Loss"
    CATEGORY = "RIFE Video"
    DESCRIPTION = (
        "Tells how well frames were interpolated. Give a prediction and its target; or a model and "
        "a real clip as the target, of which every second frame is left out, made again and "
        "compared; or predicted and true flow. Numbers, a report for each frame, a heat map of "
        "the errors and a plot over time."
    )
    SEARCH_ALIASES = ("loss", "metric", "psnr", "ssim", "lpips", "compare frames", "quality", "epe")

    RETURN_TYPES = (
        *("FLOAT",) * (len(_FIRST) + 1),
        *("STRING", "IMAGE", "IMAGE"),
        *("FLOAT",) * len(_LATE),
    )
    RETURN_NAMES = (*_FIRST, _FLOW_ERROR, "report", "heat_map", "plot", *_LATE)
    OUTPUT_TOOLTIPS = (
        *map(_about, _FIRST),
        "Mean distance in pixels of predicted from true flow; lower is better. Not a number "
        "without flow.",
        "All numbers as JSON: means, and each frame's own.",
        "Where the errors are, a picture for each frame: black is right, white is worst.",
        "Each number over time, one panel each.",
        *map(_about, _LATE),
    )
    FUNCTION = "compute"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {},
            "optional": {
                "prediction": ("IMAGE", {"tooltip": "Interpolated frames. Not with a model."}),
                "target": (
                    "IMAGE",
                    {"tooltip": "What they should be; with a model, a real clip of 3 frames up."},
                ),
                "model": (
                    "RIFE_MODEL",
                    {"tooltip": "Makes every second frame of the target from its neighbours."},
                ),
                "predicted_flow": ("RIFE_FLOW", {"tooltip": "Flow to judge, from Estimate Flow."}),
                "true_flow": ("RIFE_FLOW", {"tooltip": "What it should be."}),
                **{name: _choice(name) for name in _FIRST},
                "heat_map_of": (
                    list(MAPS),
                    {
                        "default": next(iter(MAPS)),
                        "tooltip": "What the heat map shows of frames. Of flow it shows the "
                        "distance in pixels.",
                    },
                ),
                "white_at": (
                    "FLOAT",
                    {
                        "advanced": True,
                        "default": 0.0,
                        "min": 0.0,
                        "max": 10000.0,
                        "step": 0.01,
                        "tooltip": "The error that gets the lightest colour. 0 takes the largest; "
                        "set it to compare heat maps.",
                    },
                ),
                **{name: _choice(name) for name in _LATE},
            },
        }

    @work
    def compute(
        self,
        prediction: Tensor | None = None,
        target: Tensor | None = None,
        model: RIFEModel | None = None,
        predicted_flow: Tensor | None = None,
        true_flow: Tensor | None = None,
        heat_map_of: str = next(iter(MAPS)),
        white_at: float = 0.0,
        **chosen: bool,
    ) -> Outputs:
        one_of("heat_map_of", heat_map_of, MAPS)
        _check_wires(prediction, target, model, predicted_flow, true_flow)
        prediction = None if prediction is None else colours(prediction, "prediction")
        target = None if target is None else colours(target, "target")
        curves: dict[str, list[float]] = {}
        rows: dict[str, list[dict[str, float]]] = {}
        heat = torch.zeros(0, device="cpu")
        if predicted_flow is not None and true_flow is not None:
            heat = _flow_errors(predicted_flow, true_flow)
            curves[_FLOW_ERROR] = heat.mean((1, 2, 3)).tolist()
            rows["pairs"] = [{"pair": i, _FLOW_ERROR: e} for i, e in enumerate(curves[_FLOW_ERROR])]
        if target is not None:
            frames = list(range(len(target)))
            if model is not None:
                prediction, target, frames = _remade(model, target)
            assert prediction is not None
            names = [name for name, m in MEASURES.items() if chosen.get(name, m.chosen)]
            with progress("Compute Flow Loss") as advance:
                measured, heat = compare(
                    prediction,
                    target,
                    names,
                    MAPS[heat_map_of],
                    compute_device(),
                    model_folders(),
                    advance,
                )
            curves |= measured
            rows["frames"] = [
                {"frame": number} | {name: measured[name][i] for name in names}
                for i, number in enumerate(frames)
            ]
        means = {name: math.fsum(values) / len(values) for name, values in curves.items()}
        better = {name: m.better for name, m in MEASURES.items()} | {_FLOW_ERROR: "lower"}
        report = {"mean": means, "better": {name: better[name] for name in means}} | rows
        text = to_json(report)
        numbers = (means.get(name, math.nan) for name in (*_FIRST, _FLOW_ERROR))
        late = (means.get(name, math.nan) for name in _LATE)
        pictures = heat_picture(heat, white_at or None), plot(curves)
        return Outputs((*numbers, text, *pictures, *late), text)


def to_json(value: Any) -> str:
    """JSON of numbers, texts, lists and dictionaries; inf and nan, which JSON lacks, as texts."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, float):
            return float(f"{value:.6g}") if math.isfinite(value) else str(value)
        return value

    return json.dumps(plain(value), indent=1)


def _check_wires(
    prediction: Tensor | None,
    target: Tensor | None,
    model: RIFEModel | None,
    predicted_flow: Tensor | None,
    true_flow: Tensor | None,
) -> None:
    made = prediction is not None or model is not None
    flows = predicted_flow is not None, true_flow is not None
    if prediction is not None and model is not None:
        raise ValueError("Give a prediction or a model that makes one, not both.")
    if made != (target is not None) or flows[0] != flows[1] or not (made or any(flows)):
        raise ValueError(
            "There is nothing to compare. Wire prediction and target, or model and target, or "
            "predicted_flow and true_flow."
        )


def _remade(model: RIFEModel, clip: Tensor) -> tuple[Tensor, Tensor, list[int]]:
    """Every second frame, made from its neighbours; the real one; its number."""
    check_frames("target", clip)
    check_enough(clip, 3, "Leaving a frame of target out and making it again")
    height, width = clip.shape[1:3]
    network, plan = model.planned(height, width, Options())
    with progress("Make frames again") as report:
        every = interpolate(network, clip[::2], Timeline.multiply(2), plan=plan, progress=report)
    made = every[1::2]
    numbers = list(range(1, 2 * len(made), 2))
    return made, clip[numbers], numbers


def _flow_errors(predicted: Tensor, true: Tensor) -> Tensor:
    """Distance of each flow vector from the true one, both sides averaged: B 1 H W."""
    for name, flow in (("predicted_flow", predicted), ("true_flow", true)):
        if flow.ndim != 4 or flow.shape[1] not in (2, 4) or not flow.numel():
            raise ValueError(
                f"{name} has shape {tuple(flow.shape)}; expected (pairs, 4, height, width), or 2 "
                "for one side."
            )
    if predicted.shape != true.shape:
        raise ValueError(
            f"predicted_flow has shape {tuple(predicted.shape)}, true_flow {tuple(true.shape)}; "
            "they must be the same."
        )
    sides = predicted.shape[1] // 2
    p, t = (flow.unflatten(1, (sides, 2)).flatten(0, 1) for flow in (predicted, true))
    errors = epe(p, t, torch.ones_like(p[:, :1]))
    return errors.unflatten(0, (-1, sides)).mean(1)
