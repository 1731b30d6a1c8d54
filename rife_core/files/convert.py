"""From one video file to another: decode, interpolate and encode, a few frames at a time.

Three threads work at once: one decodes, one runs the network, and the caller's own
encodes. Between them wait a few frames, whatever the length of the clip.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count, islice
from pathlib import Path

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
from ..video import (
    FILE_TYPES,
    AnimationWriter,
    EncoderRequest,
    PixelKind,
    VideoError,
    VideoReader,
    VideoWriter,
    check_animation,
    choose_encoder,
    keeps_alpha,
)
from .clip import Clip
from .destination import check_destination
from .resume import Segments, digest_of, parts_folder
from .segments import Encoding, count_from, write_segments

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
    crf: int | None = None,
    encoder: EncoderRequest | None = None,
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
        destination: ends in one of `FILE_TYPES`; a file there is replaced.
        timeline: which frames to make, counted in source frames.
        fps: frame rate of the result; as fast as the source by default. At another
            speed nothing but the picture goes along.
        crf: quality; see `VideoWriter`.
        encoder: what is asked of the encoder; goes before `crf`.
        resume: goes on where an earlier run with the same source and options stopped,
            and keeps the finished segments of this one (see `resume`) if it is stopped.
            Loops and damaged sources are always made in one go.
        progress: called with the frames written so far and in all (None: not known);
            whatever it raises stops the work.
        watch: see `engine.Watch`.
        options: see `options.Options`.

    Raises:
        FileNotFoundError: there is no source.
        VideoError: the source cannot be read, is damaged or changes meanwhile, the
            destination cannot be written or is being made by another run, or frames are
            missing at the end.
        ValueError: an option does not fit.
    """
    started = time.perf_counter()
    request = encoder or EncoderRequest(quality=crf)
    reader = source if isinstance(source, VideoReader) else _opened(source, destination, request)
    destination = check_destination(destination, reader)
    reader.check()
    clip = Clip.of(reader, timeline)
    fps = fps or clip.fps
    _check_encoder(destination, reader, fps, request)
    whole = _joined(destination, clip, fps, request)
    report = Report()
    with Segments(
        destination, _job(network, clip, fps, request, options), keep=resume and _can_resume(clip)
    ) as segments:
        resumed = segments.count
        begin, skip = clip.entry(resumed, _LEAD_IN)
        encoding = Encoding(
            fps, _kind_of(reader), request, destination.suffix.lower(), destination.name
        )
        with _frames_of(network, clip, begin, report, options) as frames:
            lost = write_segments(
                islice(frames, skip, None),
                segments,
                encoding,
                report,
                begin,
                total=clip.total,
                progress=progress,
                watch=watch,
            )
        _compare(clip, begin, report, segments.count)
        with whole:
            for segment in segments.finished:
                whole.append(segment, max(record.reorder for record in segments.records))
        reader.check_unchanged()
        whole.path.replace(destination)
    count_from(report, begin)
    seconds = time.perf_counter() - started
    notes = tuple(_notes(clip, whole, lost, fps))
    return FileReport(whole.count, report.made, fps, seconds, resumed, notes, report)


def _opened(
    source: str | os.PathLike[str], destination: str | os.PathLike[str], request: EncoderRequest
) -> VideoReader:
    """The source, with its transparency where the destination can hold it."""
    suffix = Path(destination).suffix.lower()
    return VideoReader(source, alpha=keeps_alpha(suffix, request))


def _in_step(clip: Clip, fps: Fraction) -> bool:
    """Whether the result runs as fast as the source all the while."""
    return fps == clip.fps and not clip.timeline.schedule


def _can_resume(clip: Clip) -> bool:
    return clip.timeline.end != "loop" and not clip.reader.allow_damaged


def _kind_of(reader: VideoReader) -> PixelKind:
    return replace(reader.kind, alpha=reader.channels == 4)


def _check_encoder(
    destination: Path, reader: VideoReader, fps: Fraction, request: EncoderRequest
) -> None:
    """Raises an error where what is asked of the encoder cannot be, before the work begins."""
    suffix = destination.suffix.lower()
    if not FILE_TYPES[suffix].joins:
        check_animation(suffix, fps, request)
    kind = _kind_of(reader)
    choose_encoder(
        request, suffix, kind, width=reader.width, height=reader.height, alpha=kind.alpha
    )


