"""Every RIFE network as one row of one table: all that were published, and the bundled one's.

A row says how the blocks are built (channels, trunk, output), what they read
(named inputs, in order), on which pyramid they run, and what surrounds them
(head, refinement, teacher). `FlowNetwork` builds any row; nothing else in the
project asks for a version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Literal

from ..basics.arguments import checked

Trunk = Literal["residual", "plain", "plain_prelu", "beta", "pairs"]
Output = Literal["half", "shuffle", "separate", "separate_half", "flow"]
Refinement = Literal["residual", "fusion"]
HeadLayout = Literal["short", "indexed", "named"]
Ensemble = Literal["swap", "flip", "none"]
Sampling = Literal["bilinear", "bicubic"]

BLOCK_STRIDE = 4
"""A block downsamples what it reads by this much again, after its scale."""
MAX_CHANNELS = 4096
OWN = "deep"
"""The row of the bundled weights: 4.6 with two more blocks, for motion at 1/32 and 1/16."""
FLOW_CHANNELS = 4
MASK_CHANNELS = 1
CARRIED_FROM = FLOW_CHANNELS + MASK_CHANNELS


@dataclass(frozen=True)
class HeadSpec:
    """The small encoder whose features accompany each source frame (4.7 and later).

    Attributes:
        hidden: channels inside.
        planes: channels it gives, at full resolution.
        layout: "short" is two layers; "indexed" and "named" are the same four
            layers under the parameter names `encode.0/2/4/6` and `encode.cnn0..3`.
    """

    hidden: int
    planes: int
    layout: HeadLayout


@dataclass(frozen=True)
class NetworkSpec:
    """One RIFE network.

    Attributes:
        version: its public name, such as "rife", "hdv3" or "4.25.lite"; or `OWN`.
        channels: width of each block's trunk, coarsest block first.
        scales: downsampling of each block, coarsest first.
        first_inputs: names of the tensors that the first block reads, in order.
        inputs: the same for all later blocks; the running flow is appended.
        trunk: "residual" is PReLU convolutions with one skip, "plain" LeakyReLU
            convolutions, "plain_prelu" PReLU convolutions, "beta" scaled residual
            convolutions, "pairs" residual pairs of PReLU convolutions.
        depth: how many of them.
        groups: convolution groups inside the trunk.
        output: "half" gives channels at half the block's resolution, "shuffle" at
            full resolution by pixel shuffle, "separate" by one head per quantity,
            "separate_half" likewise at half, "flow" the flow alone at half, no mask.
        planes: output channels: 4 flow, 1 mask, then carried features.
        carried: how many of the output channels the next block reads on.
        mask_adds: the block's mask is added to the running one, else replaces it.
        starts_at_zero: flow and mask exist (as zeros) before the first block.
        head: per-frame feature encoder, or None.
        scaled_flow: a block's flow is in pixels of what it reads, at 1/scale; else
            always in pixels of the whole pyramid's input (2.x).
        refine: how Contextnet and Unet finish the frame: "residual" corrects the blend,
            "fusion" gives the mask too; None: the blend is the frame.
        teacher: a fourth block that sees the ground truth while training.
        ensemble: what `ensemble=True` does: "swap" averages each block over both orders of the
            frames, "flip" averages over mirrored frames, "none" has no such mode.
        both_orders: of so many blocks, coarsest first, both orders are averaged whatever
            `ensemble` is. 3.x was published so, for all its blocks: in one order 3.8 takes half
            the time, but on 14 frames of 7 clips (480p) it gave 26.75 dB and LPIPS 0.106 in place
            of 27.60 dB and 0.084. The bundled row is so in its coarse blocks, which cost little
            (weights/README.md).
        antialiased: a block coarser than 2 reads means of the frames, warped as such, and no
            single pixels; see `cell`. Published networks read the four pixels in the middle of
            what they downsample, and of a texture that moves those tell little.
        rerun_above: pixels; where block 1 moves both flows by more, all scales
            are doubled and the network starts again (4.0 and 4.1).
        align: height and width must be a multiple of this at scale 1.
        sampling: how the two frames are sampled for the blend: "bilinear" as the blocks see
            them, which softens what falls between two pixels, or "bicubic".
    """

    version: str
    channels: tuple[int, ...]
    scales: tuple[float, ...]
    first_inputs: tuple[str, ...]
    inputs: tuple[str, ...]
    trunk: Trunk = "beta"
    depth: int = 8
    groups: int = 1
    output: Output = "shuffle"
    planes: int = 6
    carried: int = 0
    mask_adds: bool = False
    starts_at_zero: bool = False
    head: HeadSpec | None = None
    scaled_flow: bool = True
    refine: Refinement | None = None
    teacher: bool = False
    ensemble: Ensemble = "swap"
    both_orders: int = 0
    antialiased: bool = False
    rerun_above: float | None = None
    align: int = 32
    sampling: Sampling = "bilinear"

    @property
    def arbitrary_timestep(self) -> bool:
        """Whether the network itself takes a timestep (else it knows the midpoint only)."""
        return "timestep" in self.first_inputs

    @property
    def sums_at_half(self) -> bool:
        """Whether updates are summed at half the frame's size: upsampled to it, then once more."""
        return self.output == "flow"

    def flow_unit(self, index: int) -> float:
        """The scale at which the flow of block `index` is in pixels of what it reads."""
        return 1 if self.scaled_flow else self.scales[index]

    def cell(self, scale: float) -> int:
        """The side in pixels of the squares whose means a block at `scale` reads; 1: pixels.

        Example:
            >>> [get_spec("deep").cell(scale) for scale in (32, 4, 2, 0.5)]
            [16, 2, 1, 1]
        """
        return int(scale) // 2 if self.antialiased and scale > 2 and scale % 2 == 0 else 1

    def width_of(self, name: str) -> int:
        """Number of channels of the block input called `name`."""
        if name == "carried":
            return self.carried
        if "feat" in name:
            return self.head.planes if self.head else 0
        return 1 if name in ("timestep", "mask") else 3

    def in_planes(self, index: int) -> int:
        """Number of channels that block `index` reads, its running flow included."""
        first = index == 0 and not self.starts_at_zero
        names = self.first_inputs if first else self.inputs
        return sum(map(self.width_of, names)) + (0 if first else FLOW_CHANNELS)

    @property
    def teacher_in_planes(self) -> int:
        """Number of channels that the teacher block reads: a later block's and the ground truth."""
        return self.in_planes(1) + self.width_of("gt")

    def same_network(self, other: NetworkSpec) -> bool:
        """Whether both rows describe one network under two release numbers."""
        return replace(self, version=other.version) == other


