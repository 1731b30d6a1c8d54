"""From one video file to another: decode, interpolate and encode, a few frames at a time.

Three threads work at once: one decodes, one runs the network, and the caller's own
encodes. Between them wait a few frames, whatever the length of the clip.
"""

from __future__ import annotations

import hashlib
import os
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import chain, count, islice
from math import ceil
from pathlib import Path

import torch
from torch import Tensor
from typing_extensions import Unpack

from ..engine.loop import Progress, Watch, stream
from ..engine.memory_plan import auto_batch_size
from ..engine.options import Options
from ..engine.prefetch import prefetch
from ..engine.report import Report
from ..engine.scenes import LONGEST_RUN, SceneRules
from ..inference.rife import RIFE
from ..timeline import Timeline
from ..video import DEFAULT_CRF, ENCODERS, VideoError, VideoReader, VideoWriter
from .resume import Parts, parts_folder

_NO_RULES = SceneRules()
_LEAD_IN = LONGEST_RUN + 2
"""Source frames that are looked at again before work goes on: cuts and runs of equal
frames are told by what comes before them."""


@dataclass(frozen=True)
class FileReport:
    """What became of a file.

    Attributes:
        frames: how many frames were written.
        made: how many frames this run made.
        fps: their rate.
        seconds: how long it took.
        resumed: how many frames an earlier run had written.
        notes: sentences on what a person should know.
        engine: what the engine met in this run.
    """

    frames: int
    made: int
    fps: Fraction
    seconds: float
    resumed: int = 0
    notes: tuple[str, ...] = ()
    engine: Report = field(default_factory=Report)


def interpolate_file(
    network: RIFE,
    source: str | os.PathLike[str] | VideoReader,
    destination: str | os.PathLike[str],
    timeline: Timeline,
    *,
    fps: Fraction | None = None,
    crf: int = DEFAULT_CRF,
    resume: bool = True,
    progress: Progress | None = None,
    watch: Watch | None = None,
    **options: Unpack[Options],
) -> FileReport:
    """Writes `destination`: the clip `source` with the frames that `timeline` asks for.

    Memory does not grow with the length of the clip. Sound, subtitles, chapters and
    title are copied, colours keep their meaning and their bits. Clips of uneven frame
    times are retimed by these times. The destination appears under its name only when
    it is complete.

    Args:
        network: any row, in evaluation mode, on the device to use.
        source: a video file.
        destination: ends in .mp4, .mov, .mkv or .webm; a file there is replaced.
        timeline: which frames to make, counted in source frames.
        fps: frame rate of the result; as fast as the source by default. At another
            speed nothing but the picture goes along.
        crf: see `VideoWriter`.
        resume: goes on where an earlier run with the same source and options stopped,
            and keeps the finished parts of this one (see `resume`) if it is stopped.
            Loops and damaged sources are always made in one go.
        progress: called with the frames written so far and in all (None: not known);
            whatever it raises stops the work.
        watch: see `engine.Watch`.
        options: see `options.Options`.

    Raises:
        FileNotFoundError: there is no source.
        VideoError: the source cannot be read, is damaged, or the destination cannot be
            written.
        ValueError: an option does not fit.
    """
    started = time.perf_counter()
    reader = source if isinstance(source, VideoReader) else VideoReader(source)
    destination = Path(destination)
    if destination.exists() and destination.samefile(reader.path):
        raise VideoError("Source and destination are one file; give the destination another name.")
    in_step = timeline.output_fps(reader.fps)
    fps = fps or in_step
    with_sound = fps == in_step and not timeline.schedule
    whole = VideoWriter(
        parts_folder(destination) / f"whole{destination.suffix}",
        fps,
        audio=reader if with_sound else None,
        name=destination.name,
    )
    notes = [f"The source is damaged {damage}."] if (damage := reader.check()) else []
    if reader.audio_codecs and not with_sound:
        notes.append("The speed differs from the source's, so sound and subtitles are left out.")
    clip = _Clip.of(reader, timeline)
    scenes, keep = options.get("scenes", _NO_RULES), options.get("keep")
    job = {
        **_fingerprint(reader.path),
        "scale": options.get("scale", 1.0),
        "ensemble": options.get("ensemble", False),
        "scenes": repr(scenes),
        "crf": crf,
        "timeline": repr(clip.timeline),
        "fps": str(fps),
        "keep": None if keep is None else _digest([keep]),
        "weights": _digest(network.state_dict().values()),
        "network": repr(network.spec),
    }
    report = Report()
    resume = resume and timeline.end != "loop" and not reader.allow_damaged
    with Parts(destination, job, keep=resume) as parts, ExitStack() as threads:
        resumed = parts.count
        begin, skip = clip.entry(resumed)
        device = next(network.parameters()).device
        automatic = auto_batch_size(device, reader.height, reader.width)
        depth = 1 + (options.get("batch_size") or automatic)
        options["scenes"] = _counted_from(begin, scenes)
        frames = threads.enter_context(closing(prefetch(clip.frames(begin), depth)))
        places, pictures = _apart(frames)
        made = stream(
            network,
            pictures,
            clip.timeline,
            places=places,
            report=report,
            **options,
        )
        results = threads.enter_context(closing(prefetch(made, depth)))
        for frame in islice(results, skip, None):
            with VideoWriter(
                parts.next,
                fps,
                encoders=ENCODERS[whole.suffix],
                color=reader.color,
                depth=reader.depth,
                aspect=reader.aspect,
                crf=crf,
                name=destination.name,
            ) as writer:
                for one in chain([frame], islice(results, parts.length - 1)):
                    if watch:
                        watch(one)
                    if progress:
                        progress(parts.count + writer.count, clip.total)
                    writer.write(one)
            parts.add(writer.count)
        if progress:
            progress(parts.count, clip.total)
        with whole:
            for part in parts.finished:
                whole.append(part)
        whole.path.replace(destination)
    if whole.left_out:
        names = ", ".join(whole.left_out)
        notes.append(f"Left out, for {destination.suffix} files cannot hold it: {names}.")
    _count_on(report, begin)
    seconds = time.perf_counter() - started
    return FileReport(whole.count, report.made, fps, seconds, resumed, tuple(notes), report)


