"""Real clips as training material: triplets out of any folder of videos or frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .synthetic import SceneBatch

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")

GAPS = (1, 1, 2, 2, 3, 4)
"""Steps between the frames of a triplet, unless told: one is drawn for each."""

TRIES = 8
"""Windows looked at before a cut or a still picture is taken for want of better."""

_THUMBNAIL = 8
_STILL = 0.004
_CUT, _CUT_RATIO = 0.06, 4.0
_CROPS_PER_WINDOW = 2
_FULL_SIZE = 0.6
"""Share of the crops that are cut from frames at full size; the others see more of the picture."""


def clip_frames(path: Path, start: int = 0, step: int = 1) -> Iterator[Tensor]:
    """The frames of a video file, or of a folder of images in the order of their names.

    Images that `start` and `step` leave out are not read, so a folder is the faster source.

    Shape:
        yields H W 3, float32 in [0, 1]

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: it holds no frames.
    """
    from ..video import VideoReader

    if path.is_dir():
        images = _images(path)
        if not images:
            raise ValueError(f"The folder {path.name} holds no images; {IMAGE_SUFFIXES} are read.")
        for image in images[start::step]:
            yield next(iter(VideoReader(image)))
    else:
        yield from islice(VideoReader(path), start, None, step)


def is_triplet_cut(img0: Tensor, gt: Tensor, img1: Tensor) -> bool:
    """Whether there is a cut inside a triplet: one step changes far more than the other.

    Shape:
        each 3 H W in [0, 1]
    """
    steps = sorted((change(img0, gt), change(gt, img1)))
    return steps[1] > _CUT and steps[1] > _CUT_RATIO * steps[0]


def change(a: Tensor, b: Tensor) -> float:
    """How far two frames, 3 H W in [0, 1], are apart as thumbnails."""
    both = F.adaptive_avg_pool2d(torch.stack((a, b)), (_THUMBNAIL, _THUMBNAIL))
    return float((both[0] - both[1]).abs().mean())


class ClipTriplets:
    """Random triplets of real clips, always the same for one seed.

    Cuts are skipped, still triplets are thinned out, and what is taken is resized,
    cropped, flipped, turned and played backwards at random.

    Args:
        folders: folders that hold videos, or folders of images, at any depth.
        size: height and width of the crops.
        seed: decides everything.
        device: where the batches go.
        gaps: steps between the frames of a triplet, of which one is drawn for each; clips
            of more frames a second want larger ones.

    Raises:
        ValueError: the folders hold nothing that can be read.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        size: int,
        seed: int,
        device: torch.device | str = "cpu",
        gaps: Sequence[int] = GAPS,
    ) -> None:
        self.size = size
        self.seed = seed
        self.device = torch.device(device)
        self.gaps = gaps
        self.sources = [source for folder in folders for source in sources_in(folder)]
        if not self.sources:
            names = ", ".join(folder.name for folder in folders)
            raise ValueError(f"No videos and no folders of images in {names}.")
        self._length = lru_cache(maxsize=None)(clip_length)

    def batch(self, index: int, count: int) -> SceneBatch:
        """Batch number `index` of this seed, with `count` samples."""
        generator = torch.Generator().manual_seed((self.seed << 32) + index)
        triplets: list[Tensor] = []
        while len(triplets) < count:
            window = self._window(generator)
            crops = min(_CROPS_PER_WINDOW, count - len(triplets))
            triplets += [self._crop(window, generator) for _ in range(crops)]
        img0, gt, img1 = torch.stack(triplets, 1).to(self.device)
        return SceneBatch(img0, img1, gt, torch.full((count,), 0.5, device=self.device))

    def _window(self, generator: torch.Generator) -> Tensor:
        """Three frames of one clip, evenly spaced: 3 3 H W."""
        window = None
        for _ in range(TRIES):
            source = self.sources[pick(len(self.sources), generator)]
            length = self._length(source)
            gap = min(self.gaps[pick(len(self.gaps), generator)], (length - 1) // 2)
            if gap < 1:
                continue
            start = pick(length - 2 * gap, generator)
            frames = list(islice(clip_frames(source, start, gap), 3))
            if len(frames) < 3:
                continue
            window = torch.stack(frames).permute(0, 3, 1, 2)
            still = change(window[0], window[2]) < _STILL
            if not still and not is_triplet_cut(*window):
                return window
        if window is None:
            raise ValueError("The clips hold no three frames in a row; add longer ones.")
        return window

    def _crop(self, window: Tensor, generator: torch.Generator) -> Tensor:
        window = self._resized(window, generator)
        height, width = window.shape[-2:]
        top = pick(height - self.size + 1, generator)
        left = pick(width - self.size + 1, generator)
        crop = window[..., top : top + self.size, left : left + self.size]
        flips = [axis for axis in (0, 2, 3) if pick(2, generator)]
        crop = crop.flip(flips) if flips else crop
        return crop.transpose(2, 3) if pick(2, generator) else crop

    def _resized(self, window: Tensor, generator: torch.Generator) -> Tensor:
        """Enlarged where it is too small for a crop, otherwise downsampled by chance."""
        smallest = self.size / min(window.shape[-2:])
        chance, share = torch.rand(2, generator=generator, device="cpu").tolist()
        kept = 1.0 if chance < _FULL_SIZE else smallest + share * (1 - smallest)
        factor = max(smallest, kept)
        if factor == 1:
            return window
        # A rounding error must not leave it a pixel short of the crop.
        resized = F.interpolate(window, scale_factor=factor + 1e-6, mode="bicubic", antialias=True)
        return resized.clamp(0, 1)


def pick(count: int, generator: torch.Generator) -> int:
    """A whole number below `count`; 0 where there is none."""
    return int(torch.randint(max(count, 1), (1,), generator=generator, device="cpu"))


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def sources_in(folder: Path) -> list[Path]:
    """The videos, and folders of images, in a folder at any depth; a file is itself."""
    if not folder.exists():
        raise FileNotFoundError(f"There is no folder {str(folder)!r} with clips.")
    if folder.is_file():
        return [folder]
    inside = sorted(folder.rglob("*"))
    videos = [path for path in inside if path.suffix.lower() in VIDEO_SUFFIXES]
    folders = [path for path in (folder, *inside) if path.is_dir() and len(_images(path)) > 2]
    return videos + folders


def clip_length(source: Path) -> int:
    """Number of frames of a video or a folder of images, counted where the file does not say it."""
    from ..video import VideoReader

    if source.is_dir():
        return len(_images(source))
    return VideoReader(source).frame_count or sum(1 for _ in clip_frames(source))
