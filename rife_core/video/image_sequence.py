"""Clips that are folders of numbered pictures: read with their numbers, written one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from fractions import Fraction
from functools import cached_property
from glob import escape
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from ..basics.whole_file import whole_file
from ..ops.light import DisplayLight, Light, LogLight
from ..timeline import as_fraction
from .clock import Clock
from .containers import VideoError
from .images import FORMATS, Image, encode_image, keeps_depth, read_image, write_exr
from .pixels import ColorTags, PixelKind

Gaps = Literal["refuse", "close", "keep"]
GAPS: tuple[Gaps, ...] = get_args(Gaps)

DEFAULT_FPS = Fraction(24)

_NUMBER = re.compile(r"(\d+)(?!.*\d)")
_PLACE = re.compile(r"%(?:0(\d+))?d")
_FEW = 6  # names in a message
_EXR = ".exr"


class _Numbered(NamedTuple):
    """A picture and its number."""

    number: int
    path: Path


def is_image_sequence(name: str) -> bool:
    """Whether a name means numbered pictures: a folder, a pattern with %d, or a glob.

    Example:
        >>> is_image_sequence("shot_%04d.png"), is_image_sequence("clip.mp4")
        (True, False)
    """
    path = Path(name)
    if path.is_file():
        return False
    if path.is_dir() or name.endswith(("/", "\\")):
        return True
    if path.suffix.lower() not in FORMATS:  # in the name of a video a %d is just a name
        return False
    return bool(_PLACE.search(path.name) or re.search(r"[*?\[]", path.name))


class ImageSequenceReader:
    """The pictures of a folder, of a pattern such as `shot_%04d.png` or of a glob, by number.

    It has the face of a `VideoReader`.

    Args:
        name: which pictures.
        fps: how many of them are shown a second.
        gaps: where numbers are missing: "refuse" the clip; "close" them, so that the pictures
            follow each other; or "keep" the time of the missing ones, which then are made.
        alpha: reads transparency, too, where there is any.
        allow_damaged: leaves out pictures that cannot be read, and keeps their time.
        linear: gives EXR pictures in a curve that keeps light of any size (`light.LogLight`),
            to be written as EXR again; else they become what displays are sent, as video is.

    Raises:
        FileNotFoundError: there is no such picture.
        VideoError: they do not make a clip.
    """

    def __init__(
        self,
        name: str,
        *,
        fps: Fraction | float | str = DEFAULT_FPS,
        gaps: Gaps = "refuse",
        alpha: bool = False,
        allow_damaged: bool = False,
        linear: bool = False,
    ) -> None:
        self.path = Path(name)
        self.fps = as_fraction(fps)
        self.allow_damaged = allow_damaged
        self.skip_damaged = False
        self.gaps: Gaps = gaps
        self.audio_codecs: list[str] = []
        self.beside: list[str] = []
        self.explains_count = allow_damaged
        self._unreadable: list[str] = []
        self._pictures = _find(name)
        self._state = self._state_now()
        missing = _missing(self._pictures)
        if missing and gaps == "refuse":
            raise VideoError(
                f"Pictures are missing between {self._pictures[0].path.name} and "
                f"{self._pictures[-1].path.name}: number {_listed(missing)}. Give --gaps close to "
                "go on without them, or --gaps keep to have them made."
            )
        self._missing = missing
        first = self._first()
        self.height, self.width = first.pixels.shape[:2]
        self.has_alpha = first.pixels.shape[2] == 4
        self.channels = 4 if alpha and self.has_alpha else 3
        self._is_linear, self._left_out = first.is_linear, first.left_out
        self.header: Mapping[str, object] = first.header
        self.light: Light | None = None
        if first.is_linear:
            self.light = LogLight() if linear else DisplayLight()
        depth = min(first.depth, 16)
        self.kind = PixelKind(ColorTags(), depth, alpha=self.has_alpha, source_chroma=first.chroma)

    @property
    def first_number(self) -> int:
        """The number of the first picture."""
        return self._pictures[0].number

    @cached_property
    def clock(self) -> Clock:
        """When the pictures are shown."""
        numbers = np.array([each.number for each in self._pictures], np.int64)
        even = self.gaps != "keep" or not self._missing
        ticks = np.arange(len(numbers), dtype=np.int64) if even else numbers - numbers[0]
        end = Fraction(int(ticks[-1]) + 1) / self.fps
        return Clock(len(ticks), even, self.fps, ticks, 1 / self.fps, end, len(ticks))

    def timed(self, first: int = 0) -> Iterator[tuple[Fraction, Tensor]]:
        """Pictures from the one after `first` others on, each with its time in seconds."""
        for index in range(first, len(self._pictures)):
            frame = self._frame(self._pictures[index].path)
            if frame is not None:
                yield self.clock.time(index), frame

    def part(self, first: int, count: int | None) -> ImageSequenceReader:
        """The same with `count` pictures from picture `first` on."""
        part = copy(self)
        chosen = slice(first, None if count is None else first + count)
        part._pictures, part._state = self._pictures[chosen], self._state[chosen]
        part._missing = _missing(part._pictures)
        part.__dict__.pop("clock", None)
        return part

    def check(self) -> str | None:
        """Nothing is known of damage before a picture is read."""
        return None

    def check_unchanged(self) -> None:
        """Raises a VideoError where pictures were changed since they were found."""
        if self._state_now() != self._state:
            raise VideoError(
                f"The pictures {self.path} were changed while they were read, so the result would "
                "mix two clips. Run it again once they stay as they are."
            )

    def notes(self) -> list[str]:
        """Sentences on what a person should know."""
        notes: list[str] = []
        if self._missing:
            fate = "their time is filled" if self.gaps == "keep" else "the clip goes on without"
            notes.append(f"Missing pictures: number {_listed(self._missing)}; {fate}.")
        if self._unreadable:
            notes.append(f"Left out, for they cannot be read: {_listed(self._unreadable)}.")
        if self._left_out:
            notes.append(f"Channels that were not read: {_listed(self._left_out)}.")
        if isinstance(self.light, DisplayLight):
            notes.append(
                "The pictures hold linear light; it became sRGB, and what was above 1 or below 0 "
                "is cut off. Write .exr to keep it."
            )
        return notes

    def identity(self) -> Mapping[str, object]:
        """Names, sizes and dates of all pictures, and how they are read."""
        return {
            "source": str(self.path.resolve()),
            "pictures": [[path.name, *state] for (_, path), state in self._with_states()],
            "reading": [str(self.fps), self.gaps, self.channels],
        }

    def _with_states(self) -> Iterator[tuple[_Numbered, tuple[int, int]]]:
        return zip(self._pictures, self._state, strict=True)

    def _state_now(self) -> list[tuple[int, int]]:
        try:
            states = [path.stat() for _, path in self._pictures]
        except OSError:
            return []
        return [(state.st_size, state.st_mtime_ns) for state in states]

    def _first(self) -> Image:
        for _, path in self._pictures:
            try:
                return read_image(path)
            except VideoError:
                if not self.allow_damaged:
                    raise
        raise VideoError(f"None of the pictures {self.path} can be read.")

    def _frame(self, path: Path) -> Tensor | None:
        try:
            image = read_image(path)
        except VideoError as error:
            if not self.allow_damaged:
                raise VideoError(
                    f"{error} Allow damage (--allow-damaged) to have such pictures made from "
                    "their neighbours."
                ) from error
            self._unreadable.append(path.name)
            return None
        height, width = image.pixels.shape[:2]
        if (height, width) != (self.height, self.width) or image.is_linear != self._is_linear:
            raise VideoError(
                f"{path.name} does not fit the pictures before it: it is {width}x{height}"
                f"{', linear' if image.is_linear else ''}, and they are {self.width}x{self.height}"
                f"{', linear' if self._is_linear else ''}."
            )
        pixels = _in_channels(image.pixels, self.channels)
        return pixels if self.light is None else self.light.encode(pixels)


def _in_channels(pixels: Tensor, channels: int) -> Tensor:
    if pixels.shape[2] < channels:
        return torch.cat((pixels, torch.ones_like(pixels[..., :1])), dim=2)
    return pixels if pixels.shape[2] == channels else pixels[..., :channels].contiguous()


def _find(name: str) -> list[_Numbered]:
    """The pictures that are meant, by number."""
    path = Path(name)
    if path.is_dir():
        found = [each for each in path.iterdir() if _is_picture(each)]
    elif _PLACE.search(path.name):
        before, after = _PLACE.sub("\0", path.name, count=1).split("\0")
        found = [
            each
            for each in _glob(path.parent, f"{escape(before)}*{escape(after)}")
            if re.fullmatch(f"{re.escape(before)}\\d+{re.escape(after)}", each.name)
        ]
        start = len(before)
        return _sorted([_Numbered(_digits(each.name, start), each) for each in found], name)
    else:
        found = [each for each in _glob(path.parent, path.name) if _is_picture(each)]
    stems = {(_NUMBER.sub("#", each.stem), each.suffix.lower()) for each in found}
    if len(stems) > 1:
        patterns = _listed(sorted(f"{stem}{suffix}" for stem, suffix in stems))
        raise VideoError(
            f"{name} holds several sequences ({patterns}); say which one by a pattern such as "
            "shot_%04d.png."
        )
    return _sorted([_Numbered(_number_of(each), each) for each in found], name)


def _sorted(found: Sequence[_Numbered], name: str) -> list[_Numbered]:
    if not found:
        raise FileNotFoundError(
            f"There are no pictures {name!r}. Known types are {', '.join(FORMATS)}."
        )
    pictures = sorted(found)
    for one, other in pairwise(pictures):
        if one.number == other.number:
            raise VideoError(
                f"{one.path.name} and {other.path.name} have one number; only one can be meant."
            )
    return pictures


def _glob(folder: Path, pattern: str) -> Iterator[Path]:
    return folder.glob(pattern) if folder.is_dir() else iter(())


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in FORMATS and not path.name.startswith(".") and path.is_file()


def _digits(name: str, start: int) -> int:
    match = re.compile(r"\d+").match(name, start)
    assert match is not None
    return int(match[0])


def _number_of(path: Path) -> int:
    match = _NUMBER.search(path.stem)
    if match is None:
        raise VideoError(
            f"{path.name} has no number in its name, so its place in the clip is not known. Name "
            "the pictures as shot_0001.png, or choose by a pattern."
        )
    return int(match[0])


def _missing(pictures: Sequence[_Numbered]) -> list[str]:
    """Missing numbers between others, such as "13" or "20-24"."""
    gaps = ((one.number + 1, other.number - 1) for one, other in pairwise(pictures))
    return [
        f"{first}-{last}" if last > first else f"{first}" for first, last in gaps if last >= first
    ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more


class ImageSequenceWriter:
    """Writes numbered pictures, each of which appears under its name only when complete.

    Args:
        name: a folder, which gets 000001.png and so on, or a pattern such as `out/f_%04d.exr`.
        first_number: of the first picture.
        depth: bits of each value that are to be kept, as far as the type can.
        quality: see `images.encode_image`.
        light: the curve that frames are in; of EXR pictures, that of sRGB by default.
        header: of EXR pictures, what else they say.

    Attributes:
        folder: where the pictures lie.
        count: how many were written or found.
        notes: sentences on what the type cannot keep.
    """

    def __init__(
        self,
        name: str,
        *,
        first_number: int = 1,
        depth: int = 8,
        quality: int | None = None,
        light: Light | None = None,
        header: Mapping[str, object] | None = None,
    ) -> None:
        path = Path(name)
        if not _PLACE.search(path.name):
            path = path / "%06d.png"
        self.folder, self._pattern = path.parent, path.name
        self.suffix = path.suffix.lower()
        self.first_number, self.depth = first_number, depth
        self.count = 0
        self.notes: list[str] = []
        if depth > keeps_depth(self.suffix):
            self.notes.append(
                f"{self.suffix} pictures hold {keeps_depth(self.suffix)} bits a value, of "
                f"{depth}; .png and .tiff hold 16."
            )
        self._quality, self._header = quality, header or {}
        self._light = light or (DisplayLight() if self.suffix == _EXR else None)

    def path_of(self, index: int) -> Path:
        """The file of output frame `index`."""

        def number(match: re.Match[str]) -> str:
            return str(self.first_number + index).zfill(int(match[1] or 0))

        return self.folder / _PLACE.sub(number, self._pattern, count=1)

    def there(self) -> int:
        """How many pictures are there already, from the first one on without a gap."""
        count = 0
        while self.path_of(count).is_file():
            count += 1
        return count

    def write(self, frame: Tensor) -> None:
        """Writes the next one: H W 3 or H W 4."""
        path = self.path_of(self.count)
        try:
            with whole_file(path) as part:
                if self.suffix == _EXR:
                    assert self._light is not None
                    write_exr(part, _as_stored(self._light.decode(frame)), self._header)
                else:
                    part.write_bytes(
                        encode_image(frame, self.suffix, depth=self.depth, quality=self._quality)
                    )
        except OSError as error:
            raise VideoError(f"{path.name} cannot be written: {error.strerror}.") from error
        self.count += 1


def _as_stored(light: Tensor) -> Tensor:
    return light if light.dtype in (torch.float16, torch.float32) else light.float()
