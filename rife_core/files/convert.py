"""From one video file to another: decode, interpolate and encode, a few frames at a time.

Three threads work at once: one decodes, one runs the network, and the caller's own
encodes. Between them wait a few frames, whatever the length of the clip.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from typing_extensions import Unpack

from ..basics.arguments import checked
from ..engine.loop import Watch
from ..engine.memory_plan import Plan, first_plan
from ..engine.options import OptionFields, Options
from ..engine.scheduler import Progress
from ..inference.rife import RIFE
from ..timeline import Timeline, as_fraction
from ..timeline.speed_curve import SpeedCurve, SpeedStretch
from ..video import (
    FILE_TYPES,
    AnimationWriter,
    EncoderRequest,
    FrameSource,
    MemoryReader,
    PixelKind,
    VideoError,
    VideoReader,
    VideoWriter,
    check_animation,
    choose_encoder,
)
from ..video.stretched_sound import Stretch
from .clip import Clip
from .destination import check_destination, is_written_one_by_one
from .file_report import FileReport
from .frames import Conversion
from .resume import Segments, digest_of, parts_folder
from .segments import Encoding, write_segments
from .sources import open_source
from .streams import open_sink, write_stream

__all__ = ["FileReport", "interpolate_file"]

Sound = Literal["auto", "stretch", "tape", "none"]
SOUNDS: tuple[Sound, ...] = get_args(Sound)


@checked
def interpolate_file(
    network: RIFE,
    source: str | os.PathLike[str] | FrameSource,
    destination: str | os.PathLike[str],
    timeline: Timeline,
    *,
    fps: Fraction | None = None,
    crf: int | None = None,
    encoder: EncoderRequest | None = None,
    pipe_format: str = "y4m",
    first_number: int = 1,
    sound: Sound = "auto",
    resume: bool = True,
    progress: Progress | None = None,
    watch: Watch | None = None,
    plan: Plan | None = None,
    **options: Unpack[OptionFields],
) -> FileReport:
    """Writes `destination`: the clip `source` with the frames that `timeline` asks for.

    Memory does not grow with the length of the clip. Sound, subtitles, chapters and
    title are copied, colours keep their meaning and their bits. Clips of uneven frame
    times are retimed by these times. A file appears under its name only when it is
    complete; of numbered pictures, each one does.

    Args:
        network: any row, in evaluation mode, on the device to use.
        source: a video file, a folder or pattern of numbered pictures, "-" for y4m frames
            from standard input, or what `open_source` gives.
        destination: ends in one of `FILE_TYPES`, and a file there is replaced; or a folder or
            pattern of numbered pictures; or "-" for y4m frames on standard output.
        timeline: which frames to make, counted in source frames.
        fps: frame rate of the result; as fast as the source by default.
        crf: quality; see `VideoWriter`.
        encoder: what is asked of the encoder; goes before `crf`.
        pipe_format: of standard output: "y4m", "rgb24" or "rgb48".
        first_number: of numbered pictures.
        sound: at another speed than the source's nothing but the picture goes along; but under a
            speed curve, or with "stretch" at every one, sound follows the picture and keeps its
            pitch; with "tape" its pitch follows, too. "none" leaves all but the picture out.
        resume: goes on where an earlier run with the same source and options stopped,
            and keeps the finished segments of this one (see `resume`) if it is stopped.
            Loops and damaged sources are always made in one go.
        progress: called with the frames written so far and in all (None: not known);
            whatever it raises stops the work.
        watch: see `engine.Watch`.
        plan: see `first_plan`; by default it is made here.
        options: see `options.Options`.

    Raises:
        FileNotFoundError: there is no source.
        VideoError: the source cannot be read, is damaged or changes meanwhile, the
            destination cannot be written or is being made by another run, or frames are
            missing at the end.
        ValueError: an option does not fit.
    """
    started = time.perf_counter()
    checked = Options(**options)
    request = encoder or EncoderRequest(quality=crf)
    reader = source
    if isinstance(reader, (str, os.PathLike)):
        reader = open_source(reader, destination, encoder=request)
    one_by_one = is_written_one_by_one(destination)
    path = Path() if one_by_one else check_destination(destination, reader)
    reader.check()
    clip = Clip.of(reader, timeline, checked.scenes.replaced)
    checked.check(network, reader.height, reader.width)
    conversion = Conversion(
        network,
        clip,
        checked,
        plan or first_plan(network, reader.height, reader.width, checked),
        as_fraction(fps) if fps else clip.fps,
        progress,
        watch,
        started=started,
    )
    keeps = resume and _can_resume(conversion)
    if not one_by_one:
        return _to_file(conversion, path, request, sound, keeps=keeps)
    with open_sink(
        destination,
        clip,
        conversion.fps,
        request,
        layout=pipe_format,
        first_number=first_number,
        job=_job(conversion, request) if keeps else None,
        overwrite=not resume,
    ) as sink:
        return write_stream(conversion, sink)


def _to_file(
    conversion: Conversion, path: Path, request: EncoderRequest, sound: Sound, *, keeps: bool
) -> FileReport:
    """Writes segments, keeps them if it is stopped and `keeps`, and joins them to one file."""
    clip, fps = conversion.clip, conversion.fps
    lost = check_encoder(path, clip.reader, fps, request)
    pace = pace_of(clip, fps, sound)
    whole = writer_of(
        parts_folder(path) / f"whole{path.suffix}", clip, fps, request, pace, path.name
    )
    encoding = Encoding(fps, kind_of(clip.reader), request, path.suffix.lower(), path.name)
    with Segments(path, _job(conversion, request), keep=keeps) as segments:
        resumed = segments.count
        with conversion.frames_after(resumed) as frames:
            write_segments(
                frames,
                segments,
                encoding,
                conversion.report,
                conversion.begin,
                total=clip.total,
                progress=conversion.progress,
                watch=conversion.watch,
            )
        try:
            conversion.compare(segments.count)
        except VideoError:
            segments.discard()
            raise
        with whole:
            for segment in segments.finished:
                whole.append(segment, max(record.reorder for record in segments.records))
        clip.reader.check_unchanged()
        whole.path.replace(path)
    notes = notes_on(clip, whole, lost, pace)
    return conversion.done(whole.count, resumed, notes)


class Pace(NamedTuple):
    """The consequences of a clip's speed for everything but its picture.

    Attributes:
        stretch: how sound is stretched, and all else left out.
        without: why sound and all else is left out; None: it is not.
    """

    stretch: Stretch | None = None
    without: str | None = None


def pace_of(clip: Clip, fps: Fraction, sound: Sound = "auto") -> Pace:
    """What to do with the sound at the speed of a clip whose frames are shown at rate `fps`.

    Raises:
        ValueError: sound cannot be stretched to it.
    """
    timeline = clip.timeline
    if sound == "none":
        return Pace(without="as asked for")
    keeps_pitch = sound != "tape"
    if timeline.speed and fps == clip.fps:
        return Pace(Stretch(timeline.speed, keeps_pitch))
    if fps == clip.fps and not timeline.schedule and not timeline.speed:
        return Pace()
    if sound == "auto":
        return Pace(without="for the speed differs from the source's")
    if timeline.schedule or timeline.speed:
        raise ValueError(
            "Sound cannot be stretched along a schedule, or a speed curve at another frame rate; "
            "leave the sound as it is by default, or give a speed curve alone."
        )
    curve = SpeedCurve((SpeedStretch(Fraction(0), None, fps / clip.fps),))
    return Pace(Stretch(curve, keeps_pitch))


def _can_resume(conversion: Conversion) -> bool:
    clip = conversion.clip
    again = clip.reader.identity() is not None
    whole = clip.timeline.end == "loop" or clip.reader.allow_damaged
    return again and not whole


def kind_of(reader: FrameSource) -> PixelKind:
    """The pixels of the result of a source."""
    return replace(reader.kind, alpha=reader.channels == 4)


def check_encoder(
    destination: Path, reader: FrameSource, fps: Fraction, request: EncoderRequest
) -> tuple[str, ...]:
    """Sentences on what the encoder cannot keep.

    Raises:
        ValueError: what is asked of it does not fit.
        VideoError: there is none that fits.
    """
    suffix = destination.suffix.lower()
    kind = FILE_TYPES[suffix]
    if not kind.joins:
        check_animation(suffix, fps, request)
    elif fps > kind.highest_fps:
        raise VideoError(
            f"{suffix} files hold {kind.highest_fps} frames a second at most, and these are "
            f"{float(fps):.6g}. Give a lower rate (--fps), or --source-fps where the source says "
            "its own wrongly."
        )
    pixels = kind_of(reader)
    choice = choose_encoder(
        request, suffix, pixels, width=reader.width, height=reader.height, alpha=pixels.alpha
    )
    return choice.notes


def writer_of(
    path: Path, clip: Clip, fps: Fraction, request: EncoderRequest, pace: Pace, name: str
) -> VideoWriter | AnimationWriter:
    """The writer of a whole file, into which segments are joined and the other tracks go.

    Args:
        path: where it is written.
        clip, fps, request, pace: what is written.
        name: what messages call the file.
    """
    reader = clip.reader
    if not FILE_TYPES[path.suffix.lower()].joins:
        return AnimationWriter(
            path, fps, request, name=name, kind=kind_of(reader), left_out=list(reader.beside)
        )
    file = reader if isinstance(reader, VideoReader) else None
    sound = reader.audio if isinstance(reader, MemoryReader) else file
    return VideoWriter(
        path,
        fps,
        audio=None if pace.without else sound,
        speed=pace.stretch,
        title_of=file,
        kind=kind_of(reader),
        name=name,
    )


def _job(conversion: Conversion, encoder: EncoderRequest) -> dict[str, object]:
    """All that decides the result: segments of different jobs are never joined."""
    clip, network, options = conversion.clip, conversion.network, conversion.options
    return {
        **(clip.reader.identity() or {}),
        "scale": options.scale,
        "ensemble": options.ensemble,
        "unsure": options.unsure,
        "scenes": repr(options.scenes),
        "encoder": repr(encoder),
        "timeline": repr(clip.timeline),
        "fps": str(conversion.fps),
        "keep": None
        if options.keep is None
        else [list(options.keep.shape), digest_of([options.keep])],
        "weights": digest_of(network.state_dict().values()),
        "network": repr(network.spec),
    }


def notes_on(
    clip: Clip, whole: VideoWriter | AnimationWriter, lost: Iterable[str], pace: Pace
) -> Iterator[str]:
    """Notes on a file for the user; `lost` is what its encoder cannot keep."""
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
    if FILE_TYPES[whole.suffix].joins:
        yield from _notes_on_pace(reader, pace)
    if whole.left_out:
        names = ", ".join(whole.left_out)
        yield f"Left out, for {whole.suffix} files cannot hold it: {names}."


def _notes_on_pace(reader: FrameSource, pace: Pace) -> Iterator[str]:
    if pace.stretch and reader.audio_codecs:
        pitch = "keeps its pitch" if pace.stretch.keeps_pitch else "its pitch with it, as on a tape"
        yield f"Sound follows the speed and {pitch}."
    reason = pace.without
    beside = reader.beside
    if pace.stretch:
        reason = "for it cannot follow the speed"
        beside = [name for name in beside if not name.startswith("audio")]
    if reason and beside:
        yield f"Left out, {reason}: {', '.join(beside)}."
