"""The output frames of a clip, made in threads of their own, and the count of them at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import count

from torch import Tensor

from ..engine.loop import stream
from ..engine.memory_plan import auto_batch_size
from ..engine.options import Options
from ..engine.prefetch import prefetch
from ..engine.report import Report
from ..engine.scenes import LONGEST_RUN, SceneRules
from ..inference.rife import RIFE
from ..timeline import WHOLE, Window
from ..video import FrameSource, VideoError
from .clip import Clip

NO_RULES = SceneRules()
LEAD_IN = LONGEST_RUN + 2
"""Source frames that are looked at again before work goes on: cuts and runs of equal
frames are told by what comes before them. For rules as they usually are; see `further_back`."""


@contextmanager
def frames_of(
    network: RIFE,
    clip: Clip,
    begin: int,
    report: Report,
    options: Options,
    window: Window = WHOLE,
) -> Generator[Iterator[Tensor]]:
    """The output frames of a window, made in threads of their own; `begin` is read first."""
    reader = clip.reader
    device = next(network.parameters()).device
    automatic = auto_batch_size(device, reader.height, reader.width)
    depth = 1 + (options.get("batch_size") or automatic)
    rules = options["scenes"] = _rules_from(begin, options.get("scenes", NO_RULES), reader)
    rhythm = clip.rhythm
    rhythm = rhythm._replace(longest=max(rhythm.longest, rules.longest_repeat))
    with ExitStack() as threads:
        sources = threads.enter_context(closing(prefetch(clip.frames(begin), depth)))
        places, pictures = _apart(sources)
        made = stream(
            network,
            pictures,
            clip.timeline,
            places=places,
            rhythm=rhythm,
            window=window,
            report=report,
            **options,
        )
        yield threads.enter_context(closing(prefetch(made, depth)))


def further_back(options: Options) -> int:
    """How many more source frames than `LEAD_IN` are looked at again under these options."""
    return max(0, options.get("scenes", NO_RULES).longest_repeat - LONGEST_RUN)


def _rules_from(begin: int, scenes: SceneRules, reader: FrameSource) -> SceneRules:
    """The rules for a clip that lacks its first `begin` frames; seams of the source are cuts."""

    def counted(numbers: Iterable[int]) -> frozenset[int]:
        return frozenset(number - begin for number in numbers if number - begin > 1)

    return replace(
        scenes,
        cuts=None if scenes.cuts is None else counted(scenes.cuts),
        seams=counted(seam + 1 for seam in reader.clock.seams),
    )


def compare(clip: Clip, begin: int, report: Report, written: int) -> None:
    """Raises a VideoError unless each frame that was read was used, and each one due written."""
    if report.frames_in != clip.given:
        raise VideoError(
            f"{clip.reader.path.name} gave {clip.given} frames, of which {report.frames_in} were "
            "used; nothing was written."
        )
    due = clip.due(clip.last_place, begin + clip.given)
    if due != written or (clip.total not in (None, due) and not clip.reader.explains_count):
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
