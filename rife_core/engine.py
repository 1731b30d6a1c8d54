"""Frames in, frames out: runs a network along a timeline.

Source frames are copied through bit for bit; only made frames pass the network.
A clip in memory (`interpolate`) and a file of any length (`stream`) take the
same road: an iterator of frames of which the engine holds two or three at a time.

What is wanted where is the timeline's business, what may be interpolated with what
that of `scenes`, frames of all kinds that of `formats`, and the way down when
memory runs out that of `memory`. Here they meet.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, groupby, islice
from itertools import count as count_from
from math import isfinite
from typing import Literal, NamedTuple, TypedDict, TypeVar, cast

import torch
from torch import Tensor
from typing_extensions import Unpack

from .copies import Arrival, Copies, copies_for, unpinned
from .cpu import SideBySide, kept_memory
from .formats import Planes, check_frame, from_planes, mix, to_planes
from .ifnet import RIFE, USER_SCALES, Frame, nearest_halving
from .memory import OUT_OF_MEMORY, Plan, estimate_memory, first_plan, tiles
from .padding import crop
from .report import Report
from .scenes import SceneRules, Span, spans
from .timeline import Timeline

Scale = float | Literal["auto"]
AUTO: Literal["auto"] = "auto"
"""The scale that is chosen for each pair."""

SCALES = (AUTO, *USER_SCALES)

Progress = Callable[[int, int | None], None]
"""Called with the number of frames made so far and in all (None: not known).

Whatever it raises stops the work between two batches.
"""

Watch = Callable[[Tensor], None]
"""Called with each frame of the result, H W C, as soon as it is there."""

T = TypeVar("T")

COARSER = (0.5, 0.25)
"""Scales that follow larger motion."""

AGREED = 0.03
"""Mean difference of the two warped sides up to which coarser scales are not tried.

