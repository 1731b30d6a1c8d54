"""Crops of real clips beside what teacher networks see in them, made once and stored.

A teacher costs more than a step of its student. Its flow, in half size and half precision, and
its mask, in bytes, stored beside the crop, cost a read. Where several teachers look at a
triplet, each pixel keeps those whose frame is nearest to the true middle frame, so two teachers,
or one at two scales, are better than either.
"""

from __future__ import annotations

import copy
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from types import EllipsisType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..basics.whole_file import whole_file
from ..checkpoints.tensor_files import read_tensors, save_tensors
from ..inference.rife import RIFE
from .clips import change, clip_frames, is_triplet_cut, pick, sources_in
from .synthetic import SceneBatch, mirrored_flow

SIDE = 320
"""Height and width of a stored crop: students train on parts of it."""

PER_FILE = 32
"""Crops in a file."""

INTERVALS = (1 / 16, 1 / 3.2)
"""Shortest and longest time between the frames of a triplet, seconds; drawn log-uniformly."""

_CLIPS_PER_FILE = 8
_WIDEST = 640
_TRIES = 4
_STILL = 0.008
_HOPELESS = 0.09
"""Mean error from which on nobody knows what happened between two frames."""
_GIVE_UP = 200
_WINDOW = 5
_FIRST = "images"
_STORED = {
    _FIRST: (torch.uint8, 3, 3, SIDE, SIDE),
    "flow": (torch.float16, 4, SIDE // 2, SIDE // 2),
    "mask": (torch.uint8, 1, SIDE, SIDE),
    "error": (torch.float16, 1, SIDE // 2, SIDE // 2),
}
"""What a file of crops holds: type and shape of each crop's."""


class Teacher(NamedTuple):
    """A network and the scale at which it looks."""

    network: RIFE
    scale: float = 1.0


class Taught(NamedTuple):
    """The flow and mask of the best teacher at each pixel.

    Attributes:
        flow: B 4 H W in pixels.
        mask: B 1 H W in [0, 1]; 1 takes img0.
        error: B 1 H W in [0, 1]: what its frame leaves, see `frame_error`.
    """

    flow: Tensor
    mask: Tensor
    error: Tensor


class Clip(NamedTuple):
    """Frames, H W 3 of bytes each, and how many there are in a second."""

    frames: list[Tensor]
    fps: float


def frame_error(frame: Tensor, gt: Tensor) -> Tensor:
    """Mean error around each pixel.

    Shape:
        frame, gt: B 3 H W; returns B 1 H W
    """
    error = (frame - gt).abs().mean(1, True)
    return F.avg_pool2d(error, _WINDOW, 1, _WINDOW // 2, count_include_pad=False)


@torch.no_grad()
def teach(teachers: Sequence[Teacher], img0: Tensor, img1: Tensor, gt: Tensor) -> Taught:
    """Flow and mask of the teacher that interpolates each pixel best.

    Shape:
        img0, img1, gt: B 3 H W in [0, 1]; gt lies half way
    """
    flows: list[Tensor] = []
    masks: list[Tensor] = []
    errors: list[Tensor] = []
    height, width = gt.shape[-2:]
    for network, scale in teachers:
        frame0, frame1 = network.prepare(img0, scale), network.prepare(img1, scale)
        # Of 3.1 and older, only refinement gives the mask; what it adds to the blend is left out.
        estimate = network.synthesize(frame0, frame1, 0.5, scale).estimate
        flows.append(estimate.flow[..., :height, :width])
        masks.append(estimate.mask[..., :height, :width].sigmoid())
        errors.append(frame_error(estimate.blend()[..., :height, :width], gt))
    error, best = torch.stack(errors).min(0)
    flow = torch.stack(flows).gather(0, best[None].expand(1, -1, 4, -1, -1))[0]
    return Taught(flow, torch.stack(masks).gather(0, best[None])[0], error)


def write_crops(
    folder: Path,
    clips: Sequence[Path],
    teachers: Sequence[Teacher],
    count: int,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
    read: Callable[[Path], Clip] | None = None,
) -> None:
    """Writes `count` files of taught crops, `PER_FILE` in each; files that are there stay.

    Cuts and stills are left out, and what no teacher can follow. Of several places in a
    triplet the one that moves most is taken.

    Args:
        folder: where they go.
        clips: videos, or folders that hold some.
        teachers: see `teach`.
        count: number of files.
        seed: decides which clips, frames and places are taken.
        report: is told how many files are done, and of how many.
        read: reads a clip in another way than `read_clip`.

    Raises:
        ValueError: the clips hold nothing that moves and can be followed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = [source for clip in clips for source in sources_in(clip)]
    if not sources:
        raise ValueError(f"No videos in {', '.join(clip.name for clip in clips)}.")
    for number in range(count):
        path = folder / f"{seed:03d}-{number:04d}.safetensors"
        if not path.exists():
            generator = torch.Generator().manual_seed((seed << 32) + number)
            with whole_file(path) as part:
                save_tensors(_crops(sources, teachers, generator, read or read_clip), part)
        if report:
            report(number + 1, count)


def _crops(
    sources: Sequence[Path],
    teachers: Sequence[Teacher],
    generator: torch.Generator,
    read: Callable[[Path], Clip],
) -> dict[str, Tensor]:
    """The content of one file."""
    chosen = [sources[pick(len(sources), generator)] for _ in range(_CLIPS_PER_FILE)]
    known: dict[Path, Clip] = {}
    device = next(teachers[0].network.parameters()).device
    kept: list[tuple[Tensor, ...]] = []
    for _ in range(_GIVE_UP):
        source = chosen[pick(len(chosen), generator)]
        if source not in known:
            known[source] = read(source)
        window = _triplet(known[source], generator)
        if window is None:
            continue
        img0, gt, img1 = window.to(device).split(1)
        taught = teach(teachers, img0, img1, gt)
        moved = (img0 - img1).abs().mean(1, True)
        for _ in range(2):
            place = max(
                (_place(window, generator) for _ in range(_TRIES)),
                key=lambda place: float(moved[place].mean()),
            )
            flow, mask, error = (each[place] for each in taught)
            if moved[place].mean() < _STILL or error.mean() > _HOPELESS:
                continue
            small_flow, small_error = (
                F.avg_pool2d(each, 2)[0].half().cpu() for each in (flow, error)
            )
            kept.append((_bytes(window[place]), small_flow, _bytes(mask[0]).cpu(), small_error))
        if len(kept) >= PER_FILE:
            columns = zip(*kept[:PER_FILE], strict=True)
            return {
                name: torch.stack(column).contiguous()
                for name, column in zip(_STORED, columns, strict=True)
            }
    names = ", ".join(source.name for source in chosen)
    raise ValueError(f"Too little in {names} moves and can be followed; add other clips.")


def read_clip(source: Path) -> Clip:
    """A video file, or a folder of images."""
    from ..video import VideoReader

    fps = 8.0 if source.is_dir() else float(VideoReader(source).fps)
    return Clip([_bytes(frame) for frame in clip_frames(source)], fps)


def _bytes(values: Tensor) -> Tensor:
    return (values * 255).round().byte()


def _triplet(clip: Clip, generator: torch.Generator) -> Tensor | None:
    """Three frames, evenly spaced: 3 3 H W; None where they show a cut or nothing."""
    frames, fps = clip
    shortest, longest = (math.log(value) for value in INTERVALS)
    drawn = float(torch.rand((), generator=generator, device="cpu"))
    gap = round(fps * math.exp(shortest + (longest - shortest) * drawn))
    gap = min(max(1, gap), (len(frames) - 1) // 2)
    if gap < 1:
        return None
    start = pick(len(frames) - 2 * gap, generator)
    window = torch.stack(frames[start : start + 2 * gap + 1 : gap]).permute(0, 3, 1, 2) / 255
    if change(window[0], window[2]) < _STILL / 2 or is_triplet_cut(*window):
        return None
    factor = SIDE / min(window.shape[-2:])
    if factor > 1:
        # A rounding error must not leave it a pixel short of the crop.
        window = F.interpolate(window, scale_factor=factor + 1e-6, mode="bicubic").clamp(0, 1)
    left = pick(window.shape[-1] - _WIDEST + 1, generator)
    return window[..., left : left + _WIDEST]


def _place(window: Tensor, generator: torch.Generator) -> tuple[EllipsisType, slice, slice]:
    top, left = (pick(length - SIDE + 1, generator) for length in window.shape[-2:])
    return ..., slice(top, top + SIDE), slice(left, left + SIDE)


class TaughtCrops:
    """Stored crops as training material, flipped, turned and played backwards at random.

    Args:
        folder: what `write_crops` filled.
        seed: decides the order and the turns.
        device: where the crops are kept and the batches made.

    Raises:
        ValueError: the folder holds no crops, or some that cannot be read or that an older
            version wrote.
    """

    def __init__(self, folder: Path, seed: int, device: torch.device | str = "cpu") -> None:
        paths = sorted(folder.glob("*.safetensors"))
        if not paths:
            raise ValueError(f"{folder.name} holds no crops; `rife-video crops` writes them.")
        self.size, self.seed, self.device = SIDE, seed, torch.device(device)
        self._files = [_load(path, device) for path in paths]
        self._starts = [0, *accumulate(len(file[_FIRST]) for file in self._files)]
        if not len(self):
            raise ValueError(f"The files in {folder.name} hold no crops; write them again.")

    def of_size(self, size: int) -> TaughtCrops:
        """The same crops, of which batches show parts of another size.

        Raises:
            ValueError: the size is odd, or larger than a crop.
        """
        if size % 2 or size > SIDE:
            raise ValueError(f"size is {size}; crops give even sizes up to {SIDE}.")
        other = copy.copy(self)
        other.size = size
        return other

    @property
    def pictures(self) -> list[Tensor]:
        """The middle frames, 3 H W of bytes each: textures for painted scenes."""
        return [images[1] for file in self._files for images in file["images"]]

    def __len__(self) -> int:
        return self._starts[-1]

    def batch(self, index: int, count: int) -> SceneBatch:
        """Batch number `index` of this seed: see `SceneBatch`; all at timestep 0.5."""
        generator = torch.Generator().manual_seed((self.seed << 32) + index)
        parts, turns = zip(*(self._part(generator) for _ in range(count)), strict=True)
        # Turned as a whole: a device takes longer to be told of each sample than to turn it.
        images, flow, mask, error = (torch.stack(each) for each in zip(*parts, strict=True))
        images, mask, flow, error = images / 255, mask / 255, flow.float(), error.float()
        drawn = torch.tensor(turns, device=self.device)[..., None, None, None]
        back, *flips, over = drawn.unbind(1)
        images = torch.where(back[..., None], images.flip(1), images)
        flow = torch.where(back, flow[:, [2, 3, 0, 1]], flow)
        mask = torch.where(back, 1 - mask, mask)
        for flip, axis in zip(flips, (-1, -2), strict=True):
            images = torch.where(flip[..., None], images.flip(axis), images)
            mask, error = (torch.where(flip, each.flip(axis), each) for each in (mask, error))
            flow = torch.where(flip, mirrored_flow(flow, axis), flow)
        images = torch.where(over[..., None], images.mT, images)
        mask, error = (torch.where(over, each.mT, each) for each in (mask, error))
        flow = torch.where(over, flow.mT[:, [1, 0, 3, 2]], flow)
        taught = F.interpolate(torch.cat((flow, error), 1), scale_factor=2, mode="bilinear")
        img0, gt, img1 = images.unbind(1)
        middle = torch.full((count,), 0.5, device=self.device)
        return SceneBatch(
            *(img0, img1, gt, middle),
            flow=taught[:, :4],
            teacher_error=taught[:, 4:],
            teacher_mask=mask,
        )

    def _part(self, generator: torch.Generator) -> tuple[tuple[Tensor, ...], tuple[bool, ...]]:
        """A part of a crop as it is stored, and its turns: backwards, across, down, transposed.

        Shape:
            images 3 3 H W, flow 4 h w, mask 1 H W, error 1 h w; h is H / 2
        """
        index = pick(len(self), generator)
        file = bisect_right(self._starts, index) - 1
        place, half = index - self._starts[file], self.size // 2
        top, left = (pick(SIDE // 2 - half + 1, generator) for _ in range(2))
        small = (place, ..., slice(top, top + half), slice(left, left + half))
        twice = (slice(2 * start, 2 * start + self.size) for start in (top, left))
        whole = (place, ..., *twice)
        places = {"images": whole, "flow": small, "mask": whole, "error": small}
        parts = tuple(self._files[file][name][places[name]] for name in _STORED)
        return parts, tuple(bool(pick(2, generator)) for _ in range(4))


def _load(path: Path, device: torch.device | str) -> dict[str, Tensor]:
    """A file of crops.

    Raises:
        ValueError: it cannot be read, or is no file of crops.
    """
    crops = {
        name: tensor.to(device) for name, tensor in read_tensors("taught crops", path)[0].items()
    }
    if missing := [name for name in _STORED if name not in crops]:
        raise ValueError(
            f"{path.name} has no {missing[0]}: an older version wrote it. Delete the folder "
            "and write the crops again (`rife-video crops`)."
        )
    for name, (dtype, *shape) in _STORED.items():
        found = crops[name]
        if found.dtype != dtype or [*found.shape[1:]] != shape or len(found) != len(crops[_FIRST]):
            raise ValueError(
                f"{path.name} holds no crops: {name} is {found.dtype} of shape "
                f"{tuple(found.shape)}, expected {dtype} of shape (N, {str(shape)[1:-1]})."
            )
    if not crops["flow"].isfinite().all() or not crops["error"].isfinite().all():
        raise ValueError(f"{path.name} holds NaN or infinity. Delete it and write it again.")
    return crops
