"""The AdaptRIFE node: fine-tunes the network on the clip that it is going to work on."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..rife_core.training.adapt import adapt
from .host import Outputs, RIFEModel, check_enough, colours, progress, work


class AdaptRIFE:
    """Trains a copy of a network on a clip, and returns it only if it is better."""

    DISPLAY_NAME = "Adapt RIFE"
    CATEGORY = "RIFE Video"
    DESCRIPTION = (
        "Fine-tunes the network on the very clip that you want to interpolate. Every eighth "
        "triplet of frames is held back as a test: if the trained copy is not better on those, "
        "the original model comes out unchanged, and the report says so."
    )
    SEARCH_ALIASES = ("rife", "fine-tune", "train", "test-time adaptation", "overfit")

    RETURN_TYPES = ("RIFE_MODEL", "STRING")
    RETURN_NAMES = ("model", "report")
    OUTPUT_TOOLTIPS = (
        "The adapted network, or the original one where that is better.",
        "What it gained, in one line.",
    )
    FUNCTION = "adapt"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "model": ("RIFE_MODEL", {"tooltip": "The network to start from."}),
                "frames": (
                    "IMAGE",
                    {"tooltip": "The frames of one clip, in order; 12 or more."},
                ),
                "steps": (
                    "INT",
                    {
                        "default": 200,
                        "min": 1,
                        "max": 100000,
                        "tooltip": "Training steps. A step takes about a second on a CPU.",
                    },
                ),
            },
            "optional": {
                "seconds": (
                    "FLOAT",
                    {
                        "default": 0.0,
                        "min": 0.0,
                        "max": 86400.0,
                        "tooltip": "Stop after this time, whatever the steps. 0: no limit.",
                    },
                ),
                "learning_rate": (
                    "FLOAT",
                    {
                        "default": 5e-5,
                        "min": 1e-6,
                        "max": 1e-2,
                        "step": 1e-6,
                        "advanced": True,
                        "tooltip": "How far each step goes.",
                    },
                ),
                "seed": (
                    "INT",
                    {
                        "default": 0,
                        "min": 0,
                        "max": 2**32 - 1,
                        "advanced": True,
                        "tooltip": "Decides which parts of which frames are looked at.",
                    },
                ),
            },
        }

    @work
    def adapt(
        self,
        model: RIFEModel,
        frames: Tensor,
        steps: int,
        seconds: float = 0.0,
        learning_rate: float = 5e-5,
        seed: int = 0,
    ) -> Outputs:
        frames = colours(frames)
        check_enough(frames, 12, "Adapting")
        with torch.inference_mode(False), torch.enable_grad(), progress("Adapt RIFE") as report:
            outcome = adapt(
                model.trainable_copy(),
                [frame.clone() for frame in frames],
                steps=steps,
                seconds=seconds or math.inf,
                lr=learning_rate,
                seed=seed,
                report=report,
            )
        if not outcome.kept:
            return Outputs((model, str(outcome)))
        name = f"{model.name}, adapted"
        adapted = RIFEModel(outcome.network.cpu(), name, model.precision, model.backend)
        return Outputs((adapted, str(outcome)))