def _paper(version: str, timestep: tuple[str, ...], **changes: object) -> NetworkSpec:
    images = ("img0", "img1", *timestep)
    row = NetworkSpec(
        version,
        channels=(240, 150, 90),
        scales=(4, 2, 1),
        first_inputs=images,
        inputs=(*images, "warped_img0", "warped_img1", "mask"),
        trunk="residual",
        output="half",
        planes=5,
        mask_adds=True,
        refine="residual",
        teacher=True,
        ensemble="flip",
    )
    return replace(row, **changes)  # pyright: ignore[reportArgumentType]


def _flow_alone(**changes: object) -> NetworkSpec:
    """2.x and 3.1: the blocks know nothing of the mask."""
    return _paper(
        "",
        (),
        inputs=("warped_img0", "warped_img1"),
        output="flow",
        refine="fusion",
        teacher=False,
        **changes,
    )


def _hdv3(output: Output) -> NetworkSpec:
    names = ("warped_img0", "warped_img1", "mask")
    return _paper(
        "",
        (),
        channels=(90, 90, 90),
        first_inputs=names,
        inputs=names,
        trunk="pairs",
        depth=4,
        output=output,
        starts_at_zero=True,
        refine=None,
        ensemble="swap",
        both_orders=3,
    )


def _v4(**changes: object) -> NetworkSpec:
    row = NetworkSpec(
        version="",
        channels=(192, 128, 96, 64),
        scales=(8, 4, 2, 1),
        first_inputs=("img0", "img1", "feat0", "feat1", "timestep"),
        inputs=(
            *("warped_img0", "warped_img1", "warped_feat0", "warped_feat1"),
            *("timestep", "mask", "carried"),
        ),
    )
    return replace(row, **changes)  # pyright: ignore[reportArgumentType]


def _v4_carrying(**changes: object) -> NetworkSpec:
    return _v4(planes=13, carried=8, ensemble="none", **changes)


_LITE = (128, 96, 64, 48)
_FIVE_SCALES = (16, 8, 4, 2, 1)
_HEAD_8 = HeadSpec(32, 8, "named")
_HEAD_4 = HeadSpec(16, 4, "named")

