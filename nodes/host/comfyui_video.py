"""ComfyUI's videos read as ours, and files sent on as ComfyUI's videos."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from math import ceil, inf
from pathlib import Path
from typing import Any

from ...rife_core.basics.arguments import shown
from ...rife_core.basics.whole_file import write_whole
from ...rife_core.timeline import as_fraction
from ...rife_core.video import ColorTags
from .comfyui import comfyui
from .folders import temporary_path
from .pieces import Pieces, frame_bytes, frames_of
from .video import Video

_MOST_AT_ONCE = 2**29
"""Bytes of frames that a video is decoded to at once; longer ones come in pieces."""

COLOR_SPACES = {"HDR": ColorTags(9, 9, 18), "HDR PQ": ColorTags(9, 9, 16)}
"""What ComfyUI calls BT.2020 with hybrid log-gamma and with PQ, by the codes of ITU-T H.273."""


@contextmanager
def opened(video: Any) -> Generator[Video]:
    """What came along a VIDEO wire, as a `Video` that can be read while the block runs.

    ComfyUI's own videos are taken as a file where they are one, or a part of one, so that they
    need not be decoded into memory, and keep what only the file tells: when each frame is shown,
    depth and colours. Not so where frames would first have to be encoded.
    """
    if isinstance(video, Video):
        yield video
        return
    api = comfyui("comfy_api.latest")
    if not (api and hasattr(video, "get_components")):
        raise ValueError(
            f"video is {shown(video)}; wire it from Load Video, or from a node that makes one."
        )
    if type(video) is not api.InputImpl.VideoFromFile or (window := _window(video)) is None:
        in_memory = getattr(api.InputImpl, "VideoFromComponents", ())
        yield _as_frames(video, not isinstance(video, in_memory))
    elif isinstance(source := video.get_stream_source(), str | os.PathLike):
        yield Video(Path(source), window=window)
    else:
        path = temporary_path("")
        try:
            source.seek(0)
            write_whole(path, source.read())
            yield Video(path, window=window)
        finally:
            path.unlink(missing_ok=True)


def _window(video: Any) -> tuple[float, float] | None:
    """The part of its file that a video shows as it is; None where it is cropped or changed.

    Releases of ComfyUI differ in what they can do to a video, and not all of it can be asked
    for. So it is compared, attribute by attribute, with a fresh one of the same file. Of a class
    derived from it nothing is known; that is asked for its frames.
    """
    try:
        fresh = type(video)(video.get_stream_source())
    except TypeError:  # a kind of its own, which takes more than a file
        return None
    own, given = vars(fresh), vars(video)
    if own.keys() != given.keys():
        return None
    changed = {name.rpartition("__")[2]: given[name] for name in own if own[name] != given[name]}
    window = changed.pop("start_time", 0.0), changed.pop("duration", 0.0)
    is_meant = all(isinstance(time, int | float) and 0 <= time < inf for time in window)
    return None if changed or not is_meant else window


def _as_frames(video: Any, of_file: bool) -> Video:
    """The frames of a video as it is shown; in pieces where they are too many for memory."""
    depth = video.get_bit_depth() if hasattr(video, "get_bit_depth") else 8
    space = video.get_color_space() if hasattr(video, "get_color_space") else None
    color = COLOR_SPACES.get(str(space), ColorTags())
    if of_file and hasattr(video, "as_trimmed"):
        fps = as_fraction(float(video.get_frame_rate()))
        count = ceil(round(video.get_duration() * fps, 3))
        if count * frame_bytes(video) > _MOST_AT_ONCE and _counts_from_its_start(video):
            pieces = Pieces(video, fps, count)
            return Video(pieces, fps, pieces.audio(), depth, color, of_file)
    parts = video.get_components()
    fps = as_fraction(float(parts.frame_rate))
    return Video(frames_of(parts), fps, parts.audio, depth, color, of_file)


def _counts_from_its_start(video: Any) -> bool:
    """Whether a second trim means what it says: not after one that counts from the end."""
    return not any(
        name.endswith("start_time") and isinstance(value, int | float) and value < 0
        for name, value in vars(video).items()
    )


def video_of_file(path: Path) -> Any:
    """What to send along a VIDEO wire for a file; savers copy it as it is."""
    if api := comfyui("comfy_api.latest"):
        return api.InputImpl.VideoFromFile(str(path))
    return Video(path)
