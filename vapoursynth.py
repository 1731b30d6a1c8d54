"""A VapourSynth filter: frames between frames at any rate, by the same engine as everything else.

Loaded only when asked for; the package `vapoursynth` comes with the program that runs scripts:

    import vapoursynth as vs
    from rife_video.vapoursynth import interpolate

    clip = interpolate(clip, 5 / 2)             # or fps="60", or fps="60000/1001"
    clip.set_output()
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from math import floor
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

import vapoursynth as vs

from .rife_core.cli.weights import load_chosen
from .rife_core.engine import stream
from .rife_core.engine.options import AUTO, Options, Scale
from .rife_core.engine.scenes import AtCut, Repeats, SceneRules
from .rife_core.inference.backends import set_backend
from .rife_core.inference.precision import default_device, resolve_precision, set_precision
from .rife_core.inference.rife import RIFE
from .rife_core.timeline import Timeline, Window

__all__ = ["interpolate"]

_FORMATS = ("RGBS", "RGBH", "RGB24")
_PAIRS_KEPT = 4
_SEEN = 1  # frames before and after a pair that tell a flash from a cut

End = Literal["last_frame", "keep_duration"]


def interpolate(
    clip: Any,
    multiplier: Fraction | float | str = 2,
    *,
    fps: Fraction | float | str | None = None,
    end: End = "last_frame",
    model: str | RIFE = "default",
    models: Iterable[str | Path] = (),
    scale: Scale = AUTO,
    ensemble: bool = False,
    at_cut: AtCut = "hold",
    cuts: Iterable[int] | None = None,
    repeats: Repeats = "keep",
    batch_size: int = 0,
    max_memory: int = 0,
    device: str | None = None,
    precision: str = "auto",
    backend: str = "auto",
) -> Any:
    """The clip with more, or fewer, frames at the same speed.

    Source frames pass through as they are. Of interpolated ones the properties are those of the
    source frame before them; durations are those of the new rate.

    Args:
        clip: RGBS, RGBH or RGB24 of constant size, with a constant frame rate.
        multiplier: output frames for each source frame: 2, 2.5, "5/2".
        fps: the frame rate to reach instead.
        end: "last_frame" stops at the last source frame, "keep_duration" repeats it for as long
            as it is shown.
        model: name of the weights, number of a published release, path of a file, or a network.
        models: folders with weights.
        scale, ensemble, batch_size, max_memory: see `rife_core.engine.options.Options`.
        at_cut: "hold", "nearest", "blend", "carry_on", or "interpolate", which looks for no cuts.
        cuts: frames, counted from 0, that begin a new scene; None finds them.
        repeats: "retime" spreads the motion over runs of equal frames.
        device: "cpu", "cuda", "cuda:1" or "mps"; the best one by default.
        precision, backend: see `set_precision` and `set_backend`.

    Returns:
        A clip of the same format and size.

    Raises:
        ValueError: the clip or an option does not fit.
        FileNotFoundError: there are no such weights.
    """
    _check(clip)
    if end == "loop":
        raise ValueError("A loop is not made frame by frame; end is last_frame or keep_duration.")
    source_fps = Fraction(clip.fps_num, clip.fps_den)
    timeline = Timeline.retime(source_fps, fps, end) if fps else Timeline.multiply(multiplier, end)
    starts = None if cuts is None else frozenset(cut + 1 for cut in cuts)  # counted from 1 there
    rules = SceneRules(at_cut, starts, repeats)
    options = Options(scale=scale, ensemble=ensemble, batch_size=batch_size, max_memory=max_memory)
    network = _ready(model, models, device, precision, backend)
    return _Filter(clip, network, timeline, timeline.output_fps(source_fps), rules, options).node()


def _check(clip: Any) -> None:
    known = [getattr(vs, name) for name in _FORMATS]
    if clip.format is None or not clip.width or not clip.height:
        raise ValueError("The clip changes its format or size on the way; make it constant first.")
    if clip.format.id not in [int(each) for each in known]:
        raise ValueError(
            f"The clip is {clip.format.name}; it must be {', '.join(_FORMATS)}. Convert it first, "
            'such as clip.resize.Bicubic(format=vs.RGBS, matrix_in_s="709").'
        )
    if not clip.fps_num:
        raise ValueError(
            "The clip has no constant frame rate; give it one first, such as "
            "clip.std.AssumeFPS(fpsnum=24000, fpsden=1001)."
        )


def _ready(
    model: str | RIFE,
    models: Iterable[str | Path],
    device: str | None,
    precision: str,
    backend: str,
) -> RIFE:
    place = device or str(default_device())
    folders = [Path(each) for each in models]
    network = model if isinstance(model, RIFE) else load_chosen(model, folders)
    set_precision(network, resolve_precision(precision, place))
    set_backend(network.to(place), backend)
    return network.eval()


class _Filter:
    """One call of the filter: which frames of the source an output frame needs, and what it is.

    VapourSynth asks for frames in any order. What lies between two source frames is made at once
    and kept for a while, so that each pair passes the network in one batch.
    """

    def __init__(
        self,
        clip: Any,
        network: RIFE,
        timeline: Timeline,
        fps: Fraction,
        rules: SceneRules,
        options: Options,
    ) -> None:
        self._clip, self._network, self._timeline, self._fps = clip, network, timeline, fps
        self._rules, self._options = rules, options
        self._count = timeline.output_count(clip.num_frames)
        self._around = rules.longest_repeat + 1 if rules.repeats == "retime" else _SEEN
        self._made: OrderedDict[int, list[Tensor]] = OrderedDict()
        self._lock = Lock()

    def node(self) -> Any:
        """The clip that VapourSynth asks for frames."""
        std = vs.core.std
        blank = std.BlankClip(
            self._clip,
            length=self._count,
            fpsnum=self._fps.numerator,
            fpsden=self._fps.denominator,
            keep=True,
        )
        offsets = range(-self._around, self._around + 2)
        near = [std.FrameEval(blank, self._source(offset)) for offset in offsets]
        return std.ModifyFrame(blank, near, self._frame)

    def _place(self, number: int) -> tuple[int, Fraction]:
        """The source frame before an output frame, and how far it is on the way to the next."""
        place = min(number * self._timeline.step, Fraction(self._clip.num_frames - 1))
        return floor(place), place - floor(place)

    def _source(self, offset: int) -> Any:
        """Which source frame an output frame needs, `offset` frames after the one before it."""
        last = self._clip.num_frames - 1

        def chosen(n: int) -> Any:
            return self._clip[min(max(self._place(n)[0] + offset, 0), last)]

        return chosen

    def _frame(self, n: int, f: list[Any]) -> Any:
        pair, timestep = self._place(n)
        result = f[self._around].copy()
        moves = timestep or self._rules.repeats == "retime"  # repeats are not shown as they are
        if moves and pair < self._clip.num_frames - 1:
            made = self._between(pair, f)
            first = next(iter(self._timeline.places(pair, pair + 1)))
            index = round((pair + timestep - first) / self._timeline.step)
            _fill(result, made[index])
        result.props["_DurationNum"] = self._fps.denominator
        result.props["_DurationDen"] = self._fps.numerator
        if "_AbsoluteTime" in result.props:
            seconds = timestep * self._clip.fps_den / self._clip.fps_num
            result.props["_AbsoluteTime"] += float(seconds)
        return result

    def _between(self, pair: int, near: list[Any]) -> list[Tensor]:
        """All output frames of a pair, those that source frames are among them."""
        with self._lock:
            if pair not in self._made:
                begin = max(pair - self._around, 0)
                stop = min(pair + self._around + 2, self._clip.num_frames)
                lead = pair - self._around
                frames = [_tensor(near[number - lead]) for number in range(begin, stop)]
                made = stream(
                    self._network,
                    frames,
                    self._timeline,
                    places=map(Fraction, range(begin, stop)),
                    window=Window(Fraction(pair), Fraction(pair + 1)),
                    **vars(replace(self._options, scenes=self._rules.after(begin))),
                )
                self._made[pair] = list(made)
                while len(self._made) > _PAIRS_KEPT:
                    self._made.popitem(last=False)
            return self._made[pair]


def _tensor(frame: Any) -> Tensor:
    """H W 3."""
    return torch.from_numpy(np.stack([np.asarray(frame[plane]) for plane in range(3)], axis=-1))


def _fill(frame: Any, pixels: Tensor) -> None:
    for plane, values in enumerate(pixels.cpu().unbind(-1)):
        np.copyto(np.asarray(frame[plane]), values.numpy())
