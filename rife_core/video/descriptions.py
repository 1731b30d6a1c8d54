"""Metadata of a file and its tracks: title and other tags, languages, chapters, fonts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream

from .containers import open_input
from .probe import chapters_of
from .reader import VideoReader

_OF_THE_FORMAT = frozenset(
    ("major_brand", "minor_version", "compatible_brands", "encoder", "software", "duration")
)
_DESCRIBING = ("language", "title")
_OTHER_NAMES = {"name": "title"}  # as MP4 has it
_UNDETERMINED = "und"
_IN_QUICKTIME = {  # languages whose other code of ISO 639-2 is the one that .mov files have
    **{"cze": "ces", "fre": "fra", "rum": "ron", "slo": "slk"},
    **{"sqi": "alb", "hye": "arm", "eus": "baq", "mya": "bur", "zho": "chi", "nld": "dut"},
    **{"kat": "geo", "deu": "ger", "ell": "gre", "isl": "ice", "mkd": "mac", "msa": "may"},
    **{"fas": "per", "bod": "tib", "cym": "wel", "swe": "sve"},
}
_IN_A_LANGUAGE = re.compile(r"-[a-z]{3}$")  # MP4 gives such lines twice


def carry_lines(container: InputContainer, output: OutputContainer) -> None:
    """Copies title and other such lines."""
    output.metadata.update({key: container.metadata[key] for key in _lines(container).values()})


def carry_chapters(container: InputContainer, source: VideoReader, output: OutputContainer) -> None:
    """Copies chapters (where PyAV can; older ones cannot) of what is read of a file."""
    if kept := _chapters(container, source):
        output.set_chapters(kept)


def carry_attachments(container: InputContainer, output: OutputContainer) -> None:
    """Copies fonts and other files that are attached, where `output` can hold them."""
    if output.format.name != "matroska" or not hasattr(output, "add_attachment"):
        return
    for stream in container.streams:
        if stream.type == "attachment":
            attached = cast("av.stream.AttachmentStream", stream)  # pyright: ignore[reportAttributeAccessIssue]
            name = attached.metadata.get("filename", f"attachment {stream.index}")
            mimetype = attached.metadata.get("mimetype", "application/octet-stream")
            output.add_attachment(name, mimetype, attached.data)


def describe(target: Stream, source: Stream) -> None:
    """Copies language and title of a track, and whether it plays by itself."""
    target.metadata.update(
        {key: source.metadata[key] for key in _DESCRIBING if key in source.metadata}
    )
    if target.container.format.name == "mov" and (code := target.metadata.get("language")):
        target.metadata["language"] = _IN_QUICKTIME.get(code, code)
    with suppress(AttributeError):  # older releases of PyAV can only read it
        # Its number: PyAV 14 refuses the flags that it gives.
        cast(Any, target).disposition = Disposition(source.disposition).value


def not_taken(
    source: VideoReader, tracks: Sequence[int], written: Path, *, chapters: bool
) -> list[str]:
    """What describes `source` and is not in the file that was written of it.

    Args:
        source: the source.
        tracks: numbers of those that went along, in the order in which they did.
        written: the whole file, its picture first.
        chapters: whether these were to go along, too.
    """
    with open_input(source.path) as before, open_input(written) as after:
        lost = [name for key, name in _lines(before).items() if key not in _lines(after)]
        for index, stream in zip((source.stream_index, *tracks), after.streams, strict=False):
            missing = _told(before.streams[index]) - _told(stream)
            lost += [f"{key} of track {index + 1}" for key in sorted(missing)]
        if chapters and _chapters(before, source) and not chapters_of(after):
            lost.append("chapters")
    return lost


def _lines(container: InputContainer) -> dict[str, str]:
    """The names of lines that describe a file, by the same in lower case."""
    return {
        _IN_A_LANGUAGE.sub("", key.lower()): key
        for key in container.metadata
        if key.lower() not in _OF_THE_FORMAT
    }


def _told(stream: Stream) -> set[str]:
    """Which of language and title a track tells."""
    told = {_OTHER_NAMES.get(key, key): text for key, text in stream.metadata.items()}
    return {key for key in _DESCRIBING if told.get(key, _UNDETERMINED) != _UNDETERMINED}


def _chapters(container: InputContainer, source: VideoReader) -> list[Any]:
    """Those of a file that lie within what is read of it, from its first frame on."""
    chapters = list(chapters_of(container))
    for chapter in chapters:
        tick = Fraction(chapter["time_base"] or 1)
        shift = round(source.start / tick)
        chapter["start"] = max(0, chapter["start"] - shift)
        chapter["end"] = max(0, chapter["end"] - shift)
        if source.stop is not None:
            chapter["end"] = min(chapter["end"], round(source.stop / tick))
    return [chapter for chapter in chapters if chapter["end"] > chapter["start"]]
