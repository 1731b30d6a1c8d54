"""The output frames of a clip, made in threads of their own, and the count of them at the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import count, islice

from torch import Tensor

from ..engine.loop import Run, Watch
from ..engine.memory_plan import Plan, first_plan
from ..engine.options import Options
from ..engine.prefetch import prefetch
from ..engine.report import Report
from ..engine.scenes import LONGEST_RUN, SceneRules
from ..engine.scheduler import Progress
from ..inference.rife import RIFE
from ..ops.light import DisplayLight
from ..timeline import WHOLE, Window
from ..video import FrameSource, ImageSequenceReader, VideoError
from .clip import Clip
from .file_report import FileReport
from .segments import count_from

LEAD_IN = LONGEST_RUN + 2
"""Source frames that are looked at again before work goes on: cuts and runs of equal
frames are told by what comes before them. For rules as they usually are; see `read_from`."""


@contextmanager
def frames_of(
    network: RIFE,
    clip: Clip,
    begin: int,
    report: Report,
    options: Options,
    window: Window = WHOLE,
    plan: Plan | None = None,
) -> Generator[Iterator[Tensor]]:
    """The output frames of a window, made in threads of their own; `begin` is read first.

    Raises:
        ValueError: the network or the size of the frames does not allow an option.
    """
    reader = clip.reader
    options.check(network, reader.height, reader.width)
    plan = plan or first_plan(network, reader.height, reader.width, options)
    rules, rhythm = _rules_from(begin, options.scenes, reader), clip.rhythm
    run = Run(
        network,
        clip.timeline,
        replace(options, scenes=rules),
        report,
        plan,
        rhythm._replace(longest=max(rhythm.longest, rules.longest_repeat)),
        window,
        light=(reader.light if isinstance(reader, ImageSequenceReader) else None) or DisplayLight(),
    )
    depth = 1 + plan.batch_size
    with ExitStack() as threads:
        sources = threads.enter_context(closing(prefetch(clip.frames(begin), depth)))
        places, pictures = _apart(sources)
        frames = run.frames(pictures, places)
        yield threads.enter_context(closing(prefetch(frames, depth)))


@dataclass
class Conversion:
    """A clip that is being interpolated, up to where its frames are written.

    Attributes:
        network, clip, options, plan: what is done, and how.
        fps: rate of the result.
        progress: called with the frames written so far and in all; it ends at the total.
        watch: called with each frame.
        report: what the engine meets; its frames are counted from source frame `begin`.
        started: when the work began, by `time.perf_counter`.
    """

    network: RIFE
    clip: Clip
    options: Options
    plan: Plan
    fps: Fraction
    progress: Progress | None = None
    watch: Watch | None = None
    report: Report = field(default_factory=Report)
    begin: int = 0
    started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def frames_after(self, done: int) -> Generator[Iterator[Tensor]]:
        """The output frames after the first `done`, which are there already."""
        self.begin, skip = self.clip.entry(done, partial(read_from, rules=self.options.scenes))
        with frames_of(
            self.network, self.clip, self.begin, self.report, self.options, plan=self.plan
        ) as frames:
            yield islice(frames, skip, None)

    def compare(self, written: int) -> None:
        """See `compare`."""
        compare(self.clip, self.begin, self.report, written)

    def done(self, frames: int, resumed: int, notes: Iterable[str]) -> FileReport:
        """The report at the end; its frames are counted from the file's first."""
        count_from(self.report, self.begin)
        seconds = time.perf_counter() - self.started
        return FileReport(
            frames, self.report.made, self.fps, seconds, resumed, tuple(notes), self.report
        )


def read_from(source: int, rules: SceneRules) -> int:
    """The source frame that is read first for work that begins with `source`; both from 0.

    Example:
        >>> read_from(100, SceneRules()), read_from(100, SceneRules(pacing="eased"))
        (92, 84)
        >>> read_from(100, SceneRules(replaced=frozenset({98, 93})))  # nothing is told by these
        90
    """
    spans = 1 if rules.pacing == "even" else 2  # its pace is told by the span before, too
    looked_at = max(LEAD_IN, spans * (rules.longest_repeat + 2))
    told_by = (each for each in range(source - 1, -1, -1) if each + 1 not in rules.replaced)
    return next(islice(told_by, looked_at - 1, None), 0)


def _rules_from(begin: int, scenes: SceneRules, reader: FrameSource) -> SceneRules:
    """The rules for a clip that lacks its first `begin` frames; seams of the source are cuts."""
    seams = frozenset(seam + 1 for seam in reader.clock.seams)
    return replace(scenes, seams=seams).after(begin)


def compare(clip: Clip, begin: int, report: Report, written: int) -> None:
    """Raises a VideoError unless each frame that was read was used, and each one due written."""
    if report.frames_in != clip.given:
        raise VideoError(
            f"{clip.reader.path.name} gave {clip.given} frames, of which {report.frames_in} were "
            "used; nothing was written."
        )
    whole = clip.due(clip.last_place, begin + clip.given)
    due = clip.due_before(clip.last_place) if report.closed_by else whole
    if due != written or (clip.total not in (None, whole) and not clip.reader.explains_count):
        raise VideoError(
            f"{clip.total if clip.total is not None else due} frames were due from "
            f"{clip.reader.path.name}, its frames make {due}, and {written} were written. The "
            "result would lack some, so it was not kept."
        )


def _apart(pairs: Iterable[tuple[Fraction, Tensor]]) -> tuple[Iterator[Fraction], Iterator[Tensor]]:
    """Both halves, to be read in turn, places first; `tee` would hold on to 57 frames."""
    waiting: deque[Tensor] = deque()

    def places() -> Iterator[Fraction]:
        for place, picture in pairs:
            waiting.append(picture)
            del picture
            yield place

    return places(), (waiting.popleft() for _ in count())
