"""Cuts and repeated frames: what may be interpolated with what.

A cut is found by content, not by difference: small pictures of two frames are
compared block by block, each block searched for nearby in the other picture by
the correlation of its colours. A pan moves blocks, a fade or a flash changes their
brightness; the blocks are still found. Across a cut most of them are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol, TypeVar, get_args

from torch import Tensor

from ..basics.arguments import check_fields, checked
from .cuts import is_cut, is_repeat, small_picture

AtCut = Literal["interpolate", "hold", "nearest", "blend", "carry_on"]
AT_CUT: tuple[AtCut, ...] = get_args(AtCut)

Repeats = Literal["keep", "retime"]
REPEATS: tuple[Repeats, ...] = get_args(Repeats)

Pacing = Literal["even", "eased"]
PACINGS: tuple[Pacing, ...] = get_args(Pacing)

LONGEST_RUN = 6
"""Frames; where a picture stands still for longer it is usually meant to."""
_NUMBER = re.compile(r"\d{1,9}")
_LONGEST_EVER = 240  # frames that are looked at again where work goes on
_MOST_ALIKE = 64  # 255ths; at more, different pictures are alike


class HasFrame(Protocol):
    """A source frame; `frame` is H W C."""

    @property
    def frame(self) -> Tensor:
        """The picture."""
        ...


class HasPace(Protocol):
    """How speed changes from one source frame to the next; see `pacing`."""

    def at(self, timestep: Fraction) -> Fraction:
        """How far on the way from the one frame to the other a moment between them is."""
        ...


S = TypeVar("S", bound=HasFrame)
T = TypeVar("T")


class Span(NamedTuple):
    """A stretch of the clip that lies between two source frames.

    Attributes:
        left, right: the source frames at its two ends.
        start, stop: their places.
        is_cut: nothing moves from the one to the other.
        pace: how its speed changes; None: not at all.
        carried: where motion is carried on into it, the span before, whose frames `pace` counts
            from; timesteps are above 1 then.
        numbers: of both frames in the clip, counted from 1.
    """

    left: HasFrame
    right: HasFrame
    start: Fraction
    stop: Fraction
    is_cut: bool
    pace: HasPace | None = None
    carried: Span | None = None
    numbers: tuple[int, int] = (0, 0)

    @property
    def moving(self) -> Span | None:
        """The span whose motion is seen in it; None: it stands still."""
        return self.carried if self.is_cut else self


class Onward(NamedTuple):
    """The pace of motion that is carried on from the span before, which lasted `1 / share`.

    Example:
        >>> str(Onward(Fraction(1, 2)).at(Fraction(1, 2)))
        '5/4'
    """

    share: Fraction

    def at(self, timestep: Fraction) -> Fraction:
        """As a timestep of the span before."""
        return 1 + timestep * self.share


@dataclass(frozen=True)
class SceneRules:
    """The rules for cuts and repeated frames.

    Attributes:
        at_cut: "interpolate" looks for no cuts; "hold" shows the old scene up to
            the cut, "nearest" changes half way, "blend" crossfades, "carry_on" shows the old
            scene as if its motion went on evenly; see `carry_on.carried_on`.
        cuts: numbers of the frames, counted from 1, that begin a new scene; None
            finds them.
        repeats: "keep" takes the frames as they come; "retime" spreads the motion
            over a run of equal frames (animation on twos, stuttering renders).
        repeat_threshold: by how many 255ths a frame may differ from the one before it, in the
            mean, and still repeat it.
        longest_repeat: frames; where a picture stands still for longer it is meant to.
        pacing: "even" moves at one speed between two frames; "eased" has the speed glide from one
            span to the next, by how far the frames around are apart. See `pacing`.
        seams: numbers of frames that begin a new scene besides: recordings were joined there.
        replaced: numbers of frames that are made anew from their neighbours.
    """

    at_cut: AtCut = "interpolate"
    cuts: frozenset[int] | None = None
    repeats: Repeats = "keep"
    seams: frozenset[int] = frozenset()
    repeat_threshold: float = 1.0
    longest_repeat: int = LONGEST_RUN
    pacing: Pacing = "even"
    replaced: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 <= self.repeat_threshold <= _MOST_ALIKE:
            raise ValueError(
                f"repeat_threshold is {self.repeat_threshold}; it must be from 0 to {_MOST_ALIKE}: "
                "by how many 255ths equal frames may differ."
            )
        if not 2 <= self.longest_repeat <= _LONGEST_EVER:
            raise ValueError(
                f"longest_repeat is {self.longest_repeat}; it must be from 2 to {_LONGEST_EVER} "
                "frames."
            )

    def after(self, begin: int, count: int | None = None) -> SceneRules:
        """The rules for a clip that lacks its first `begin` frames, and has `count`; None: all.

        Example:
            >>> sorted(SceneRules(cuts=frozenset({5, 25})).after(10).cuts)
            [15]
        """

        def counted(numbers: frozenset[int]) -> frozenset[int]:
            return frozenset(number - begin for number in numbers if number - begin > 1)

        return replace(
            self,
            cuts=None if self.cuts is None else counted(self.cuts),
            seams=counted(self.seams),
            replaced=frozenset(n for n in counted(self.replaced) if count is None or n < count),
        )


@dataclass
class SceneReport:
    """The findings: frames that begin a scene, and runs of equal frames, counted from 1."""

    cuts: list[int] = field(default_factory=list[int])
    runs: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


@checked
def parse_cuts(text: str) -> frozenset[int] | None:
    """Reads a list of frame numbers such as "25, 60"; an empty text is None.

    Example:
        >>> sorted(parse_cuts("25, 60"))
        [25, 60]
    """
    words = text.replace(",", " ").split()
    if not all(_NUMBER.fullmatch(word) and int(word) > 1 for word in words):
        raise ValueError(
            f"The cuts {text!r} cannot be read. Write the numbers of the frames that begin a "
            "new scene, counted from 1, such as '25, 60'."
        )
    return frozenset(map(int, words)) or None


def spans(
    sources: Iterable[tuple[Fraction, S]], rules: SceneRules, report: SceneReport
) -> Iterator[Span]:
    """The stretches between neighbouring source frames, as the rules see them.

    Reads one frame further than it yields where cuts are to be found: whether a
    sudden change is a flash only shows when it is over.
    """
    kept = (
        _Numbered(number, *source)
        for number, source in enumerate(sources, 1)
        if number not in rules.replaced
    )
    found = _without_repeats(_pairs(kept, rules, report), rules, report)
    yield from _carried_on(found) if rules.at_cut == "carry_on" else found


def closes(loop: Span, first: HasFrame, rules: SceneRules) -> bool:
    """Whether a loop is back at its first frame with its last one.

    A loop that was rendered or cut to close often ends on the frame that it begins with. Shown
    twice it would stand still; what moves towards the last frame leads to the first one already.

    Args:
        loop: its last span.
        first: its first frame.
        rules: say how alike frames are that repeat each other. Where the frame before the last one
            repeats it as well, the picture is meant to stay, or hardly moves at all.
    """

    def alike(a: HasFrame, b: HasFrame) -> bool:
        return is_repeat(a.frame, b.frame, rules.repeat_threshold)

    return alike(loop.right, first) and not alike(loop.left, loop.right)


class _Numbered(NamedTuple):
    """A source frame, its number, counted from 1, and its place."""

    number: int
    place: Fraction
    source: HasFrame


def _pairs(sources: Iterable[_Numbered], rules: SceneRules, report: SceneReport) -> Iterator[Span]:
    finds = rules.at_cut != "interpolate" and rules.cuts is None
    told = frozenset[int]() if rules.at_cut == "interpolate" else rules.cuts or frozenset()
    begins = rules.seams | told
    frames = (_Seen(*s, small_picture(s.source.frame) if finds else None) for s in sources)
    pairs = _neighbours(frames) if finds else ((None, *two, None) for two in pairwise(frames))
    for before, left, right, after in pairs:
        is_cut = finds and _is_cut(left, right)
        if is_cut:  # a flash is over in a moment: what was there comes back
            is_cut = all(
                _is_cut(*two) for two in ((before, right), (left, after)) if None not in two
            )
        numbers = left.number, right.number
        new = next((n for n in range(left.number + 1, right.number + 1) if n in begins), None)
        if is_cut or new:
            report.cuts.append(new or right.number)
        yield Span(
            left.source, right.source, left.place, right.place, is_cut or bool(new), numbers=numbers
        )


class _Seen(NamedTuple):
    number: int
    place: Fraction
    source: HasFrame
    picture: Tensor | None


def _is_cut(a: _Seen | None, b: _Seen | None) -> bool:
    if a is None or b is None or a.picture is None or b.picture is None:
        return False
    return is_cut(a.picture, b.picture)


def _neighbours(items: Iterable[T]) -> Iterator[tuple[T | None, T, T, T | None]]:
    """Each two neighbours, with the one before and the one after them."""
    source = iter(items)
    before: T | None = None
    left, right = next(source, None), next(source, None)
    while left is not None and right is not None:
        after = next(source, None)
        yield before, left, right, after
        before, left, right = left, right, after


def _carried_on(found: Iterable[Span]) -> Iterator[Span]:
    """Lets the motion before each cut go on into it, for no longer than it lasted."""
    before: Span | None = None
    for span in found:
        if span.is_cut and before and not before.is_cut:
            share = (span.stop - span.start) / (before.stop - before.start)
            yield span._replace(pace=Onward(min(share, Fraction(1))), carried=before)
        else:
            yield span
        before = span


def _without_repeats(
    pairs: Iterable[Span], rules: SceneRules, report: SceneReport
) -> Iterator[Span]:
    """Joins each run of equal frames and the step out of it to one span."""
    if rules.repeats == "keep":
        yield from pairs
        return
    run: list[Span] = []
    for pair in pairs:
        repeated = not pair.is_cut and is_repeat(
            pair.left.frame, pair.right.frame, rules.repeat_threshold
        )
        if repeated:
            run.append(pair)
            continue
        if run:
            report.runs.append((run[0].numbers[0], run[-1].numbers[1]))
        if run and len(run) < rules.longest_repeat and not pair.is_cut:
            first = run[0]
            yield Span(first.left, pair.right, first.start, pair.stop, False)
        else:
            yield from run
            yield pair
        run = []
    if run:
        report.runs.append((run[0].numbers[0], run[-1].numbers[1]))
    yield from run