@dataclass(frozen=True)
class _Clip:
    """A file's frames on the axis of a timeline: counted, or timed in seconds if uneven.

    Attributes:
        reader: the file.
        timeline: which places of the axis are wanted.
        even: whether frames are counted.
    """

    reader: VideoReader
    timeline: Timeline
    even: bool

    @classmethod
    def of(cls, reader: VideoReader, timeline: Timeline) -> _Clip:
        even = reader.clock.constant
        if not even and timeline.schedule:
            raise ValueError(
                f"{reader.path.name} has uneven frame times, for which a schedule of multipliers "
                "is not defined. Give one multiplier or a frame rate."
            )
        if not even:
            timeline = replace(timeline, step=1 / timeline.output_fps(reader.fps))
        return cls(reader, timeline, even)

    def frames(self, first: int) -> Iterator[tuple[Fraction, Tensor]]:
        """Frames from number `first` on, each with its place."""
        last = Fraction(-1)
        for index, (seconds, frame) in enumerate(self.reader.timed(first), first):
            place = seconds
            if self.even:  # where frames are lost, those after them keep their times
                lossy = self.reader.allow_damaged
                place = Fraction(round(seconds * self.reader.fps) if lossy else index)
            if place > last:
                yield place, frame
                last = place

    @cached_property
    def total(self) -> int | None:
        """How many frames it becomes; None if not known."""
        count = self.reader.clock.count
        if self.even or count < 2:
            return self.timeline.output_count(count) if count else None
        last, gap = self._place(count - 1), self._place(count - 1) - self._place(count - 2)
        return self._before(count - 1) + len(self.timeline.tail(last, last + gap))

    def entry(self, done: int) -> tuple[int, int]:
        """Where to go on after `done` output frames.

        Returns:
            The source frame to begin with, and how many of the output frames that
            follow are there already.
        """
        count = self.reader.clock.count
        if not done or count < 2:
            return 0, done
        pair = bisect_right(range(count - 1), done, key=self._before) - 1
        begin = max(0, pair - _LEAD_IN)
        return begin, done - self._before(begin)

    def _place(self, index: int) -> Fraction:
        return Fraction(index) if self.even else self.reader.clock.time(index)

    def _before(self, index: int) -> int:
        """How many output frames come before source frame `index`."""
        place = self._place(index)
        if self.timeline.schedule:
            return len(self.timeline.within(0, place))
        return ceil(place / self.timeline.step)


def _apart(pairs: Iterable[tuple[Fraction, Tensor]]) -> tuple[Iterator[Fraction], Iterator[Tensor]]:
    """Both halves, to be read in turn, places first; `tee` would hold on to 57 frames."""
    waiting: deque[Tensor] = deque()

    def places() -> Iterator[Fraction]:
        for place, picture in pairs:
            waiting.append(picture)
            del picture
            yield place

    return places(), (waiting.popleft() for _ in count())


def _fingerprint(path: Path) -> dict[str, object]:
    state = path.stat()
    return {"source": str(path.resolve()), "size": state.st_size, "changed": state.st_mtime_ns}


def _digest(tensors: Iterable[Tensor]) -> str:
    """A hash of all values."""
    digest = hashlib.sha256()
    for tensor in tensors:
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _counted_from(begin: int, scenes: SceneRules) -> SceneRules:
    """The rules for a clip that lacks its first `begin` frames."""
    if not scenes.cuts:
        return scenes
    return replace(scenes, cuts=frozenset(cut - begin for cut in scenes.cuts if cut - begin > 1))


def _count_on(report: Report, begin: int) -> None:
    """Counts the frames of a report from the beginning of the file."""
    found = report.scenes
    found.cuts[:] = [cut + begin for cut in found.cuts]
    found.runs[:] = [(first + begin, last + begin) for first, last in found.runs]
    for numbers in (report.beyond_range, report.not_finite):
        numbers[:] = [number + begin for number in numbers]