On 88 triplets with fast motion, choosing by the least difference gained 0.19 dB above this
value, and would have gained 0.02 dB more below it (`tests/benchmarks/scales.py`).
"""

_FIRST = 1.0
_NO_RULES = SceneRules()
_SEEN = 4
"""Every so many pixels of a row and a column are looked at to see whether the sides agree."""
_INFINITY = float("inf")


class Options(TypedDict, total=False):
    """How frames are made; every entry may be left out.

    Attributes:
        scale: see `RIFE.inference`; or "auto": 1, but where the two sides of a made frame
            contradict each other, what of 1 and `COARSER` makes them agree best, chosen
            once for each pair.
        ensemble: see `RIFE.inference`.
        batch_size: how many frames are made at once, on a CPU side by side on a core or
            more each; 0 chooses by device and size.
        max_memory: bytes that making frames may take on the device; 0 sets no limit.
        scenes: what to do at cuts and with repeated frames.
        keep: H W in [0, 1]; where it is 1, made frames show the nearer source frame
            (captions, displays).
    """

    scale: Scale
    ensemble: bool
    batch_size: int
    max_memory: int
    scenes: SceneRules
    keep: Tensor | None


def interpolate(
    network: RIFE,
    frames: Tensor,
    timeline: Timeline,
    *,
    disagreement: Tensor | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    report: Report | None = None,
    **options: Unpack[Options],
) -> Tensor:
    """Makes the frames that `timeline` asks for between those of a clip.

    The network runs on the device of its weights; the clip stays where it is. Where
    memory runs out, it goes on with fewer frames at once, then in tiles, then on the
    CPU, and keeps what it has made.

    Args:
        network: any row, in evaluation mode.
        frames: B H W C with 1, 3 or 4 channels, floating point in [0, 1] or uint8,
            any H and W. A single frame is returned as it is.
        timeline: which frames to make.
        disagreement: B' H W, filled with how far the two warped sides of each made
            frame are apart, in [0, 1]; 0 for source frames.
        progress: see `Progress`.
        watch: see `Watch`.
        report: filled while the work goes on.
        options: see `Options`.

    Returns:
        B' H W C, of the type and on the device of `frames`; source frames in it are
        bit-identical.

    Raises:
        ValueError: there is no frame, or their shape, type or an option does not fit.

    Example:
        >>> from .ifnet import build_network
        >>> network = build_network("4.25.lite").eval()
        >>> interpolate(network, torch.rand(3, 16, 16, 3), Timeline.multiply(2)).shape
        torch.Size([5, 16, 16, 3])
    """
    if frames.ndim != 4:
        raise ValueError(f"frames must be B H W C, but are {tuple(frames.shape)}.")
    if not len(frames):
        raise ValueError("There are no frames to interpolate: the clip is empty.")
    check_frame(frames[0])
    output = frames.new_empty((timeline.output_count(len(frames)), *frames.shape[1:]))
    if disagreement is not None:
        disagreement.zero_()
    results = _stream(
        network,
        frames,
        timeline,
        _Settings(**options),
        None,
        progress,
        sum(step.timestep != 0 for step in timeline.steps(len(frames))),
        report or Report(),
        disagreement is not None,
    )
    for index, item in enumerate(results):
        output[index].copy_(item.result)
        if watch:
            watch(output[index])
        if disagreement is not None and isinstance(item, _Task):
            disagreement[index].copy_(item.disagreement)
    return output


def stream(
    network: RIFE,
    frames: Iterable[Tensor],
    timeline: Timeline,
    *,
    places: Iterable[Fraction] | None = None,
    progress: Progress | None = None,
    total: int | None = None,
    report: Report | None = None,
    **options: Unpack[Options],
) -> Iterator[Tensor]:
    """`interpolate` for clips that do not fit in memory: yields each output frame in order.

    Args:
        frames: H W C each, all of one size and type; read one at a time.
        places: where each frame stands on the timeline's axis, ascending; by default
            its index. Seconds, for clips of uneven frame times.
        total: how many frames will be made, if known; handed on to `progress`.

    Yields:
        H W C. Source frames are the very tensors that came in.
    """
    settings, report = _Settings(**options), report or Report()
    items = _stream(network, frames, timeline, settings, places, progress, total, report, False)
    for item in items:
        yield unpinned(item.result) if isinstance(item, _Task) else item.result


@dataclass(frozen=True)
class _Settings:
    """`Options` with all entries filled."""

    scale: Scale = 1.0
    ensemble: bool = False
    batch_size: int = 0
    max_memory: int = 0
    scenes: SceneRules = _NO_RULES
    keep: Tensor | None = None


def _stream(
    network: RIFE,
    frames: Iterable[Tensor],
    timeline: Timeline,
    settings: _Settings,
    places: Iterable[Fraction] | None,
    progress: Progress | None,
    total: int | None,
    report: Report,
    wants_disagreement: bool,
) -> Iterator[_Shown | _Task]:
    """Every output frame in order, as the item that shows it."""
    network.check_ensemble(settings.ensemble)
    if settings.batch_size < 0:
        raise ValueError(f"batch_size is {settings.batch_size}; it must be 0 (automatic) or more.")
    source = _sources(frames, places, report)
    opening = next(source, None)
    if opening is None:
        return
    first = opening[1]
    maker = _Maker(network, settings, first.frame, report, wants_disagreement)
    if progress:
        progress(0, total)
    waiting: deque[_Shown | _Task] = deque()
    tasks: list[_Task] = []
    under_way: deque[list[_Task]] = deque()

    def finished(ahead: int) -> Iterator[_Shown | _Task]:
        """Begins what waits, ends it but for `ahead` batches, and hands on what is ready."""
        while tasks or len(under_way) > ahead:
            if tasks:
                batch = tasks[: maker.plan.batch_size]
                maker.begin(batch)
                under_way.append(batch)
                del tasks[: len(batch)]
            if len(under_way) > ahead:
                batch = under_way.popleft()
                maker.end(batch)
                report.made += len(batch)
                if progress:
                    progress(report.made, total)
        while waiting and waiting[0].is_ready:
            report.frames_out += 1
            yield waiting.popleft()

    def show(span: Span) -> None:
        pair = _Pair(cast(_Source, span.left), cast(_Source, span.right))
        wanted = timeline.within(span.start, span.stop)
        report.pairs.append(len(wanted))
        for place in wanted:
            timestep = (place - span.start) / (span.stop - span.start)
            item = _item(pair, timestep, span.is_cut, settings.scenes)
            waiting.append(item)
            if isinstance(item, _Task):
                tasks.append(item)

    def chained() -> Iterator[tuple[Fraction, _Source]]:
        for place, each in chain((opening,), source):
            maker.send(each)
            yield place, each

    with maker:
        last, last_place, gap = first, opening[0], Fraction(1)
        for span in spans(chained(), settings.scenes, report.scenes):
            show(span)
            last, last_place = cast(_Source, span.right), span.stop
            gap = span.stop - span.start
            if not tasks or len(tasks) >= maker.plan.batch_size:
                yield from finished(maker.copies.ahead if tasks else 0)
        if report.frames_in == 1:
            waiting.append(_Shown(last.frame))
        elif timeline.end == "loop":
            show(Span(last, first, last_place, last_place + gap, False))
        else:
            places_left = timeline.tail(last_place, last_place + gap)
            waiting += [_Shown(last.frame) for _ in places_left]
        yield from finished(0)


class _Source:
    """A source frame; made ready for the network when first needed, then kept for both pairs.

    Values that are no numbers are 0 for the network.
    """

    def __init__(self, frame: Tensor, number: int, report: Report) -> None:
        self.frame = frame
        self.number, self._report = number, report
        self._arrival: Arrival | None = None
        self._picture: _Picture | None = None

    def send(self, copies: Copies) -> Arrival:
        """Begins to copy the frame to the device, if that has not been done."""
        if self._arrival is None:
            self._arrival = copies.send(self._checked())
        return self._arrival

    def picture(self, copies: Copies) -> _Picture:
        if self._picture is None:
            self._picture = _Picture(to_planes(self.send(copies)()))
            self._arrival = None
        self._picture = self._picture.on(copies.device)
        return self._picture

    def _checked(self) -> Tensor:
        if not self.frame.is_floating_point():
            return self.frame
        low, high = (float(value) for value in self.frame.aminmax())
        if not (low > -_INFINITY and high < _INFINITY):  # also where they are no numbers
            self._report.not_finite.append(self.number)
            return self.frame.nan_to_num(0, 0, 0)
        if low < 0 or high > 1:
            self._report.beyond_range.append(self.number)
        return self.frame


def _sources(
    frames: Iterable[Tensor], places: Iterable[Fraction] | None, report: Report
) -> Iterator[tuple[Fraction, _Source]]:
    first: Tensor | None = None
    for place, frame in zip(places or map(Fraction, count_from()), frames, strict=False):
        check_frame(frame, first)
        first = frame if first is None else first
        report.frames_in += 1
        yield place, _Source(frame, report.frames_in, report)


class _Picture:
    """Planes of a frame, and what a network knows of them, computed when first asked for."""

    def __init__(self, planes: Planes) -> None:
        self.planes = planes
        self._frames: dict[float, Frame] = {}
        self._network: RIFE | None = None

    def frame(self, network: RIFE, scale: float) -> Frame:
        if self._network is not network:
            self._frames, self._network = {}, network
        if scale not in self._frames:
            self._frames[scale] = network.prepare(self.planes.image, scale)
        return self._frames[scale]

    def on(self, device: torch.device) -> _Picture:
        if self.planes.image.device == device:
            return self
        return self.tile(slice(None), slice(None), device)

    def tile(self, rows: slice, columns: slice, device: torch.device) -> _Picture:
        image, alpha = (
            None if plane is None else plane[..., rows, columns].to(device) for plane in self.planes
        )
        return _Picture(Planes(cast(Tensor, image), alpha))


@dataclass
class _Pair:
    """Two neighbouring source frames, and what was made between them on the way elsewhere.

    Attributes:
        scale: at which its motion is estimated, once that is decided.
    """

    left: _Source
    right: _Source
    scale: float | None = None
    between: dict[Fraction, _Picture] = field(default_factory=dict[Fraction, "_Picture"])

    def at(self, timestep: Fraction, copies: Copies) -> _Picture:
        if timestep in (0, 1):
            return (self.right if timestep else self.left).picture(copies)
        self.between[timestep] = self.between[timestep].on(copies.device)
        return self.between[timestep]


@dataclass(frozen=True)
class _Shown:
    """An output frame that needs no network."""

    result: Tensor
    is_ready = True


class _Task:
    """One frame to make: taken from the network, then ended once it has come home."""

    def __init__(self, pair: _Pair, timestep: Fraction) -> None:
        self.pair = pair
        self.timestep = timestep
        self.wanted = _Wanted(pair, Fraction(0), timestep, Fraction(1))
        self.disagreement: Tensor = torch.empty(0)
        self._arrivals: tuple[Arrival, Arrival] | None = None
        self._result: Tensor | None = None

    @property
    def is_ready(self) -> bool:
        return self._result is not None

    @property
    def result(self) -> Tensor:
        assert self._result is not None, "the task was not run"
        return self._result

    def take(self, made: _Made, copies: Copies) -> None:
        """Begins to bring home a frame of the kind of its source."""
        like = self.pair.left.frame
        frame = from_planes(made.image, made.alpha, like)
        self._arrivals = copies.fetch(frame, like.device), copies.fetch(made.signs, like.device)
        self.disagreement = made.disagreement

    def signs(self) -> Tensor:
        """See `_Made`; waits for them."""
        assert self._arrivals is not None, "the task was not begun"
        return self._arrivals[1]()

    def end(self, keep: Tensor | None) -> None:
        """Waits for the frame."""
        assert self._arrivals is not None, "the task was not begun"
        result = self._arrivals[0]()
        if keep is not None:
            near = (self.pair.left if self.timestep < Fraction(1, 2) else self.pair.right).frame
            result = mix(result, near, keep[..., None])
        self._result, self._arrivals = result, None


def _item(pair: _Pair, timestep: Fraction, is_cut: bool, rules: SceneRules) -> _Shown | _Task:
    """What is shown at `timestep` of a pair."""
    left, right = pair.left.frame, pair.right.frame
    if timestep == 0 or (is_cut and rules.at_cut == "hold"):
        return _Shown(left)
    if not is_cut:
        return _Task(pair, timestep)
    if rules.at_cut == "nearest":
        return _Shown(left if timestep < Fraction(1, 2) else right)
    return _Shown(mix(left, right, float(timestep)))


class _Made(NamedTuple):
    """One made picture, cropped: image 3 H W, alpha 1 H W or None, disagreement H W.

    `signs` are three numbers that tell whether it will do: the sum of the image, in which one
    value that is no number shows, how far the two sides are apart in the mean, and the scale.
    """

    image: Tensor
    alpha: Tensor | None
    disagreement: Tensor
    signs: Tensor


class _Wanted(NamedTuple):
    """The middle of two pictures of a pair, to be made at `scale`; None: the pair's or the first.

    All three are places in the pair.
    """

    pair: _Pair
    low: Fraction
    middle: Fraction
    high: Fraction
    scale: float | None = None

    @property
    def share(self) -> float:
        """Where the middle lies between the two."""
        return float((self.middle - self.low) / (self.high - self.low))


class _Job(NamedTuple):
    """Two pictures, where between them a frame is made, and at which scale."""

    low: _Picture
    high: _Picture
    time: float
    scale: float


class _Maker:
    """Runs tasks through the network, on the rung of the ladder that memory allows."""

    def __init__(
        self,
        network: RIFE,
        settings: _Settings,
        first: Tensor,
        report: Report,
        wants_disagreement: bool,
    ) -> None:
        self.network = network
        self.settings = settings
        self.report = report
        self.wants_disagreement = wants_disagreement
        self.height, self.width = first.shape[:2]
        if settings.scale not in SCALES:
            known = ", ".join(map(str, SCALES))
            raise ValueError(f"scale is {settings.scale}; it must be one of {known}.")
        if settings.keep is not None and settings.keep.shape != first.shape[:2]:
            raise ValueError(
                f"keep is {tuple(settings.keep.shape)}, but the frames are {self.height} high and "
                f"{self.width} wide; give a mask of their size."
            )
        self.plan = first_plan(
            network, self.height, self.width, settings.batch_size, settings.max_memory
        )
        side = self.plan.tile or max(self.height, self.width)
        report.memory = estimate_memory(
            network, min(self.height, side), min(self.width, side), self.plan.batch_size
        )
        report.plans.append(str(self.plan))
        self.copies = copies_for(self.plan.device)
        self._in_float32: RIFE | None = None
        self._threads: SideBySide | None = None
        self._memory = kept_memory() if self.plan.device.type == "cpu" else nullcontext()

    def __enter__(self) -> _Maker:
        self._memory.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._threads:
            self._threads.close()
        self._memory.__exit__(None, None, None)

    def send(self, source: _Source) -> None:
        """Lets a source frame travel to the device before it is needed there."""
        if self.copies.ahead and self.plan.tile is None:
            source.send(self.copies)

    @torch.no_grad()
    def begin(self, tasks: list[_Task]) -> None:
        """Lets the network make these frames; on some devices they are still being made then."""
        by = self._make if self.network.spec.arbitrary_timestep else self._make_by_halving
        for task, made in zip(tasks, by([task.wanted for task in tasks]), strict=True):
            task.take(made, self.copies)

    @torch.no_grad()
    def end(self, tasks: list[_Task]) -> None:
        """Brings these frames home; makes those anew that will not do."""
        better: list[_Made | None] = [None] * len(tasks)
        if self.network.spec.arbitrary_timestep:  # by halving, it has been seen to already
            better = self._better([task.wanted for task in tasks], [task.signs() for task in tasks])
        for task, made in zip(tasks, better, strict=True):
            if made:
                task.take(made, self.copies)
            task.end(self.settings.keep)

    def _better(self, wanted: list[_Wanted], signs: list[Tensor]) -> list[_Made | None]:
        """For each frame that was made: a better one where it will not do, else None."""
        better: list[_Made | None] = [None] * len(wanted)
        read = [each.tolist() for each in signs]
        for index, (one, (total, *_)) in enumerate(zip(wanted, read, strict=True)):
            if not isfinite(total):
                better[index] = self._make([one], in_float32=True)[0]
                self.report.redone += 1
        if self.settings.scale == AUTO:
            sound = [index for index, made in enumerate(better) if made is None]
            self._choose_scales(wanted, {index: read[index][1] for index in sound}, better)
            # Others of a pair may have been begun before its scale was chosen.
            late = [i for i in sound if not better[i] and read[i][2] != wanted[i].pair.scale]
            for i, made in zip(late, self._make([wanted[i] for i in late]), strict=True):
                better[i] = made if isfinite(float(made.signs[0])) else None
        return better

    def _choose_scales(
        self, wanted: list[_Wanted], apart: dict[int, float], better: list[_Made | None]
    ) -> None:
        """Decides for each pair by the first of its frames; puts what it made into `better`."""
        hard: list[int] = []
        for index, distance in apart.items():
            pair = wanted[index].pair
            if pair.scale is None:
                pair.scale = _FIRST
                if distance > AGREED:
                    hard.append(index)
        trials = [wanted[index]._replace(scale=scale) for index in hard for scale in COARSER]
        tried = _batches(self._make(trials), len(COARSER))
        for index, made in zip(hard, tried, strict=True):
            best = apart[index]
            for scale, one in zip(COARSER, made, strict=True):
                if (distance := float(one.signs[1])) < best:
                    best, better[index], wanted[index].pair.scale = distance, one, scale
            if better[index]:
                self.report.coarser.append(wanted[index].pair.left.number)

    def _make_by_halving(self, wanted: list[_Wanted]) -> list[_Made]:
        """For networks that know the midpoint only: midpoints of midpoints, each made once."""
        roads = [nearest_halving(one.middle) for one in wanted]
        results: dict[tuple[int, Fraction], _Made] = {}
        for level in range(max(len(halvings) for _, halvings in roads)):
            missing: dict[tuple[int, Fraction], _Wanted] = {
                (id(one.pair), halvings[level][1]): _Wanted(one.pair, *halvings[level])
                for one, (_, halvings) in zip(wanted, roads, strict=True)
                if level < len(halvings) and halvings[level][1] not in one.pair.between
            }
            for batch in _batches(list(missing.items()), self.plan.batch_size):
                midpoints = [midpoint for _, midpoint in batch]
                made = self._make(midpoints)
                # What follows is made of it, so it must do at once.
                better = self._better(midpoints, [one.signs for one in made])
                for (key, midpoint), one, other in zip(batch, made, better, strict=True):
                    kept = other or one
                    alpha = None if kept.alpha is None else kept.alpha[None]
                    midpoint.pair.between[midpoint.middle] = _Picture(
                        Planes(kept.image[None], alpha)
                    )
                    results[key] = kept
        targets = [(one.pair, target) for one, (target, _) in zip(wanted, roads, strict=True)]
        return [results.get((id(pair), at)) or self._known(pair, at) for pair, at in targets]

    def _known(self, pair: _Pair, timestep: Fraction) -> _Made:
        """What an earlier batch made, or a source frame that is nearest."""
        planes = pair.at(timestep, self.copies).planes
        still = planes.image.new_zeros(planes.image.shape[-2:])
        alpha = None if planes.alpha is None else planes.alpha[0]
        return _Made(planes.image[0].clamp(0, 1), alpha, still, still.new_zeros(3))

    def _make(self, wanted: list[_Wanted], in_float32: bool = False) -> list[_Made]:
        """Makes what is wanted; goes down the ladder where memory runs out."""
        made: list[_Made] = []
        while len(made) < len(wanted):
            batch = wanted[len(made) : len(made) + self.plan.batch_size]
            try:
                made += self._at_once(self._float32() if in_float32 else self.network, batch)
            except OUT_OF_MEMORY:
                lower = self.plan.smaller(self.height, self.width)
                if lower is None:
                    raise
                self._descend(lower)
        return made

    def _float32(self) -> RIFE:
        self._in_float32 = self._in_float32 or copy.deepcopy(self.network).float()
        return self._in_float32

    def _descend(self, plan: Plan) -> None:
        if plan.device != self.plan.device:
            self.network = copy.deepcopy(self.network).to(plan.device).float()
            self.copies = copies_for(plan.device)
            self._in_float32 = None
        self.plan = plan
        self.report.plans.append(str(plan))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _at_once(self, network: RIFE, wanted: list[_Wanted]) -> list[_Made]:
        side, batch = self.plan.tile, [self._job(one) for one in wanted]
        if side is not None:
            return [self._tiled(network, job, side) for job in batch]
        if self.plan.device.type == "cpu" and len(batch) > 1 and torch.get_num_threads() > 1:
            return self._side_by_side(network, batch)
        made: list[_Made] = []
        for _, alike in groupby(batch, key=lambda job: job.scale):
            made += self._whole(network, list(alike))
        return made

    def _job(self, wanted: _Wanted) -> _Job:
        # Whole frames stay off a device that they do not fit on.
        copies = Copies(torch.device("cpu")) if self.plan.tile else self.copies
        pair, settled = wanted.pair, self.settings.scale
        scale = settled if settled != AUTO else wanted.scale or pair.scale or _FIRST
        ends = pair.at(wanted.low, copies), pair.at(wanted.high, copies)
        return _Job(*ends, wanted.share, scale)

    def _tiled(self, network: RIFE, job: _Job, side: int) -> _Made:
        total: Tensor | None = None
        signs = torch.zeros(3)
        for tile in tiles(network, self.height, self.width, side, job.scale):
            low, high = (
                p.tile(tile.rows, tile.columns, self.plan.device) for p in (job.low, job.high)
            )
            (made,) = self._whole(network, [_Job(low, high, job.time, job.scale)])
            alpha = made.image[:0] if made.alpha is None else made.alpha
            planes = torch.cat((made.image, made.disagreement[None], alpha)).cpu()
            if total is None:
                total = planes.new_zeros(len(planes), self.height, self.width)
            total[:, tile.rows, tile.columns] += planes * tile.weight
            signs += made.signs.cpu() * tile.weight.sum() / (self.height * self.width)
        assert total is not None
        return _Made(total[:3], total[4:] if len(total) > 4 else None, total[3], signs)

    def _side_by_side(self, network: RIFE, batch: list[_Job]) -> list[_Made]:
        """The same as `_whole`, each frame in a thread of its own."""
        if self._threads is None:
            self._threads = SideBySide(min(self.plan.batch_size, torch.get_num_threads()))
        ready = {(id(p), job.scale): p for job in batch for p in (job.low, job.high)}
        self._threads.map(lambda one: one[1].frame(network, one[0][1]), ready.items())
        made = self._threads.map(lambda job: self._whole(network, [job]), batch)
        return [one for (one,) in made]

    def _whole(self, network: RIFE, batch: list[_Job]) -> list[_Made]:
        """Frames of one scale, made in one run."""
        lows, highs = [job.low for job in batch], [job.high for job in batch]
        times, scale = [job.time for job in batch], batch[0].scale
        frame0, frame1 = (
            Frame.join([picture.frame(network, scale) for picture in side])
            for side in (lows, highs)
        )
        made = network.synthesize(
            frame0, frame1, torch.tensor(times), scale, self.settings.ensemble
        )
        height, width = lows[0].planes.image.shape[-2:]
        images = crop(made.image, height, width)
        alphas = self._alphas(made.estimate.carry, lows, highs, made.image.shape[-2:])
        apart = (
            made.estimate.disagreement()[:, 0]
            if self.wants_disagreement
            else made.image.new_zeros(1, 1, 1).expand(len(times), *made.image.shape[-2:])
        )
        apart = crop(apart, height, width)
        sides = (
            crop(each, height, width)[..., ::_SEEN, ::_SEEN]
            for each in (made.estimate.warped_img0, made.estimate.warped_img1)
        )
        sums = images.sum((1, 2, 3))
        signs = torch.stack((sums, _mean_distance(*sides), torch.full_like(sums, scale)), 1)
        return [
            _Made(image, None if alphas is None else crop(alphas[i], height, width), apart[i], sign)
            for i, (image, sign) in enumerate(zip(images, signs, strict=True))
        ]

    @staticmethod
    def _alphas(
        carry: Callable[[Tensor, Tensor], Tensor],
        lows: list[_Picture],
        highs: list[_Picture],
        padded: torch.Size,
    ) -> Tensor | None:
        sides = [[picture.planes.alpha for picture in side] for side in (lows, highs)]
        if any(alpha is None for side in sides for alpha in side):
            return None
        alpha0, alpha1 = (torch.cat(cast(list[Tensor], side)) for side in sides)
        return carry(_grown(alpha0, padded), _grown(alpha1, padded)).clamp(0, 1)


def _grown(plane: Tensor, size: torch.Size) -> Tensor:
    bottom, right = size[0] - plane.shape[2], size[1] - plane.shape[3]
    return torch.nn.functional.pad(plane, (0, right, 0, bottom), mode="replicate")


def _mean_distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


def _batches(items: list[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
