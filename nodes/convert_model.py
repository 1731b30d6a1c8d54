"""The ConvertInterpolationModel node: what ComfyUI's own loader gives -> RIFE_MODEL."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..rife_core.checkpoints.rife import rife_from
from .host import RIFEModel, work
from .load_rife import HOW_IT_RUNS

MODEL_TYPES = ("INTERP_MODEL", "FRAME_INTERPOLATION_MODEL")
"""What releases of ComfyUI call the wire from their loader."""


class ConvertInterpolationModel:
    """Takes the weights out of ComfyUI's frame interpolation model."""

    DISPLAY_NAME = "Frame Interpolation Model to RIFE"
    CATEGORY = "RIFE Video"
    DESCRIPTION = (
        "Turns the model of ComfyUI's own Load Frame Interpolation Model into one for the RIFE "
        "nodes. Its weights are copied. On a GPU that loader rounds them to fp16; Load RIFE lists "
        "the same files, and reads them as they are."
    )
    SEARCH_ALIASES = ("rife", "frame interpolation model", "convert interpolation model")

    RETURN_TYPES = ("RIFE_MODEL",)
    RETURN_NAMES = ("model",)
    OUTPUT_TOOLTIPS = ("The network, for Interpolate Frames and the other RIFE nodes.",)
    FUNCTION = "convert"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "interp_model": (
                    ",".join(MODEL_TYPES),
                    {"tooltip": "From Load Frame Interpolation Model; a RIFE network, not FILM."},
                ),
            },
            "optional": {**HOW_IT_RUNS},
        }

    @work
    def convert(
        self,
        interp_model: Any,
        precision: str = "auto",
        backend: str = "auto",
        sampling: str = "auto",
    ) -> tuple[RIFEModel]:
        module = getattr(interp_model, "model", None)
        if not isinstance(module, nn.Module):
            raise ValueError(
                f"interp_model is {type(interp_model).__name__}, which holds no network; wire it "
                "from Load Frame Interpolation Model, or use Load RIFE."
            )
        name = "the frame interpolation model"
        network = rife_from(module.state_dict(), name)
        return (RIFEModel(network, name, precision, backend, sampling),)
