"""The LoadRIFE node: a weights file by name -> RIFE_MODEL."""

from __future__ import annotations

from typing import Any

from ..rife_core.checkpoints.fetch import refusal
from ..rife_core.checkpoints.published import RELEASES
from ..rife_core.inference.backends import BACKEND_NAMES
from ..rife_core.inference.precision import PRECISIONS
from ..rife_core.inference.sampling import SAMPLINGS
from .host import RIFEModel, chosen_path, model_folders, model_names, work

HOW_IT_RUNS: dict[str, Any] = {
    "precision": (
        list(PRECISIONS),
        {
            "default": "auto",
            "advanced": True,
            "tooltip": "What the convolutions compute in. auto takes fp16 on CUDA, "
            "bf16 on processors that have it, fp32 elsewhere. Motion and blending "
            "always stay in fp32.",
        },
    ),
    "backend": (
        list(BACKEND_NAMES),
        {
            "default": "auto",
            "advanced": True,
            "tooltip": "What runs the network. auto takes CUDA graphs on CUDA and "
            "plain PyTorch elsewhere. openvino, compile and tensorrt compile once for "
            "each size, which takes a while. Each is checked against plain PyTorch, "
            "which steps in where it fails.",
        },
    ),
    "sampling": (
        list(SAMPLINGS),
        {
            "default": "auto",
            "advanced": True,
            "tooltip": "How the two frames are sampled for the blend. auto is as each network "
            "was published, and bicubic for the bundled one. bicubic makes the frames of other "
            "networks sharper; networks that refine their frames do not take it.",
        },
    ),
}
"""Inputs of every node that gives a RIFE_MODEL."""


class LoadRIFE:
    """Loads a RIFE network from a weights file."""

    DISPLAY_NAME = "Load RIFE"
    CATEGORY = "RIFE Video"
    DESCRIPTION = (
        "Loads a RIFE network for the other RIFE nodes. 'default' is bundled with this pack. "
        "Files in the model folders 'rife' and 'frame_interpolation' are listed as well; the "
        "network is recognised from the file. Numbers are published releases: one that is not "
        "here is fetched once, when it is first used, from the release assets of HolyWu/vs-rife."
    )
    SEARCH_ALIASES = ("rife", "rife loader", "frame interpolation model", "vfi model")

    RETURN_TYPES = ("RIFE_MODEL",)
    RETURN_NAMES = ("model",)
    OUTPUT_TOOLTIPS = ("The network, for Interpolate Frames and the other RIFE nodes.",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "model_name": (
                    model_names(),
                    {
                        "tooltip": "The weights file. 'default' is bundled; others are "
                        "looked for in models/rife and models/frame_interpolation "
                        "(.safetensors, .pkl, .pth). A number is a published release, fetched "
                        "once into models/rife."
                    },
                ),
            },
            "optional": {**HOW_IT_RUNS},
        }

    @classmethod
    def IS_CHANGED(cls, model_name: str, **how: str) -> str:  # noqa: N802
        path = chosen_path(model_name)
        if path is None or model_name in RELEASES:  # what a release holds never changes
            return f"{model_name}:{sorted(how.items())}"
        return f"{path}:{path.stat().st_mtime_ns}:{sorted(how.items())}"

    @classmethod
    def VALIDATE_INPUTS(cls, model_name: str) -> bool | str:  # noqa: N802
        try:
            path = chosen_path(model_name)
        except ValueError as error:
            return str(error)
        no = refusal(model_name, model_folders()[0]) if path is None else None
        return no or True

    @work
    def load(
        self,
        model_name: str,
        precision: str = "auto",
        backend: str = "auto",
        sampling: str = "auto",
    ) -> tuple[RIFEModel]:
        return (RIFEModel.load(model_name, precision, backend, sampling),)
