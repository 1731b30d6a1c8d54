"""What is to be done with every clip of a job, in plain values that any machine can read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ...checkpoints.published import load_release
from ...checkpoints.rife import load_rife
from ...engine.options import AUTO, Options, Scale, Unsure
from ...engine.scenes import AtCut, Repeats, SceneRules, parse_cuts
from ...inference.backends import set_backend
from ...inference.precision import resolve_precision, set_precision
from ...inference.rife import RIFE
from ...timeline import End, Timeline
from ...video import EncoderRequest, VideoReader, keeps_alpha


@dataclass(frozen=True)
class Recipe:
    """How clips are interpolated: the options of `rife-video interpolate`.

    Attributes:
        weights: a weights file.
        release: the published network that it holds; else that is told by the file.
        multiplier, fps, schedule, slow_motion, end: which frames are wanted; see `Timeline`.
        at_cut, cuts, repeats: see `SceneRules`; `cuts` as text.
        scale, ensemble, batch_size, max_memory, unsure: see `Options`.
        precision, backend: see `set_precision` and `set_backend`.
        encoder, quality, preset, pixel_format: see `EncoderRequest`.
        source_fps, deinterlace, allow_damaged: see `VideoReader`.

    Raises:
        ValueError: options that exclude each other, or that cannot be read.
    """

    weights: str
    release: str = ""
    multiplier: int | str = 2
    fps: str | None = None
    schedule: str = ""
    slow_motion: bool = False
    end: End = "last_frame"
    at_cut: AtCut = "hold"
    cuts: str = ""
    repeats: Repeats = "keep"
    scale: Scale = AUTO
    ensemble: bool = False
    batch_size: int = 0
    max_memory: int = 0
    unsure: Unsure = "blend"
    precision: str = "auto"
    backend: str = "auto"
    encoder: str | None = None
    quality: int | None = None
    preset: str | None = None
    pixel_format: str | None = None
    source_fps: str | None = None
    deinterlace: bool = False
    allow_damaged: bool = False

    def __post_init__(self) -> None:
        if self.fps and (self.schedule or self.slow_motion):
            raise ValueError(
                "--fps goes with neither --schedule nor --slow-motion; give --multiplier instead."
            )
        Timeline.multiply(self.multiplier, self.end, self.schedule)
        SceneRules(self.at_cut, parse_cuts(self.cuts), self.repeats)

    def open(self, source: str | Path, suffix: str) -> VideoReader:
        """The source of a file that ends in `suffix`."""
        return VideoReader(
            source,
            allow_damaged=self.allow_damaged,
            fps=self.source_fps,
            deinterlace=self.deinterlace,
            alpha=keeps_alpha(suffix.lower(), self.request),
        )

    @property
    def request(self) -> EncoderRequest:
        """What is asked of the encoder."""
        return EncoderRequest(self.encoder, self.quality, self.preset, self.pixel_format)

    def timeline(self, reader: VideoReader) -> Timeline:
        """Which frames are wanted of a clip."""
        if self.fps:
            return Timeline.retime(reader.fps, self.fps, self.end)
        return Timeline.multiply(self.multiplier, self.end, self.schedule)

    def output_fps(self, reader: VideoReader) -> Fraction | None:
        """The rate of the result where that is not as fast as the source."""
        return reader.fps if self.slow_motion else None

    def options(self) -> Options:
        """What the engine is told."""
        return Options(
            scale=self.scale,
            ensemble=self.ensemble,
            batch_size=self.batch_size,
            max_memory=self.max_memory,
            unsure=self.unsure,
            scenes=SceneRules(self.at_cut, parse_cuts(self.cuts), self.repeats),
        )

    def network(self, device: str, weights: Path | None = None) -> RIFE:
        """The network, ready on a device; its weights may lie elsewhere by now."""
        file = weights or Path(self.weights)
        network = load_release(self.release, file) if self.release else load_rife(file)
        set_precision(network, resolve_precision(self.precision, device))
        set_backend(network.to(device), self.backend)
        return network
