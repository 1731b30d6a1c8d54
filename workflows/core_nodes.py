"""Local twins of ComfyUI's core nodes for video and images, for graphs that run without it.

Ids, input names and output order are ComfyUI's, so one API-format file runs in both.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterable
from fractions import Fraction
from math import inf, isfinite
from pathlib import Path
from typing import Any, cast

import av
import torch
from torch import Tensor

from ..nodes.host import COLOR_SPACES, Video, input_folder, inside, output_folder
from ..rife_core.basics.whole_file import whole_file, write_whole
from ..rife_core.timeline import as_fraction
from ..rife_core.video import (
    DEFAULT_CRF,
    Audio,
    ColorTags,
    VideoReader,
    VideoWriter,
    encode_png,
)
from ..rife_core.video.pixels import reformat
from .graph import ANY

_CODECS = {"mp4": "h264", "mkv": "h264", "webm": "vp9"}
"""What each file type is encoded as."""

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif")
_WINDOWS = os.name == "nt"
_NO_FOLDER = (r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", r"[^.][. ]+$")  # on Windows
_SHOWN = 80
_PREFIX = "ComfyUI"

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def _files(suffixes: tuple[str, ...]) -> list[str]:
    """Files of some type directly in the input folder, as ComfyUI lists them."""
    folder = input_folder()
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in found if path.is_file() and path.suffix.lower() in suffixes)


def _input_file(name: str, suffixes: tuple[str, ...]) -> Path:
    """The file that a graph names: in the input folder, or "NAME [output]" in the output folder."""
    folder, bare = input_folder(), name
    if match := re.fullmatch(r"(.+) \[(input|output)\]", name):
        bare = match[1]
        folder = folder if match[2] == "input" else output_folder()
    path = inside(folder, bare)
    if not path.is_file():
        there = ", ".join(_files(suffixes)) or "nothing of that kind"
        raise ValueError(
            f"There is no file {name!r} in the input folder {input_folder().absolute()}. "
            f"Found: {there}."
        )
    return path


def _checked(name: Any, suffixes: tuple[str, ...]) -> bool | str:
    try:
        _input_file(str(name), suffixes)
    except ValueError as error:
        return str(error)
    return True


def _check_prefix(prefix: str) -> None:
    """Raises ValueError where no file can be called so, or Windows would call it otherwise."""
    *folders, _ = re.split(r"[/\\]", prefix)
    elsewhere = _NO_FOLDER if _WINDOWS else ()
    if (
        not prefix.isprintable()
        or (_WINDOWS and re.search(r'[<>"|?*:]', prefix))
        or any(
            re.search(pattern, folder, re.IGNORECASE) for pattern in elsewhere for folder in folders
        )
    ):
        raise ValueError(
            f"filename_prefix is {prefix[:_SHOWN]!r}, which no file can be called here; give one "
            "of letters, digits and spaces, with / between folders."
        )


def _next_path(prefix: str, suffix: str, width: int, height: int) -> Path:
    """The path for a new file: PREFIX_00001_.mp4, or one more than the highest that exists."""
    now = time.strftime("%Y %m %d %H %M %S").split()
    names = ("year", "month", "day", "hour", "minute", "second", "width", "height")
    for name, value in zip(names, (*now, str(width), str(height)), strict=True):
        prefix = prefix.replace(f"%{name}%", value)
    _check_prefix(prefix)
    stem = inside(output_folder(), prefix)
    if stem == inside(output_folder(), ""):  # "", "." and "a/.." name the folder, no file in it
        stem /= _PREFIX
    stem.parent.mkdir(parents=True, exist_ok=True)
    counter = re.compile(re.escape(stem.name) + r"_(\d+)_", re.IGNORECASE)
    matches = [counter.match(path.name) for path in stem.parent.iterdir()]
    number = max((int(match[1]) for match in matches if match), default=0) + 1
    return stem.with_name(f"{stem.name}_{number:05}_{suffix}")


def _saved(paths: Iterable[Path]) -> dict[str, Any]:
    """The server's report on saved files."""
    root = inside(output_folder(), "")
    return {
        "images": [
            {
                "filename": path.name,
                "subfolder": path.parent.relative_to(root).as_posix().removeprefix("."),
                "type": "output",
            }
            for path in paths
        ]
    }


class LoadVideo:
    """A video file from the input folder."""

    RETURN_TYPES = ("VIDEO",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"file": (_files(VIDEO_SUFFIXES),)}, "optional": {"edit": ("EDIT", {})}}

    @classmethod
    def VALIDATE_INPUTS(cls, file: str) -> bool | str:  # noqa: N802
        return _checked(file, VIDEO_SUFFIXES)

    def load(self, file: str, edit: Any = None) -> tuple[Video]:
        """The file as a video; `edit` trims and crops it, as newer pages write it."""
        path = _input_file(file, VIDEO_SUFFIXES)
        return (_edited(path, edit) if edit else Video(path),)


