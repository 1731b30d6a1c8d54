"""What is measured: a network, a frame size, a multiplier, and the frames and weights for them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import sqrt
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..basics.arguments import natural
from ..checkpoints.rife import find_weights, list_weights, load_rife
from ..inference.rife import RIFE, build_network
from ..networks.specs import releases_of
from ..video import VideoReader
from ..video.sample_clip import frames as sample_frames

ROWS = ("rife", "rife_m", "4.6", "4.22.lite", "4.25.lite", "4.26")
SIZES = {
    "480p": (480, 720),
    "720p": (720, 1280),
    "1080p": (1080, 1920),
    "4k": (2160, 3840),
}
"""Height and width by name."""

_BETA = 0.2
_GAINS = {"lastconv.0.": 0.8, "lastconv.": 0.2, "unet.conv.": 0.1}


@dataclass(frozen=True)
class Case:
    """One line of the table of cases.

    Attributes:
        row: version of the network, or "default" for the bundled weights.
        size: its name.
        height, width: of a frame, in pixels.
        multiplier: output frames for each source frame.
    """

    row: str
    size: str
    height: int
    width: int
    multiplier: int

    def __str__(self) -> str:
        return f"{self.row} {self.size} x{self.multiplier}"


def cases(
    rows: Sequence[str], sizes: Sequence[str], multipliers: Sequence[int]
) -> tuple[Case, ...]:
    """All combinations, in order.

    Raises:
        ValueError: a size or a multiplier is none.
    """
    for multiplier in multipliers:
        if multiplier < 2:
            raise ValueError(f"multiplier is {multiplier}; it must be 2 or more.")
    return tuple(
        Case(row, size, *parse_size(size), multiplier)
        for size, multiplier, row in product(sizes, multipliers, rows)
    )


def parse_size(name: str) -> tuple[int, int]:
    """Height and width of a named size, or of one such as "640x360".

    Raises:
        ValueError: it is neither.

    Example:
        >>> parse_size("480p"), parse_size("640x360")
        ((480, 720), (360, 640))
    """
    if name in SIZES:
        return SIZES[name]
    width, height = (natural(part) for part in name.partition("x")[::2])
    if not (width and height):
        raise ValueError(
            f"size is {name!r}; it must be one of {', '.join(SIZES)}, or WIDTHxHEIGHT."
        )
    return height, width


def frames_of(case: Case, count: int, clip: Path | None = None) -> Tensor:
    """The first `count` frames of `clip`, brought to the size; painted ones without a clip.

    Returns:
        N H W 3, float32 in [0, 1].

    Raises:
        ValueError: the clip is shorter.
    """
    frames: Iterator[Tensor]
    if clip is None:
        frames = sample_frames(count, case.height, case.width)
    else:
        frames = islice(VideoReader(clip), count)
    taken = torch.stack(list(frames)).float()
    if len(taken) < count:
        raise ValueError(f"{clip} has {len(taken)} frames, but {count} are asked for.")
    if clip is None:
        return taken
    size = (case.height, case.width)
    resized = F.interpolate(taken.permute(0, 3, 1, 2), size, mode="bilinear", antialias=True)
    return resized.permute(0, 2, 3, 1).contiguous()


def network_of(row: str, weights: str | None = None) -> RIFE:
    """The network of `row`, with the weights of a file, or drawn at random; or bundled ones.

    Random weights depend on the names of the parameters alone. Speed does not depend on
    weights; that all contenders made the same frames can be seen with any.

    Raises:
        ValueError: no such row, or the file holds another network.
    """
    bundled = list_weights()
    if weights is None and row not in bundled:
        return drawn(build_network(row)).eval()
    network = load_rife(find_weights(weights or row)).eval()
    if row not in (*bundled, network.spec.version, *releases_of(network.spec)):
        raise ValueError(f"{weights} holds the network {network.spec.version!r}, not {row!r}.")
    return network


@torch.no_grad()
def drawn(network: RIFE) -> RIFE:
    """Fills every parameter at random, such that flows are a few pixels."""
    for name, parameter in network.named_parameters():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        values = torch.randn(parameter.shape, generator=generator, device="cpu")
        if name.endswith("beta"):
            values = _BETA * values
        elif values.ndim > 1:
            values = values * sqrt(1.9 / values[0].numel())
        else:
            values = 0.05 * values + (0.25 if name.endswith("weight") else 0)
        gains = (gain for part, gain in _GAINS.items() if part in name)
        parameter.copy_(values * next(gains, 1.0))
    return network
