"""Measuring: leave out every second frame of real clips, make it again, compare.

Every method gets the same two frames and makes the one between them. Baselines are
the average of the two frames, DIS optical flow (OpenCV) and ffmpeg's minterpolate;
the last two run where they are installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..charts.training import bars_svg
from ..engine.loop import interpolate
from ..engine.options import AUTO, Scale
from ..engine.scenes import SceneRules
from ..inference.rife import RIFE
from ..losses.metrics import psnr, ssim
from ..ops.warp import warp
from ..timeline import Timeline
from .clips import clip_frames

Method = Callable[[Sequence[Tensor]], list[Tensor]]
"""Takes the kept frames (1 3 H W each), gives one made frame for each pair of neighbours."""


@dataclass(frozen=True)
class Score:
    """Means over one clip.

    Attributes:
        psnr: dB.
        ssim: structural similarity.
        lpips: perceptual distance, or None without its weights.
    """

    psnr: float
    ssim: float
    lpips: float | None = None


Table = Mapping[str, Mapping[str, Score]]
"""Scores by clip name, then by method name."""


def per_pair(make: Callable[[Tensor, Tensor], Tensor]) -> Method:
    """A method that looks at two frames at a time."""
    return lambda frames: [make(a, b) for a, b in pairwise(frames)]


def network_method(network: RIFE, scale: Scale = AUTO) -> Method:
    """What the engine makes with `network`; for `scale` see `options.Options`."""

    def make(frames: Sequence[Tensor]) -> list[Tensor]:
        clip, no_cuts = torch.cat(list(frames)).permute(0, 2, 3, 1), SceneRules("interpolate")
        output = interpolate(network, clip, Timeline.multiply(2), scale=scale, scenes=no_cuts)
        return list(output[1::2].permute(0, 3, 1, 2).split(1))

    return make


def baselines() -> dict[str, Method]:
    """The baselines that can run on this machine, by name."""
    methods: dict[str, Method] = {"average": per_pair(lambda a, b: (a + b) / 2)}
    if importlib.util.find_spec("cv2"):
        methods["DIS"] = per_pair(_dis)
    if shutil.which("ffmpeg"):
        methods["minterpolate"] = _minterpolate
    return methods


def _dis(img0: Tensor, img1: Tensor) -> Tensor:
    """Both frames carried half way along OpenCV's dense inverse search flow, averaged."""
    cv2: Any = importlib.import_module("cv2")
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray = [cv2.cvtColor(_bytes(img), cv2.COLOR_RGB2GRAY) for img in (img0, img1)]
    there, back = dis.calc(gray[0], gray[1], None), dis.calc(gray[1], gray[0], None)
    to0, to1 = (torch.from_numpy(flow).permute(2, 0, 1)[None] / 2 for flow in (back, there))
    return (warp(img0, to0) + warp(img1, to1)) / 2


def _minterpolate(frames: Sequence[Tensor]) -> list[Tensor]:
    """What ffmpeg's motion interpolation makes at twice the rate."""
    height, width = frames[0].shape[-2:]
    # Its search needs frames beyond the last pair: the last one is repeated.
    fed = b"".join(_bytes(frame).tobytes() for frame in (*frames, frames[-1], frames[-1]))
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}")
    command = ["ffmpeg", "-v", "error", *raw, "-r", "8", "-i", "-", "-vf"]
    command += ["minterpolate=fps=16:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1:scd=none"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, input=fed, capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"ffmpeg could not run minterpolate: {done.stderr.decode()[-200:].strip()}")
    flat = torch.frombuffer(bytearray(done.stdout), dtype=torch.uint8)
    made = flat.reshape(-1, height, width, 3).permute(0, 3, 1, 2)[:, None].float() / 255
    # It drops frames at the start; the shift is where its copies meet the sources.
    shifts = [s for s in range(-4, 5) if 0 <= 2 - s < len(made)]
    best = min(shifts, key=lambda s: float((made[2 - s] - frames[1]).abs().mean()))
    return [made[min(max(2 * k + 1 - best, 0), len(made) - 1)] for k in range(len(frames) - 1)]


def _bytes(img: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return (img[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()


@torch.inference_mode()
def evaluate(
    methods: Mapping[str, Method],
    clips: Sequence[Path],
    most: int = 200,
    distance: Callable[[Tensor, Tensor], Tensor] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, dict[str, Score]]:
    """Scores of every method on every clip.

    Args:
        methods: by name.
        clips: videos or folders of frames.
        most: only so many frames of each clip are read.
        distance: a perceptual distance of two batches in [0, 1], such as LPIPS.
        report: is told how many runs are done, and of how many.

    Raises:
        ValueError: a clip has fewer than three frames.
    """
    table: dict[str, dict[str, Score]] = {}
    for number, clip in enumerate(clips):
        frames = [f.permute(2, 0, 1)[None] for f in islice(clip_frames(clip), most)]
        if len(frames) < 3:
            raise ValueError(f"{clip.name} has {len(frames)} frames; evaluation needs 3 or more.")
        kept = frames[: len(frames) - (len(frames) + 1) % 2 : 2]
        truth = frames[1::2][: len(kept) - 1]
        row = table.setdefault(_label(clip, table), {})
        for place, (name, method) in enumerate(methods.items()):
            made = [frame.clamp(0, 1) for frame in method(kept)]
            row[name] = Score(
                mean(float(psnr(a, b)) for a, b in zip(made, truth, strict=True)),
                mean(float(ssim(a, b)) for a, b in zip(made, truth, strict=True)),
                mean(float(distance(a, b)) for a, b in zip(made, truth, strict=True))
                if distance
                else None,
            )
            if report:
                report(number * len(methods) + place + 1, len(clips) * len(methods))
    return table


def _label(clip: Path, taken: Mapping[str, object]) -> str:
    return clip.stem if clip.stem not in taken else str(clip)


def mean_scores(table: Table) -> dict[str, Score]:
    """Mean over the clips, by method."""
    methods = next(iter(table.values()))
    means: dict[str, Score] = {}
    for name in methods:
        scores = [row[name] for row in table.values()]
        distances = [score.lpips for score in scores if score.lpips is not None]
        means[name] = Score(
            mean(score.psnr for score in scores),
            mean(score.ssim for score in scores),
            mean(distances) if distances else None,
        )
    return means


def markdown(table: Table) -> str:
    """The table as Markdown: a line for each clip and one for the mean."""
    lines = {**table, "mean": mean_scores(table)}
    names = list(next(iter(table.values())))
    head = ["clip", *names]
    rows = [head, ["---"] * len(head)]
    rows += [[clip, *(_cell(row[name]) for name in names)] for clip, row in lines.items()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _cell(score: Score) -> str:
    cell = f"{score.psnr:.2f} dB / {score.ssim:.3f}"
    return cell if score.lpips is None else f"{cell} / {score.lpips:.3f}"


def picture(table: Table) -> str:
    """The PSNR of every method on every clip as an SVG bar chart."""
    lines = {**table, "mean": mean_scores(table)}
    names = list(next(iter(table.values())))
    bars = [(name, [row[name].psnr for row in lines.values()]) for name in names]
    return bars_svg("PSNR in dB of the frames left out", list(lines), bars)