class GetVideoComponents:
    """Frames, sound (None if silent), frame rate and bit depth of a video."""

    RETURN_TYPES = ("IMAGE", "AUDIO", "FLOAT", "INT")
    RETURN_NAMES = ("images", "audio", "fps", "bit_depth")
    FUNCTION = "split"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"video": ("VIDEO", {})}}

    def split(self, video: Video) -> tuple[Tensor, Audio | None, float, int]:
        """Decodes the video where it is a file."""
        if isinstance(video.frames, Tensor):
            return video.frames, video.audio, float(video.fps or 1), video.depth
        reader = cast(VideoReader, video.reader())
        return torch.stack(list(reader)), reader.read_audio(), float(reader.fps), reader.depth


class CreateVideo:
    """A video of frames, a frame rate and sound."""

    RETURN_TYPES = ("VIDEO",)
    FUNCTION = "join"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "images": ("IMAGE", {}),
                "fps": ("FLOAT", {"default": 30.0, "min": 1.0, "max": 120.0, "step": 1.0}),
            },
            "optional": {
                "audio": ("AUDIO", {}),
                # A number in some releases, a choice in others.
                "bit_depth": (ANY, {"options": ["auto", 8, 10], "default": "auto"}),
                "color_space": (["sRGB", *COLOR_SPACES], {"default": "sRGB"}),
            },
        }

    def join(
        self,
        images: Tensor,
        fps: float,
        audio: Audio | None = None,
        bit_depth: int | str = "auto",
        color_space: str = "sRGB",
    ) -> tuple[Video]:
        """Nothing is encoded yet; "auto" is 8 bits, and 10 for HDR."""
        depth = (10 if color_space in COLOR_SPACES else 8) if bit_depth == "auto" else bit_depth
        color = COLOR_SPACES.get(color_space, ColorTags())
        return (Video(images, as_fraction(fps), audio, int(depth), color),)


class SaveVideo:
    """Writes a video into the output folder."""

    OUTPUT_NODE = True
    RETURN_TYPES = ("VIDEO",)
    RETURN_NAMES = ("video",)
    FUNCTION = "save"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "video": ("VIDEO", {}),
                "filename_prefix": ("STRING", {"default": "video/ComfyUI"}),
                "format": (["auto", *_CODECS], {"default": "auto"}),
            },
            "optional": {
                "codec": (["auto", "h264", "h265", "hevc", "vp9", "av1"], {"default": "auto"}),
                "crf": ("FLOAT", {"default": DEFAULT_CRF, "min": 0, "max": 63}),
            },
        }

    def save(
        self,
        video: Video,
        filename_prefix: str,
        format: str,
        codec: str = "auto",
        crf: float | None = None,
    ) -> dict[str, Any]:
        """Encodes the video; a file of that type already is copied as it is."""
        if format == "auto":
            format = "webm" if codec in ("vp9", "av1") else "mp4"
        suffix, said = f".{format}", {}
        if codec not in ("auto", _CODECS[format]):
            said = {"text": (f"{format} is written as {_CODECS[format]} here, not as {codec}.",)}
        quality = DEFAULT_CRF if crf is None else min(51, round(crf))
        if isinstance(video.frames, Path):
            reader = cast(VideoReader, video.reader())
            path = _next_path(filename_prefix, suffix, reader.width, reader.height)
            is_whole = video.window == Video.window
            if is_whole and video.frames.suffix.lower() == path.suffix and crf is None:
                with whole_file(path) as part:
                    shutil.copyfile(video.frames, part)
            else:
                look = {"color": reader.color, "depth": reader.depth, "aspect": reader.aspect}
                _write(path, reader, reader.fps, reader, quality, **look)
        else:
            height, width = video.frames.shape[1:3]
            path = _next_path(filename_prefix, suffix, width, height)
            look = {"color": video.color, "depth": video.depth}
            sound = video.reader().audio
            _write(path, video.frames, video.fps or Fraction(1), sound, quality, **look)
        return {"ui": {**_saved([path]), "animated": (True,), **said}, "result": (video,)}


def _write(
    path: Path,
    frames: Iterable[Tensor],
    fps: Fraction,
    audio: VideoReader | Audio | None,
    crf: int,
    **look: Any,
) -> None:
    due = len(frames) if isinstance(frames, Tensor) else None
    with VideoWriter(path, fps, audio=audio, crf=crf, due=due, **look) as writer:
        for frame in frames:
            writer.write(frame[..., :3])


