"""Opens whatever a clip comes from: a video file, numbered pictures, or standard input."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path

from ..video import (
    FILE_TYPES,
    PIPE,
    EncoderRequest,
    FrameSource,
    ImageSequenceReader,
    Part,
    PipeReader,
    RawVideo,
    VideoReader,
    excerpt,
    is_image_sequence,
    keeps_alpha,
)
from ..video.image_sequence import DEFAULT_FPS, Gaps
from ..video.pipes import binary
from .destination import is_written_one_by_one

_WHOLE = Part()
_EXR = ".exr"


def open_source(
    name: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    encoder: EncoderRequest | None = None,
    fps: Fraction | float | str | None = None,
    allow_damaged: bool = False,
    skip_damaged: bool = False,
    hwaccel: str | None = None,
    deinterlace: bool = False,
    gaps: Gaps = "refuse",
    raw: str | None = None,
    size: str | None = None,
    part: Part = _WHOLE,
) -> FrameSource:
    """The frames of a clip, with its transparency where the destination can hold it.

    Args:
        name: a video file; a folder, a pattern such as `shot_%04d.png` or a glob of numbered
            pictures; or "-" for frames from standard input.
        destination: what is to become of them; see `interpolate_file`.
        encoder: what is asked of the encoder.
        fps: frame rate of the source; of pictures 24, of the others what they say by default.
        allow_damaged: keeps what can be read of a damaged clip.
        skip_damaged: leaves single frames or pictures out that are damaged, so that they are made.
        hwaccel: see `VideoReader`; pictures and pipes are decoded by software.
        deinterlace: see `VideoReader`.
        gaps: see `ImageSequenceReader`.
        raw: "rgb24" or "rgb48" where standard input is not y4m.
        size: of raw frames, such as "1920x1080".
        part: which part of the clip is meant.

    Raises:
        FileNotFoundError: there is no such source.
        VideoError: it cannot be read.
        ValueError: an option does not fit, or the clip has no such part.
    """
    text = os.fspath(name)
    alpha = _holds_alpha(destination, encoder)
    if hwaccel and (text == PIPE or is_image_sequence(text)):
        raise ValueError("Hardware decodes video files only; leave --hwaccel out.")
    _check_raw(text, raw, size)
    if text == PIPE:
        told = RawVideo.parse(raw, size, fps) if raw and raw != "y4m" else None
        source: FrameSource = PipeReader(binary(sys.stdin, "input"), raw=told, fps=fps)
    elif is_image_sequence(text):
        source = ImageSequenceReader(
            text,
            fps=fps or DEFAULT_FPS,
            gaps=gaps,
            alpha=alpha,
            allow_damaged=allow_damaged or skip_damaged,
            linear=Path(destination).suffix.lower() == _EXR,
        )
    else:
        source = VideoReader(
            text,
            allow_damaged=allow_damaged,
            fps=fps,
            deinterlace=deinterlace,
            alpha=alpha,
            skip_damaged=skip_damaged,
            hwaccel=hwaccel,
        )
    return excerpt(source, part)


def _check_raw(name: str, raw: str | None, size: str | None) -> None:
    if (name != PIPE and raw) or (size is not None and not raw):
        raise ValueError(
            "--raw and --size say together what frames on standard input are. Give both and - as "
            "the input, or leave them out."
        )


def _holds_alpha(destination: str | os.PathLike[str], encoder: EncoderRequest | None) -> bool:
    if os.fspath(destination) == PIPE:
        return False
    suffix = Path(destination).suffix.lower()
    if is_written_one_by_one(destination):
        return suffix not in (".jpg", ".jpeg")
    return suffix in FILE_TYPES and keeps_alpha(suffix, encoder)