_ROWS: tuple[tuple[str, NetworkSpec], ...] = (
    ("rife", _paper("", ())),
    ("rife_m", _paper("", ("timestep",))),
    (
        "2.3 2.4",
        _flow_alone(
            channels=(384, 256, 192, 96),
            scales=(8, 4, 2, 1),
            trunk="plain_prelu",
            depth=6,
            scaled_flow=False,
        ),
    ),
    ("3.1", _flow_alone(channels=(160, 160, 160), trunk="pairs", depth=3)),
    ("3.5", _hdv3(output="separate_half")),
    ("hdv3", _hdv3(output="separate")),
    (
        "4.0 4.1",
        _v4(trunk="residual", output="half", planes=5, mask_adds=True, rerun_above=32.0),
    ),
    ("4.2 4.3 4.4", _v4(trunk="plain", output="half", planes=5, mask_adds=True)),
    ("4.5", _v4(planes=5, mask_adds=True)),
    ("4.6", _v4(mask_adds=True)),
    ("4.7 4.8 4.9", _v4(head=HeadSpec(16, 4, "short"))),
    ("4.10 4.11 4.12", _v4(head=HeadSpec(32, 8, "indexed"))),
    ("4.12.lite 4.13.lite", _v4(channels=_LITE, head=HeadSpec(32, 4, "indexed"))),
    ("4.13 4.14 4.15 4.17 4.18 4.19 4.24", _v4(head=_HEAD_8)),
    ("4.14.lite", _v4(head=_HEAD_8, groups=2)),
    ("4.15.lite 4.16.lite 4.17.lite", _v4(channels=_LITE, head=_HEAD_4)),
    ("4.20", _v4(channels=(384, 192, 96, 48), head=_HEAD_8)),
    ("4.21 4.22 4.23", _v4_carrying(channels=(256, 192, 96, 48), head=_HEAD_8)),
    ("4.22.lite", _v4_carrying(channels=(192, 128, 64, 32), head=_HEAD_4)),
    (
        "4.25 4.26",
        _v4_carrying(channels=(192, 128, 96, 64, 32), scales=_FIVE_SCALES, head=_HEAD_4, align=64),
    ),
    (
        "4.25.lite",
        _v4_carrying(
            channels=(192, 128, 96, 64, 24), scales=(32, 16, 8, 4, 1), head=_HEAD_4, align=128
        ),
    ),
    (
        "4.25.heavy",
        _v4_carrying(
            channels=(384, 256, 192, 128, 64), scales=_FIVE_SCALES, head=_HEAD_4, align=64
        ),
    ),
    (
        "4.26.heavy",
        _v4_carrying(
            channels=(192, 128, 96, 64, 32),
            scales=_FIVE_SCALES,
            head=HeadSpec(16, 16, "named"),
            align=64,
        ),
    ),
    (
        OWN,
        _v4(
            channels=(192, 128, 128, 128, 96, 64),
            scales=(32, 16, 8, 4, 2, 1),
            mask_adds=True,
            both_orders=3,
            antialiased=True,
            align=128,
            sampling="bicubic",
        ),
    ),
)

SPECS: Mapping[str, NetworkSpec] = MappingProxyType(
    {
        version: replace(row, version=version)
        for versions, row in _ROWS
        for version in versions.split()
    }
)
"""Every row by its version name."""


@checked
def get_spec(version: str) -> NetworkSpec:
    """The row called `version`.

    Raises:
        ValueError: no such row; the message lists all of them.

    Example:
        >>> get_spec("4.6").channels
        (192, 128, 96, 64)
    """
    try:
        return SPECS[version]
    except KeyError:
        raise ValueError(
            f"There is no RIFE network {version!r}. Known versions: {', '.join(SPECS)}."
        ) from None


@cache
def distinct_specs() -> tuple[NetworkSpec, ...]:
    """One row for each distinct network: the first release of each."""
    return tuple(SPECS[versions.split()[0]] for versions, _ in _ROWS)


def with_channels(spec: NetworkSpec, channels: Sequence[int]) -> NetworkSpec:
    """The row in widths of its own.

    Args:
        spec: the row.
        channels: width of each block; none means the row's.

    Raises:
        ValueError: the widths are out of range, or not one for each block.

    Example:
        >>> with_channels(get_spec("4.6"), (64, 48, 32, 24)).channels
        (64, 48, 32, 24)
    """
    widths = tuple(channels or spec.channels)
    if not all(type(width) is int and 2 <= width <= MAX_CHANNELS for width in widths):
        raise ValueError(
            f"channels is {list(widths)}; it must list numbers from 2 to {MAX_CHANNELS}."
        )
    if len(widths) != len(spec.channels):
        raise ValueError(
            f"channels lists {len(widths)} widths, but the network {spec.version!r} has "
            f"{len(spec.channels)} blocks."
        )
    return replace(spec, channels=widths)


def releases_of(spec: NetworkSpec) -> tuple[str, ...]:
    """All release numbers under which the network of `spec` was published.

    Example:
        >>> releases_of(get_spec("4.26"))
        ('4.25', '4.26')
    """
    return tuple(version for version, row in SPECS.items() if row.same_network(spec))
