"""The VideoAELoss node: a clip and what a video autoencoder made of it -> how well it did."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..rife_core.basics.arguments import within
from ..rife_core.charts.pictures import heat_picture
from ..rife_core.losses.compare import check_same_clip
from ..rife_core.losses.discriminators.files import load_discriminator
from ..rife_core.losses.discriminators.models import Discriminator
from ..rife_core.losses.video_autoencoder import VideoAutoencoderLoss
from .flow_loss import to_json
from .host import (
    Outputs,
    colours,
    compute_device,
    list_models,
    model_folders,
    model_path,
    progress,
    work,
)

_NONE = "none"
_WINDOW, _MOST = 16, 2**31 - 1


def _weight(default: float, meaning: str) -> tuple[str, dict[str, Any]]:
    return (
        "FLOAT",
        {
            "advanced": True,
            "default": default,
            "min": 0.0,
            "max": 1000.0,
            "step": 0.001,
            "tooltip": meaning,
        },
    )


def _count(default: int, meaning: str, least: int = 0) -> tuple[str, dict[str, Any]]:
    options = {"default": default, "min": least, "max": _MOST, "tooltip": meaning}
    return "INT", {"advanced": True, **options}


class VideoAELoss:
    """Judges what a video autoencoder made of a clip."""

    DISPLAY_NAME = "Video AE Loss"
    CATEGORY = "RIFE Video"
    DESCRIPTION = (
        "Tells how much of a clip a video autoencoder lost: the loss that CogVideo's autoencoder "
        "is trained with. Wire a clip, and what encoding and decoding made of it. Long clips are "
        "judged in windows of as many frames as the discriminator takes."
    )
    SEARCH_ALIASES = ("vae loss", "reconstruction loss", "judge vae", "compare vae", "lpips")

    RETURN_TYPES = ("FLOAT", "STRING", "IMAGE")
    RETURN_NAMES = ("total", "report", "error_map")
    OUTPUT_TOOLTIPS = (
        "The weighted sum, averaged over the windows; lower is better.",
        "Every term as JSON: means, and each window's own.",
        "Where the errors are, a picture for each frame: black is right, white is worst.",
    )
    FUNCTION = "judge"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "original": ("IMAGE", {"tooltip": "The frames that were encoded."}),
                "reconstruction": ("IMAGE", {"tooltip": "What came back, as many of one size."}),
            },
            "optional": {
                "perceptual_weight": _weight(
                    0.0,
                    "Weight of LPIPS on one random frame of each window. Above 0 it needs VGG-16 "
                    "and LPIPS weights; see the help page.",
                ),
                "adversarial_loss_weight": _weight(
                    0.0, "Weight of the discriminator's verdict. Above 0 it needs a discriminator."
                ),
                "grad_penalty_loss_weight": _weight(
                    0.0,
                    "Weight of the gradient penalty in the discriminator's own loss; it does not "
                    "count in the total. Slow.",
                ),
                "quantizer_aux_loss_weight": _weight(0.0, "Weight of aux_loss."),
                "aux_loss": _weight(
                    0.0, "The quantizer's own loss, where the autoencoder has one."
                ),
                "discriminator": (
                    [_NONE, *list_models()],
                    {
                        "default": _NONE,
                        "tooltip": "A trained discriminator of CogVideo's kinds, from the model "
                        "folder rife.",
                    },
                ),
                "global_step": _count(0, "The training step that is played."),
                "disc_start": _count(
                    0, "From this step on the discriminator's verdict counts in the total."
                ),
                "window": _count(
                    _WINDOW, "Frames judged at a time where there is no discriminator.", 1
                ),
                "seed": _count(0, "Chooses the frames that LPIPS looks at."),
                "white_at": (
                    "FLOAT",
                    {
                        "default": 0.0,
                        "min": 0.0,
                        "max": 1.0,
                        "step": 0.01,
                        "tooltip": "The error that gets the lightest colour. 0 takes the largest; "
                        "set it to compare error maps.",
                    },
                ),
            },
        }

    @classmethod
    def VALIDATE_INPUTS(cls, discriminator: str | None = None) -> bool | str:  # noqa: N802
        try:
            if discriminator not in (None, _NONE):
                model_path(discriminator)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def IS_CHANGED(cls, discriminator: str | None = None, **_: Any) -> str:  # noqa: N802
        if discriminator in (None, _NONE):
            return ""
        path = model_path(discriminator)
        return f"{path}:{path.stat().st_mtime_ns}"

    @work
    def judge(
        self,
        original: Tensor,
        reconstruction: Tensor,
        perceptual_weight: float = 0.0,
        adversarial_loss_weight: float = 0.0,
        grad_penalty_loss_weight: float = 0.0,
        quantizer_aux_loss_weight: float = 0.0,
        aux_loss: float = 0.0,
        discriminator: str = _NONE,
        global_step: int = 0,
        disc_start: int = 0,
        window: int = _WINDOW,
        seed: int = 0,
        white_at: float = 0.0,
    ) -> Outputs:
        within("window", window, 1, _MOST)
        original = colours(original, "original")
        reconstruction = colours(reconstruction, "reconstruction")
        check_same_clip(original=original, reconstruction=reconstruction)
        count, height, width, _ = original.shape
        # Nodes run in inference mode, whose tensors cannot take part in a gradient penalty.
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # frames are drawn on the CPU
            judge = None
            if discriminator != _NONE:
                judge = load_discriminator(model_path(discriminator), (height, width))
                window = judge.window or window
            loss = VideoAutoencoderLoss(
                disc_start,
                perceptual_weight,
                adversarial_loss_weight,
                grad_penalty_loss_weight=grad_penalty_loss_weight,
                quantizer_aux_loss_weight=quantizer_aux_loss_weight,
                discr_kwargs=judge if isinstance(judge, Discriminator) else None,
                discr_3d_kwargs=None if isinstance(judge, Discriminator) else judge,
                folders=model_folders(),
            ).to(compute_device())
            spans = _windows(count, window)
            logs: list[dict[str, float]] = []
            with progress("Video AE Loss") as report:
                for done, (first, end) in enumerate(spans, 1):
                    pair = _video(original[first:end]), _video(reconstruction[first:end])
                    logs.append(_terms(loss, *pair, global_step, aux_loss))
                    report(done, len(spans))
        means = {name: math.fsum(log[name] for log in logs) / len(logs) for name in logs[0]}
        windows = [
            {"first_frame": first, "last_frame": end - 1} | log
            for (first, end), log in zip(spans, logs, strict=True)
        ]
        errors = (original - reconstruction).abs().mean(-1).unsqueeze(1)
        text = to_json({"mean": means, "windows": windows})
        return Outputs((means["total_loss"], text, heat_picture(errors, white_at or None)), text)


def _windows(count: int, length: int) -> list[tuple[int, int]]:
    """Where windows begin and end; the last one reaches back where frames are left over.

    Example:
        >>> _windows(10, 4)
        [(0, 4), (4, 8), (6, 10)]
    """
    length = min(length, count)
    starts = list(range(0, count - length + 1, length))
    if starts[-1] + length < count:
        starts.append(count - length)
    return [(start, start + length) for start in starts]


def _video(frames: Tensor) -> Tensor:
    """T H W 3 in [0, 1] -> 1 3 T H W in [-1, 1] on the compute device."""
    return 2 * frames.clone().to(compute_device()).float().permute(3, 0, 1, 2)[None] - 1


def _terms(
    loss: VideoAutoencoderLoss,
    original: Tensor,
    reconstruction: Tensor,
    step: int,
    aux_loss: float,
) -> dict[str, float]:
    """Every term of one window by name: those of the autoencoder, then the discriminator's."""
    aux = torch.tensor(aux_loss, device=original.device)
    with torch.no_grad():
        _, log = loss(original, reconstruction, 0, step, aux)
    if loss.get_trainable_params():
        with torch.set_grad_enabled(loss.grad_penalty_loss_weight > 0):
            log |= loss(original, reconstruction, 1, step)[1]
    return {name.partition("/")[2]: value.item() for name, value in log.items()}
