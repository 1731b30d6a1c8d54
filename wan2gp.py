"""A temporal upsampler for Wan2GP (WanGP), by the same engine as everything else.

A plugin of Wan2GP is a folder with an empty `__init__.py` and this `plugin_info.json`:

    {"name": "RIFE Video",
     "temporal_upsampler_handlers": ["rife_video.wan2gp.TemporalUpsampler"]}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .rife_core.basics.arguments import checked, fitted
from .rife_core.cli.weights import load_chosen
from .rife_core.engine import interpolate
from .rife_core.engine.options import AUTO
from .rife_core.engine.pixel_formats import as_type_of, from_bytes
from .rife_core.engine.scenes import SceneRules
from .rife_core.inference.backends import set_backend
from .rife_core.inference.precision import find_device, resolve_precision, set_precision
from .rife_core.inference.rife import RIFE
from .rife_core.networks.inputs import check_kind
from .rife_core.timeline import Timeline

__all__ = ["TemporalUpsampler"]

METHOD = "video_rife"  # Wan2GP's own method is "rife"; values are a method and a multiplier
MULTIPLIERS = (2.0, 3.0, 4.0, 5.0, 8.0)


class TemporalUpsampler:
    """The handler that Wan2GP asks; see its docs/TEMPORAL_UPSAMPLERS.md.

    Args:
        server_config: Wan2GP's; `server_config["temporal_upsamplers"]["video_rife"]["model"]`
            names the network, "default" where it is absent.
        files_locator: not used.
        models: folders of weights files.
    """

    def __init__(
        self,
        server_config: dict[str, Any] | None = None,
        files_locator: object = None,
        models: Iterable[str | Path] = (),
    ) -> None:
        self._config = server_config or {}
        self._models = [Path(each) for each in models]
        self._loaded: tuple[str, RIFE] | None = None

    @classmethod
    def query_temporal_upsampler_def(cls) -> dict[str, Any]:
        """What is offered, and under which names."""
        return {
            "name": "RIFE Video",
            "config_key": METHOD,
            "pos": 11,
            "methods": [("RIFE Video", METHOD)],
            "multipliers": {METHOD: MULTIPLIERS},
            "default_temporal_upsampling": f"{METHOD}2",
            "description": "Frames in between, with cuts found and large motion seen coarsely.",
        }

    @classmethod
    def default_config(cls) -> dict[str, Any]:
        """What the settings hold at first."""
        return {"model": "default"}

    def split_value(self, value: object) -> tuple[str, float] | None:
        """The method and the multiplier of a value such as "video_rife2"; None: another's."""
        text = value.strip().lower() if isinstance(value, str) else ""
        method, _, multiplier = text.partition(METHOD)
        if method or not text:
            return None
        try:
            return METHOD, float(multiplier or 2)
        except ValueError:
            return None

    def is_upsampling(self, value: object) -> bool:
        """Whether a value is of this handler."""
        return self.split_value(value) is not None

    def build_value(self, method: object, scale: float | str | None) -> str | None:
        """The value of a method and a multiplier."""
        return f"{METHOD}{float(scale or 2):g}" if method == METHOD else None

    def validate_upsampling(self, value: object, *, source_is_image: bool = False) -> str:
        """What speaks against it; an empty text: nothing."""
        split = self.split_value(value)
        if split is None or split[1] not in MULTIPLIERS:
            return f"Unknown temporal upsampling mode: {value}"
        return "Temporal upsampling needs a video; this is an image." if source_is_image else ""

    def query_download_defs(self, *, enabled_only: bool = True) -> list[dict[str, Any]]:
        """Nothing: the default network is bundled, releases are fetched when first used."""
        return []

    def download(self, *_: object, **__: object) -> bool:
        """Nothing is to be fetched."""
        return False

    def release_vram(self) -> None:
        """Lets go of the network."""
        self._loaded = None

    @torch.no_grad()
    @checked
    def temporal_upsample(
        self,
        value: object,
        sample: Tensor,
        previous_last_frame: Tensor | None,
        fps: float,
        *,
        processing_device: str = "cuda",
        to_uint8_callback: Callable[[Tensor], Tensor] | None = None,
        progress_callback: object = None,
        **_: object,
    ) -> tuple[Tensor, Tensor | None, float]:
        """More frames of a clip, or of a part that follows another.

        Args:
            value: see `split_value`.
            sample: C T H W, uint8 or floating point in [-1, 1].
            previous_last_frame: C 1 H W, the last frame of the part before; it is not given again.
            fps: frames a second.

        Returns:
            C T' H W of the same type, its last frame for the next part, and its frames a second.

        Raises:
            ValueError: the multiplier is none of those offered, or the frames do not fit.
        """
        split = self.split_value(value)
        if split is None:
            return sample, previous_last_frame, fps
        if problem := self.validate_upsampling(value):
            raise ValueError(problem)
        if sample.dtype != torch.uint8:
            check_kind("sample", sample)
        if sample.ndim != 4 or not sample.numel():
            raise ValueError(f"sample must be C T H W, none of them 0, but is {_shape(sample)}.")
        multiplier = split[1]
        continues = previous_last_frame is not None
        if previous_last_frame is not None:
            if previous_last_frame.shape != sample[:, :1].shape:
                raise ValueError(
                    f"previous_last_frame must be a frame of sample, {_shape(sample[:, :1])}, but "
                    f"is {_shape(previous_last_frame)}."
                )
            before = _as(previous_last_frame, sample, to_uint8_callback)
            sample = torch.cat((before, sample), 1)
        last = sample[:, -1:].clone()
        is_bytes = sample.dtype == torch.uint8
        frames = sample.movedim(0, -1).contiguous()
        network = self._network(processing_device)
        output = interpolate(
            network,
            frames if is_bytes else (frames + 1) / 2,
            Timeline.multiply(multiplier),
            scale=AUTO,
            scenes=SceneRules("hold"),
        ).movedim(-1, 0)
        output = output if is_bytes else output * 2 - 1
        return output[:, int(continues) :].contiguous(), last, fps * multiplier

    def _network(self, device: str) -> RIFE:
        name = (self._config.get("temporal_upsamplers", {}).get(METHOD) or {}).get("model")
        name = fitted("model", "default" if name is None else name, str) or "default"
        if self._loaded is None or self._loaded[0] != name:
            self._loaded = name, load_chosen(name, self._models)
        network = self._loaded[1].to(find_device(device)).eval()
        set_precision(network, resolve_precision("auto", device))
        if network.backend is None:
            set_backend(network, "auto")
        return network


def _shape(frames: Tensor) -> tuple[int, ...]:
    return tuple(frames.shape)


def _as(frame: Tensor, like: Tensor, to_uint8: Callable[[Tensor], Tensor] | None) -> Tensor:
    """A frame in the type and range of `like`."""
    if frame.dtype == like.dtype:
        return frame.to(like.device)
    if like.dtype == torch.uint8:
        plain = as_type_of((frame.float() + 1) / 2, like)
        return (to_uint8(frame) if to_uint8 else plain).to(like.device)
    return (from_bytes(frame) * 2 - 1).to(like)