def _edited(path: Path, edit: Any) -> Video:
    """The part of a file that a page's edit of Load Video shows: a stretch, a rectangle, or both.

    Raises:
        ValueError: the edit says something else.
    """
    reader = VideoReader(path)
    try:
        edit = json.loads(edit) if isinstance(edit, str) else edit
        if not isinstance(edit, dict):
            raise TypeError(f"expected trim and crop by name, found {str(edit)[:_SHOWN]}")
        trim, crop = edit.get("trim") or {}, edit.get("crop") or {}
        start, duration = (float(trim.get(name) or 0) for name in ("start_time", "duration"))
        if not isfinite(start) or not 0 <= duration < inf:
            raise TypeError(f"trim is {str(trim)[:_SHOWN]}")
        x, y = (int(crop.get(name) or 0) for name in ("x", "y"))
        width = int(crop.get("width") or reader.width - x)
        height = int(crop.get("height") or reader.height - y)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"The edit of {path.name} cannot be read: {error}.") from error
    if others := sorted(set(edit) - {"trim", "crop"}):
        raise ValueError(
            f"The edit of {path.name} has {', '.join(others)}; without a server only trim and crop "
            "are known. Edit the file, or run the prompt on a server."
        )
    if start < 0:
        start += float(reader.clock.end)
    if not crop:
        video = Video(path, window=(float(reader.start) + max(start, 0.0), duration))
        video.reader()  # whether anything is left
        return video
    stop = start + duration if duration else float("inf")
    frames = [
        frame[y : y + height, x : x + width]
        for seconds, frame in reader.timed()
        if start <= seconds < stop
    ]
    if not frames or not frames[0].numel():
        raise ValueError(
            f"Nothing of {path.name} is left by its edit: it is {reader.width}x{reader.height}, "
            f"{float(reader.clock.count / reader.fps):.3f} s long."
        )
    audio = reader.read_audio()
    if audio is not None:
        rate = audio["sample_rate"]
        begin, end = round(start * rate), round((start + len(frames) / reader.fps) * rate)
        audio = {**audio, "waveform": audio["waveform"][..., begin:end]}
    return Video(torch.stack(frames), reader.fps, audio, reader.depth, reader.color)


class LoadImage:
    """An image from the input folder, and its transparency as a mask."""

    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"image": (_files(IMAGE_SUFFIXES),)}}

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:  # noqa: N802
        return _checked(image, IMAGE_SUFFIXES)

    def load(self, image: str) -> tuple[Tensor, Tensor]:
        """The image, 1 H W 3 in [0, 1], and where it is transparent, 1 H W."""
        with av.open(_input_file(image, IMAGE_SUFFIXES)) as container:
            array = reformat(next(container.decode(video=0)), format="rgba").to_ndarray()
        rgba = torch.from_numpy(array).float().div(255)[None]
        return rgba[..., :3].contiguous(), 1 - rgba[..., 3]


class ImageFromBatch:
    """Some frames out of many."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "cut"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "image": ("IMAGE",),
                "batch_index": ("INT", {"default": 0, "min": 0, "max": 4095}),
                "length": ("INT", {"default": 1, "min": 1, "max": 4096}),
            }
        }

    def cut(self, image: Tensor, batch_index: int, length: int) -> tuple[Tensor]:
        """A start beyond the end gives the last frame."""
        start = min(batch_index, len(image) - 1)
        return (image[start : start + length].clone(),)


class SaveImage:
    """Writes images as PNG files into the output folder."""

    OUTPUT_NODE = True
    RETURN_TYPES = ()
    FUNCTION = "save"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "images": ("IMAGE", {}),
                "filename_prefix": ("STRING", {"default": "ComfyUI"}),
            }
        }

    def save(self, images: Tensor, filename_prefix: str) -> dict[str, Any]:
        """Writes one file for each image."""
        height, width = images.shape[1:3]
        paths: list[Path] = []
        for image in images:
            paths.append(_next_path(filename_prefix, ".png", width, height))
            write_whole(paths[-1], encode_png(image[..., :3]))
        return {"ui": _saved(paths)}


class PreviewImage(SaveImage):
    """Writes images under the prefix `preview`: without a page, that is where to look at them."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"images": ("IMAGE", {})}}

    def save(self, images: Tensor, filename_prefix: str = "preview") -> dict[str, Any]:
        """Writes one file for each image."""
        return super().save(images, filename_prefix)


class Primitive:
    """A value that is wired to several nodes."""

    FUNCTION = "give"

    def give(self, value: Any) -> tuple[Any]:
        """The value."""
        return (value,)


def _primitive(kind: str, **options: Any) -> type[Primitive]:
    declared = {"required": {"value": (kind, options)}}
    inputs = classmethod(lambda cls: declared)
    return type("Primitive", (Primitive,), {"RETURN_TYPES": (kind,), "INPUT_TYPES": inputs})


NODE_CLASS_MAPPINGS = {
    "LoadVideo": LoadVideo,
    "GetVideoComponents": GetVideoComponents,
    "CreateVideo": CreateVideo,
    "SaveVideo": SaveVideo,
    "LoadImage": LoadImage,
    "ImageFromBatch": ImageFromBatch,
    "SaveImage": SaveImage,
    "PreviewImage": PreviewImage,
    "PrimitiveInt": _primitive("INT"),
    "PrimitiveFloat": _primitive("FLOAT"),
    "PrimitiveString": _primitive("STRING"),
    "PrimitiveStringMultiline": _primitive("STRING", multiline=True),
    "PrimitiveBoolean": _primitive("BOOLEAN"),
}
