"""Local twins of ComfyUI's core nodes for video and images, for graphs that run without it.

Ids, input names and output order are ComfyUI's, so one API-format file runs in both.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import torch
from torch import Tensor

from ..nodes.host import Video, input_folder, inside, output_folder
from ..rife_core.timeline import as_fraction
from ..rife_core.video import Audio, VideoReader, VideoWriter, encode_png

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif")
_PREFIX = "ComfyUI"

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def _files(suffixes: tuple[str, ...]) -> list[str]:
    """Files of some type that lie directly in the input folder, as ComfyUI lists them."""
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


def _next_path(prefix: str, suffix: str, width: int, height: int) -> Path:
    """The path for a new file: PREFIX_00001_.mp4, or one more than the highest that exists."""
    now = time.strftime("%Y %m %d %H %M %S").split()
    names = ("year", "month", "day", "hour", "minute", "second", "width", "height")
    for name, value in zip(names, (*now, str(width), str(height)), strict=True):
        prefix = prefix.replace(f"%{name}%", value)
    stem = inside(output_folder(), prefix)
    if stem == inside(output_folder(), ""):  # "", "." and "a/.." name the folder, no file in it
        stem /= _PREFIX
    stem.parent.mkdir(parents=True, exist_ok=True)
    counter = re.compile(re.escape(stem.name) + r"_(\d+)_", re.IGNORECASE)
    matches = [counter.match(path.name) for path in stem.parent.iterdir()]
    number = max((int(match[1]) for match in matches if match), default=0) + 1
    return stem.with_name(f"{stem.name}_{number:05}_{suffix}")


def _saved(paths: Iterable[Path]) -> dict[str, Any]:
    """What the server reports of saved files."""
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
        return {"required": {"file": (_files(VIDEO_SUFFIXES),)}}

    @classmethod
    def VALIDATE_INPUTS(cls, file: str) -> bool | str:  # noqa: N802
        return _checked(file, VIDEO_SUFFIXES)

    def load(self, file: str) -> tuple[Video]:
        """See the class."""
        return (Video(_input_file(file, VIDEO_SUFFIXES)),)


class GetVideoComponents:
    """Frames, sound (None if silent) and frame rate of a video."""

    RETURN_TYPES = ("IMAGE", "AUDIO", "FLOAT")
    RETURN_NAMES = ("images", "audio", "fps")
    FUNCTION = "split"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"video": ("VIDEO", {})}}

    def split(self, video: Video) -> tuple[Tensor, Audio | None, float]:
        """See the class."""
        if isinstance(video.frames, Tensor):
            return video.frames, video.audio, float(video.fps or 1)
        reader = VideoReader(video.frames)
        return torch.stack(list(reader)), reader.read_audio(), float(reader.fps)


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
            "optional": {"audio": ("AUDIO", {})},
        }

    def join(self, images: Tensor, fps: float, audio: Audio | None = None) -> tuple[Video]:
        """See the class."""
        return (Video(images, as_fraction(fps), audio),)


class SaveVideo:
    """Writes a video into the output folder."""

    OUTPUT_NODE = True
    RETURN_TYPES = ()
    FUNCTION = "save"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "video": ("VIDEO", {}),
                "filename_prefix": ("STRING", {"default": "video/ComfyUI"}),
                "format": (["auto", "mp4"], {"default": "auto"}),
                "codec": (["auto", "h264"], {"default": "auto"}),
            }
        }

    def save(self, video: Video, filename_prefix: str, format: str, codec: str) -> dict[str, Any]:
        """See the class; a video that is a file already is copied, not encoded again."""
        del format, codec  # both have one value besides auto, which is what auto takes
        if isinstance(video.frames, Path):
            reader = VideoReader(video.frames)
            path = _next_path(filename_prefix, ".mp4", reader.width, reader.height)
            if video.frames.suffix.lower() == path.suffix:
                shutil.copyfile(video.frames, path)
            else:
                _write(path, reader, reader.fps, reader)
        else:
            height, width = video.frames.shape[1:3]
            path = _next_path(filename_prefix, ".mp4", width, height)
            _write(path, video.frames, video.fps or Fraction(1), video.sound)
        return {"ui": {**_saved([path]), "animated": (True,)}}


def _write(
    path: Path, frames: Iterable[Tensor], fps: Fraction, audio: VideoReader | Audio | None
) -> None:
    due = len(frames) if isinstance(frames, Tensor) else None
    with VideoWriter(path, fps, audio=audio, due=due) as writer:
        for frame in frames:
            writer.write(frame[..., :3])


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
        """See the class."""
        with av.open(_input_file(image, IMAGE_SUFFIXES)) as container:
            array = next(container.decode(video=0)).to_ndarray(format="rgba")
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
        """See the class; a start beyond the end gives the last frame."""
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
        """See the class."""
        height, width = images.shape[1:3]
        paths: list[Path] = []
        for image in images:
            paths.append(_next_path(filename_prefix, ".png", width, height))
            paths[-1].write_bytes(encode_png(image[..., :3]))
        return {"ui": _saved(paths)}


class PreviewImage(SaveImage):
    """Writes images under the prefix `preview`: without a page, that is where to look at them."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"images": ("IMAGE", {})}}

    def save(self, images: Tensor, filename_prefix: str = "preview") -> dict[str, Any]:
        """See the class."""
        return super().save(images, filename_prefix)


NODE_CLASS_MAPPINGS = {
    "LoadVideo": LoadVideo,
    "GetVideoComponents": GetVideoComponents,
    "CreateVideo": CreateVideo,
    "SaveVideo": SaveVideo,
    "LoadImage": LoadImage,
    "ImageFromBatch": ImageFromBatch,
    "SaveImage": SaveImage,
    "PreviewImage": PreviewImage,
}
