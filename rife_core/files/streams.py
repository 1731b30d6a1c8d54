"""From a clip to where frames are written one by one: numbered pictures, or a pipe."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction

from ..basics.whole_file import leftovers, write_whole
from ..video import (
    PIPE,
    EncoderRequest,
    ImageSequenceReader,
    ImageSequenceWriter,
    PipeWriter,
    VideoError,
)
from ..video.images import check_image_type
from ..video.pipes import binary
from .clip import Clip
from .destination import check_pictures
from .file_report import FileReport
from .frames import Conversion
from .lock import FolderLock

_STATE, _JOB = ".rife-video", "job.json"

Sink = ImageSequenceWriter | PipeWriter


@contextmanager
def open_sink(
    destination: str | os.PathLike[str],
    clip: Clip,
    fps: Fraction,
    encoder: EncoderRequest,
    *,
    layout: str = "y4m",
    first_number: int = 1,
    job: Mapping[str, object] | None = None,
    overwrite: bool = False,
) -> Generator[Sink]:
    """Where the frames of a clip go.

    Of pictures that an earlier run of the same `job` has written, `count` tells how many.
    Others that are there are only written over where that is asked for.

    Raises:
        VideoError: nothing can be written there, or other pictures are there.
        ValueError: what is asked of the encoder does not fit.
    """
    name = os.fspath(destination)
    kind = clip.reader.kind
    if name == PIPE:
        with PipeWriter(binary(sys.stdout, "output"), fps, kind, layout) as pipe:
            yield pipe
        return
    for asked, word in (
        (encoder.encoder, "encoder"),
        (encoder.preset, "preset"),
        (encoder.pixel_format, "pixel format"),
    ):
        if asked:
            raise ValueError(f"Pictures have no {word} to choose, and {asked!r} was asked for.")
    source = clip.reader if isinstance(clip.reader, ImageSequenceReader) else None
    pictures = ImageSequenceWriter(
        name,
        first_number=first_number,
        depth=kind.depth,
        quality=encoder.quality,
        light=source.light if source else None,
        header=source.header if source else None,
    )
    check_image_type(pictures.suffix, encoder.quality)
    check_pictures(pictures.folder, clip.reader)
    with _kept(pictures, job, overwrite):
        yield pictures


@contextmanager
def _kept(
    pictures: ImageSequenceWriter, job: Mapping[str, object] | None, overwrite: bool
) -> Generator[None]:
    """Continues after pictures of the same job; refuses to mix with others."""
    state = pictures.folder / _STATE
    text = None if job is None else json.dumps({**job, "pattern": str(pictures.path_of(0))})
    try:
        lock = FolderLock(state)
    except BlockingIOError as error:
        raise VideoError(
            f"{pictures.folder} is being filled by another run. Wait for it to end, or give "
            "another folder."
        ) from error
    try:
        there, record = pictures.there(), state / _JOB
        same = record.is_file() and text is not None and record.read_text("utf-8") == text
        if there and not same and not overwrite:
            raise VideoError(
                f"{pictures.folder} holds {pictures.path_of(0).name} and other pictures already. "
                "Give another folder, or --no-resume to write over them."
            )
        if text is not None:
            pictures.count = there
            for part in leftovers(pictures.path_of(there)):
                part.unlink()
            write_whole(record, text)
        yield
        shutil.rmtree(state, ignore_errors=True)
    finally:
        if not (text is not None and pictures.count):
            shutil.rmtree(state, ignore_errors=True)
        lock.release(None if state.exists() else state)


def write_stream(conversion: Conversion, sink: Sink) -> FileReport:
    """Makes the frames of a clip and writes each as soon as it is there.

    Raises:
        BrokenPipeError: nobody reads any more.
        VideoError: see `interpolate_file`.
    """
    clip, resumed = conversion.clip, sink.count

    def tell(total: int | None = clip.total) -> None:
        if conversion.progress:
            conversion.progress(sink.count, total)

    tell()
    with conversion.frames_after(resumed) as frames:
        for frame in frames:
            if conversion.watch:
                conversion.watch(frame)
            sink.write(frame)
            tell()
    conversion.compare(sink.count)
    tell(clip.total and sink.count)
    clip.reader.check_unchanged()
    return conversion.done(sink.count, resumed, _notes(clip, sink))


def _notes(clip: Clip, sink: Sink) -> Iterator[str]:
    reader = clip.reader
    yield from reader.notes()
    if clip.note:
        yield clip.note
    if reader.beside:
        names = ", ".join(reader.beside)
        yield f"Left out, for only frames go to pictures and pipes: {names}."
    if reader.has_alpha and reader.channels == 3:
        yield "Transparency is left out, for it cannot be kept there; .png and .exr keep it."
    yield from sink.notes
    if isinstance(sink, ImageSequenceWriter):
        if reader.kind.aspect != 1:
            yield f"Pictures do not tell the shape of pixels ({reader.kind.aspect})."
        if sink.path_of(sink.count).exists():
            yield (
                f"Pictures from {sink.path_of(sink.count).name} on are of an earlier run; delete "
                "them if they do not belong there."
            )
