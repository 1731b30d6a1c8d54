"""Module paths of release 0.1, each with the modules that hold its names now.

Importing an old path works and warns once. Names that moved to several modules are
looked up in that order.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType
from typing import Any

MOVED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ahead": ("engine.prefetch",),
        "backends": ("inference.backends",),
        "backends.checked": ("inference.backends.checked",),
        "backends.compile": ("inference.backends.compile",),
        "backends.cuda": ("inference.backends.cuda_graphs",),
        "backends.openvino": ("inference.backends.openvino",),
        "backends.tensorrt": ("inference.backends.tensorrt",),
        "commands": ("cli",),
        "commands.adapt": ("cli.adapt",),
        "commands.bench": ("cli.bench",),
        "commands.evaluate": ("cli.evaluate",),
        "commands.interpolate": ("cli.interpolate",),
        "commands.models": ("cli.models",),
        "commands.sample": ("cli.sample", "video.sample_clip"),
        "commands.strip": ("cli.strip", "charts.strip"),
        "commands.train": ("cli.train",),
        "copies": ("engine.transfers",),
        "corners": ("ops.transposed_conv",),
        "cpu": ("ops.dispatch", "ops.fused_conv", "engine.allocator", "engine.threads"),
        "discriminator_files": ("losses.discriminators.files",),
        "discriminators": (
            "losses.discriminators.models",
            "losses.discriminators.levels",
            "losses.discriminators.attention",
        ),
        "flow": ("inference.flow",),
        "formats": ("engine.pixel_formats",),
        "ifnet": (
            "inference.rife",
            "inference.halving",
            "networks.ifnet",
            "networks.block",
            "networks.layers",
            "networks.estimate",
        ),
        "image_checks": ("losses.checks",),
        "kernels": ("ops.triton_kernels",),
        "maker": ("engine.scheduler", "engine.synthesizer", "engine.tasks"),
        "memory": ("engine.memory_plan", "engine.tiling", "ops.dispatch"),
        "metrics": ("losses.metrics",),
        "model": ("rife.RIFE",),
        "options": ("engine.options",),
        "padding": ("networks.padding",),
        "parts": ("files.resume",),
        "perceptual": ("losses.vgg", "losses.lpips", "losses.pretrained"),
        "pictures": ("charts.pictures",),
        "planes": ("ops.banded_conv", "ops.resize"),
        "precision": ("inference.precision",),
        "prelu": ("ops.prelu",),
        "pyramid": ("inference.sparse_pyramid", "networks.specs"),
        "refine": ("networks.refine", "networks.layers"),
        "report": ("engine.report",),
        "rounding": ("ops.weight_rounding",),
        "rowpairs": ("ops.winograd_conv",),
        "sampling": ("ops.grid_sample", "ops.dispatch"),
        "scenes": ("engine.scenes", "engine.cuts"),
        "specs": ("networks.specs",),
        "svg": ("charts.svg",),
        "tensor_files": ("checkpoints.tensor_files",),
        "training.charts": ("charts.training",),
        "video_loss": ("losses.video_autoencoder",),
        "warp": ("ops.warp",),
    }
)

RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "Copies": "Transfers",
        "FLOW_PLANES": "FLOW_CHANNELS",
        "Frame": "EncodedFrame",
        "IMAGE_PLANES": "IMAGE_CHANNELS",
        "MASK_PLANES": "MASK_CHANNELS",
        "Made": "Synthesis",
        "Maker": "FrameScheduler",
        "Outcome": "TrainingOutput",
        "Picture": "DeviceFrame",
        "Planes": "ImageAlpha",
        "RowPairConv2d": "WinogradConv2d",
        "Rows": "EvenOddRows",
        "Runner": "InferenceBackend",
        "SideBySide": "FramePool",
        "Source": "SourceFrame",
        "ahead": "prefetch",
        "convolve_planes": "convolve_concatenated",
        "copies_for": "transfers_for",
        "double": "conv_transpose2x",
        "double_and_convolve": "conv_transpose2x_then_conv",
        "from_planes": "to_frame",
        "is_short": "uses_cpu_bf16_ops",
        "join_planes": "concatenate",
        "rounded": "round_keeping_sum",
        "to_planes": "to_image_alpha",
    }
)
"""Names in these modules that are others now."""


class _Alias(ModuleType):
    """Stands where a module was; looks its names up where they are."""

    def __init__(self, spec: ModuleSpec, homes: Sequence[str]) -> None:
        super().__init__(spec.name, f"Moved to {homes[0]}.")
        self._homes = homes

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            for home in self._homes:
                module = import_module(home)
                for known in (name, RENAMED.get(name, name)):
                    if hasattr(module, known):
                        return getattr(module, known)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __call__(self, *args: Any, **named: Any) -> Any:
        # Importing the old module `warp` hides the function that the package has by this name.
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **named)


class _Finder(MetaPathFinder, Loader):
    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        if fullname.removeprefix(f"{self.package}.") not in MOVED:
            return None
        # As a package, so that what was below it is found as well.
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        homes = [f"{self.package}.{home}" for home in MOVED[spec.name[len(self.package) + 1 :]]]
        return _Alias(spec, homes)

    def exec_module(self, module: ModuleType) -> None:
        names = MOVED[module.__name__[len(self.package) + 1 :]]
        warnings.warn(
            f"{module.__name__} has moved to {self.package}.{names[0]}; "
            "import it from there, or its documented names from the package itself.",
            DeprecationWarning,
            stacklevel=2,
        )


def find_old_paths(package: str) -> None:
    """Lets the old module paths below `package` be imported from now on."""
    known = any(isinstance(f, _Finder) and f.package == package for f in sys.meta_path)
    if not known:
        sys.meta_path.append(_Finder(package))