def _joined(
    destination: Path, clip: Clip, fps: Fraction, request: EncoderRequest
) -> VideoWriter | AnimationWriter:
    """The writer of the whole file, into which segments are joined and the other tracks go."""
    path = parts_folder(destination) / f"whole{destination.suffix}"
    if not FILE_TYPES[destination.suffix.lower()].joins:
        left_out = [f"audio ({codec})" for codec in clip.reader.audio_codecs]
        return AnimationWriter(path, fps, request, name=destination.name, left_out=left_out)
    return VideoWriter(
        path,
        fps,
        audio=clip.reader if _in_step(clip, fps) else None,
        name=destination.name,
    )


def _job(
    network: RIFE, clip: Clip, fps: Fraction, encoder: EncoderRequest, options: Options
) -> dict[str, object]:
    """All that decides the result: segments of different jobs are never joined."""
    reader, keep = clip.reader, options.get("keep")
    state = reader.path.stat()
    return {
        "source": str(reader.path.resolve()),
        "size": state.st_size,
        "changed": state.st_mtime_ns,
        "reading": [repr(reader.clock.fps), reader.deinterlace, reader.channels],
        "scale": options.get("scale", 1.0),
        "ensemble": options.get("ensemble", False),
        "scenes": repr(options.get("scenes", _NO_RULES)),
        "encoder": repr(encoder),
        "timeline": repr(clip.timeline),
        "fps": str(fps),
        "keep": None if keep is None else [list(keep.shape), digest_of([keep])],
        "weights": digest_of(network.state_dict().values()),
        "network": repr(network.spec),
    }


@contextmanager
def _frames_of(
    network: RIFE, clip: Clip, begin: int, report: Report, options: Options
) -> Generator[Iterator[Tensor]]:
    """The output frames from source frame `begin` on, made in threads of their own."""
    reader = clip.reader
    device = next(network.parameters()).device
    automatic = auto_batch_size(device, reader.height, reader.width)
    depth = 1 + (options.get("batch_size") or automatic)
    options["scenes"] = _rules_from(begin, options.get("scenes", _NO_RULES), reader)
    with ExitStack() as threads:
        sources = threads.enter_context(closing(prefetch(clip.frames(begin), depth)))
        places, pictures = _apart(sources)
        made = stream(
            network,
            pictures,
            clip.timeline,
            places=places,
            rhythm=clip.rhythm,
            report=report,
            **options,
        )
        yield threads.enter_context(closing(prefetch(made, depth)))


def _rules_from(begin: int, scenes: SceneRules, reader: VideoReader) -> SceneRules:
    """The rules for a clip that lacks its first `begin` frames; seams of the source are cuts."""

    def counted(numbers: Iterable[int]) -> frozenset[int]:
        return frozenset(number - begin for number in numbers if number - begin > 1)

    return replace(
        scenes,
        cuts=None if scenes.cuts is None else counted(scenes.cuts),
        seams=counted(seam + 1 for seam in reader.clock.seams),
    )


def _compare(clip: Clip, begin: int, report: Report, written: int) -> None:
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


def _notes(
    clip: Clip, whole: VideoWriter | AnimationWriter, lost: list[str], fps: Fraction
) -> Iterator[str]:
    reader = clip.reader
    yield from reader.notes()
    if clip.note:
        yield clip.note
    if reader.has_alpha and reader.channels == 3:
        yield (
            f"{whole.suffix} files cannot hold transparency, so it is left out; .mov and .webm can."
        )
    yield from lost
    yield from whole.notes
    if reader.audio_codecs and not _in_step(clip, fps):
        yield "The speed differs from the source's, so sound and subtitles are left out."
    if whole.left_out:
        names = ", ".join(whole.left_out)
        yield f"Left out, for {whole.suffix} files cannot hold it: {names}."


def _apart(pairs: Iterable[tuple[Fraction, Tensor]]) -> tuple[Iterator[Fraction], Iterator[Tensor]]:
    """Both halves, to be read in turn, places first; `tee` would hold on to 57 frames."""
    waiting: deque[Tensor] = deque()

    def places() -> Iterator[Fraction]:
        for place, picture in pairs:
            waiting.append(picture)
            del picture
            yield place

    return places(), (waiting.popleft() for _ in count())
