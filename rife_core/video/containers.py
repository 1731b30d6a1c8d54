"""Opens files for FFmpeg by handle, never by name: no name is read as a URL or a pattern."""

from __future__ import annotations

import codecs
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.format import Flags as FormatFlags
from av.packet import Packet
from av.stream import Stream

from ..basics.whole_file import check_file

_BUFFER = 1 << 18  # bytes read at once
_GENERATED_TIMES = 1  # AVFMT_FLAG_GENPTS, which PyAV sets: invented times are worse than none
_FAULTS = (FFmpegError, OSError, ValueError, RuntimeError, MemoryError)
_NO_PROTOCOL = {"protocol_whitelist": "none"}  # a playlist opens nothing
_LATIN1 = "rife_video_latin1"
PYAV = int(av.__version__.partition(".")[0])
"""The release of PyAV, without what comes after its first point."""
_HANDS_BYTES_ON = PYAV >= 19
"""Whether PyAV takes descriptions for UTF-8 with the bytes that are none as surrogates."""
LATIN1_WHERE_NOT_UTF8: Mapping[str, Any] = {} if _HANDS_BYTES_ON else {"metadata_errors": _LATIN1}
"""Arguments of `av.open`; see `readable` for what takes none."""


class VideoError(ValueError):
    """A video file that cannot be read or written; the message says why."""


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return error.object[error.start : error.end].decode("latin-1"), error.end
    assert isinstance(error, UnicodeEncodeError)
    return "?" * (error.end - error.start), error.end


codecs.register_error(_LATIN1, _as_latin1)


def readable(text: str) -> str:
    r"""A description as PyAV gives it, read as Latin-1 if it is not UTF-8.

    Example:
        >>> readable("F\udcfcchse")
        'Füchse'
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", _LATIN1)


class _Nameless:
    """A file to read. Without a name, its content alone decides how it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


class _Named(_Nameless):
    """The same with a harmless name that ends as the file's own: a few formats need it."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file)
        self.name = "input" + path.suffix


@contextmanager
def open_input(path: Path, device: str | None = None) -> Generator[InputContainer]:
    """The file, opened for reading; an error in a sentence where that fails.

    Args:
        path: the file.
        device: the kind of hardware that is to decode; where it cannot, software does.

    Raises:
        FileNotFoundError: there is no such file.
        VideoError: it is none that can be read.
    """
    if path.is_dir():
        raise VideoError(f"{path} is a folder; give one video file.")
    check_file(path)
    with path.open("rb") as file:
        try:
            container = _opened(_Nameless(file), device)
        except _FAULTS as error:
            try:
                file.seek(0)
                container = _opened(_Named(file, path), device)
            except _FAULTS:
                raise _unreadable(path, error) from error
        with container:
            container.flags &= ~_GENERATED_TIMES
            yield container


def _opened(file: _Nameless, device: str | None) -> InputContainer:
    container = av.open(
        file,
        "r",
        container_options=_NO_PROTOCOL,  # as `options`, PyAV 15 to 17 crashes on .mpg
        buffer_size=_BUFFER,
        hwaccel=HWAccel(device) if device else None,
        **LATIN1_WHERE_NOT_UTF8,
    )
    if _HANDS_BYTES_ON:
        for described in (container, *container.streams):
            described.metadata.update({k: readable(v) for k, v in described.metadata.items()})
    return container


def _unreadable(path: Path, error: Exception) -> VideoError:
    reason = getattr(error, "strerror", None) or str(error)
    return VideoError(
        f"{path.name} is no video that can be read ({reason}). "
        "Give a file such as an mp4, mov, mkv or webm."
    )


def open_output(path: Path, options: dict[str, str], container: str) -> OutputContainer:
    """A container that is written to `path`, of the type that FFmpeg calls `container`."""
    name = f"file:{os.path.abspath(path)}"
    return av.open(
        name,
        "w",
        format=container,
        container_options=options,
        **LATIN1_WHERE_NOT_UTF8,
    )


def has_times(container: InputContainer) -> bool:
    """Whether the file type writes down when its frames are shown; raw streams do not."""
    return not container.format.flags & FormatFlags.no_timestamps.value


def may_jump(container: InputContainer) -> bool:
    """Whether the clock of this file type may be reset midway, as in broadcasts."""
    return bool(container.format.flags & FormatFlags.ts_discont.value)


def packets_of(container: InputContainer, *streams: Stream) -> Iterator[Packet[Stream]]:
    """All packets that hold something, of these streams or of all."""
    return (packet for packet in container.demux(*streams) if packet.size)
