"""The recipe for every clip of a job, in plain values that any machine can read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from ...checkpoints.published import load_release
from ...checkpoints.rife import load_rife
from ...engine.options import AUTO, Options, Scale, Unsure
from ...engine.scenes import AtCut, Pacing, Repeats, SceneRules
from ...inference.backends import set_backend
from ...inference.precision import resolve_precision, set_precision
from ...inference.rife import RIFE
from ...inference.sampling import set_sampling
from ...timeline import End
from ...timeline.shutter import DEFAULT_EXPOSURES
from ...video import EncoderRequest, VideoReader, keeps_alpha
from ..clip import Clip
from ..convert import Pace, Sound, pace_of
from ..timing import Timing

_RULES = SceneRules()


@dataclass(frozen=True)
class Recipe:
    """How clips are interpolated: the options of `rife-video interpolate`.

    Attributes:
        weights: a weights file.
        release: the published network that it holds; else that is told by the file.
        multiplier, fps, schedule, slow_motion, end, at_cut, cuts, repeats: see `Timing`.
        scale, ensemble, batch_size, max_memory, unsure: see `Options`.
        precision, backend, sampling: see `set_precision`, `set_backend` and `set_sampling`.
        encoder, quality, preset, pixel_format: see `EncoderRequest`.
        source_fps, deinterlace, allow_damaged: see `VideoReader`.
        speed, blur, exposures, replace, repeat_threshold, longest_repeat, pacing: see `Timing`.
        sound: see `interpolate_file`.

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
    speed: str | None = None
    blur: float | None = None
    exposures: int = DEFAULT_EXPOSURES
    replace: str = ""
    repeat_threshold: float = _RULES.repeat_threshold
    longest_repeat: int = _RULES.longest_repeat
    pacing: Pacing = _RULES.pacing
    sound: Sound = "auto"
    sampling: str = "auto"

    def __post_init__(self) -> None:
        _ = self.timing  # refuses what cannot be read

    @cached_property
    def timing(self) -> Timing:
        """Which frames are wanted."""
        return Timing.of(self)

    @property
    def names_frames(self) -> bool:
        """Whether it names frames by their numbers, which are those of one clip."""
        return bool(self.cuts or self.timing.scenes.replaced)

    def open(self, source: str | Path, suffix: str) -> VideoReader:
        """The source of a file that ends in `suffix`."""
        return VideoReader(
            source,
            allow_damaged=self.allow_damaged,
            fps=self.source_fps,
            deinterlace=self.deinterlace,
            alpha=keeps_alpha(suffix.lower(), self.request),
            skip_damaged=self.timing.finds_frames,
        )

    def clip(self, reader: VideoReader) -> Clip:
        """The clip that is wanted from a source.

        Raises:
            ValueError: that does not fit it.
        """
        return Clip.of(reader, self.timing.timeline(reader.fps), self.timing.scenes.replaced)

    @property
    def request(self) -> EncoderRequest:
        """The request to the encoder."""
        return EncoderRequest(self.encoder, self.quality, self.preset, self.pixel_format)

    def fps_of(self, clip: Clip) -> Fraction:
        """The rate of the result; as fast as the source, unless that is to be slower."""
        return clip.reader.fps if self.slow_motion else clip.fps

    def pace(self, clip: Clip, fps: Fraction) -> Pace:
        """What to do with the sound if frames are shown at rate `fps`.

        Raises:
            ValueError: sound cannot be stretched to it.
        """
        return pace_of(clip, fps, self.sound)

    def options(self) -> Options:
        """The engine's options."""
        return Options(
            scale=self.scale,
            ensemble=self.ensemble,
            batch_size=self.batch_size,
            max_memory=self.max_memory,
            unsure=self.unsure,
            scenes=self.timing.scenes,
        )

    def network(self, device: str, weights: Path | None = None) -> RIFE:
        """The network, ready on a device; its weights may have moved since."""
        file = weights or Path(self.weights)
        network = load_release(self.release, file) if self.release else load_rife(file)
        set_sampling(network, self.sampling)
        set_precision(network, resolve_precision(self.precision, device))
        set_backend(network.to(device), self.backend)
        return network
