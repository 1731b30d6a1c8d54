"""Triton kernels against PyTorch: on a device, or by Triton's interpreter where there is none."""

import copy
import os
import subprocess
import sys
import warnings
from importlib.metadata import version

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when kernels are defined, Triton's own too
pytest.importorskip("triton", reason="Triton is not installed")

from rife_video.rife_core.ops import triton_kernels as kernels
from rife_video.rife_core.ops.grid_sample import sample
from torch.testing import assert_close

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
VERSION = tuple(map(int, version("triton").split(".")[:2]))
NEAR = {"atol": 1e-4, "rtol": 0}

pytestmark = [pytest.mark.gpu] if DEVICE == "cuda" else []


@pytest.fixture(autouse=True)
def fresh(monkeypatch, seeded):
    """Neither switched off nor proven by another test; a fallback is an error."""
    for form in (kernels._warp, kernels._blend):
        monkeypatch.setattr(form, "off", False)
        monkeypatch.setattr(form, "proven", set())
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def scene(batch=2, planes=5, height=13, width=37, reach=8.0):
    image = torch.rand(batch, planes, height, width)
    flow = reach * torch.randn(batch, 4, height, width)
    return image.to(DEVICE), flow.to(DEVICE)


@pytest.mark.parametrize("size", [(13, 37), (1, 9), (9, 1), (1, 1), (16, 16), (21, 300)])
@pytest.mark.parametrize("reach", [0.0, 1.5, 1000.0])
def test_warp(size, reach):
    image, flow = scene(height=size[0], width=size[1], reach=reach)
    assert_close(kernels._launch_warp(image, flow[:, :2], None), sample(image, flow[:, :2]), **NEAR)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_warp_reads_half_precision(dtype):
    image, flow = scene()
    image = image.to(dtype)
    made = kernels._launch_warp(image, flow[:, 2:], None)
    assert made.dtype is torch.float32
    assert_close(made, sample(image, flow[:, 2:]), **NEAR)


def test_warp_reads_planes_as_they_lie():
    image, flow = scene(planes=8)
    image, flow = image[:, 2:5, :, 3:].permute(0, 1, 3, 2), flow[:, 1:3, :, 3:].permute(0, 1, 3, 2)
    assert not image.is_contiguous()
    assert_close(kernels._launch_warp(image, flow, None), sample(image, flow), **NEAR)
    laid_out = image.contiguous(memory_format=torch.channels_last)
    assert_close(kernels._launch_warp(laid_out, flow, None), sample(image, flow), **NEAR)


def test_warp_at_points():
    image, _ = scene(height=24, width=40)
    points = torch.tensor([3, 4, 11, 12, 19, 20]), torch.tensor([0, 3, 4, 38, 39])
    points = tuple(each.to(DEVICE) for each in points)
    flow = 6 * torch.randn(2, 2, 6, 5, device=DEVICE)
    made = kernels.warp(image, flow, points)
    assert made.shape == (2, 5, 6, 5)
    assert_close(made, sample(image, flow, points), **NEAR)


def test_what_is_no_number_is_no_address():
    image, flow = scene()
    flow[0, 0, 2, 3] = torch.nan
    flow[1, 1, 4, 5] = torch.inf
    flow[1, 0, 4, 6] = -torch.inf
    made = kernels._launch_warp(image, flow[:, :2], None)
    assert made.isfinite().all()
    assert_close(made[1], sample(image, flow[:, :2])[1], **NEAR)


@pytest.mark.parametrize("size", [(13, 37), (1, 1), (20, 64)])
def test_blend(size):
    image0, flow = scene(planes=7, height=size[0], width=size[1])
    image1, _ = scene(planes=3, height=size[0], width=size[1])
    mask = 3 * torch.randn(2, 3, *size, device=DEVICE)
    inputs = image0[:, :3], image1, flow, mask[:, 1:2]
    made = kernels.blend(*inputs)
    for each, right in zip(made, kernels._blend_by_pytorch(*inputs), strict=True):
        assert_close(each, right, **NEAR)
    assert kernels._blend.proven


def fail(*args):
    raise RuntimeError("no compiler")


def differ(image, flow, points):
    return sample(image, flow, points) + 0.01


@pytest.mark.parametrize(("launch", "reason"), [(fail, "no compiler"), (differ, "it differs")])
def test_kernels_that_fail_or_differ_are_switched_off(monkeypatch, launch, reason):
    image, flow = scene()
    monkeypatch.setattr(kernels._warp, "fast", launch)
    with pytest.warns(RuntimeWarning, match=f"'Triton kernel that warps' is not used.*{reason}"):
        made = kernels.warp(image, flow[:, :2])
    assert_close(made, sample(image, flow[:, :2]), atol=0, rtol=0)
    monkeypatch.setattr(kernels._warp, "fast", None)
    assert_close(kernels.warp(image, flow[:, :2]), made, atol=0, rtol=0)


def test_running_out_of_memory_is_for_the_caller(monkeypatch):
    def greedy(*args):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(kernels._warp, "fast", greedy)
    image, flow = scene()
    with pytest.raises(torch.OutOfMemoryError):
        kernels.warp(image, flow[:, :2])
    assert not kernels._warp.off


def test_double_precision_is_left_to_pytorch():
    image, flow = scene()
    made = kernels.warp(image.double(), flow[:, :2])
    assert made.dtype is torch.float64


def test_a_whole_network_through_the_kernels(monkeypatch, network):
    image0, image1 = torch.rand(2, 1, 3, 40, 60)
    network = copy.deepcopy(network).to(DEVICE)
    expected = network.inference(image0.to(DEVICE), image1.to(DEVICE), 0.25)
    used = []

    def warp_both(*inputs):
        used.append("blend")
        return kernels.blend(*inputs)

    def warp(*inputs):
        used.append("warp")
        return kernels.warp(*inputs)

    monkeypatch.setattr("rife_video.rife_core.networks.estimate.warp_both", warp_both)
    monkeypatch.setattr("rife_video.rife_core.inference.sparse_pyramid.warp", warp)
    made = network.inference(image0.to(DEVICE), image1.to(DEVICE), 0.25)
    assert_close(made, expected, **NEAR)
    assert used == ["warp"] * 6 + ["blend"]


@pytest.mark.skipif(VERSION < (3, 3), reason="its compiler is called in another way")
def test_kernels_compile_without_a_device():
    """The interpreter takes what the compiler refuses."""
    script = """
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from rife_video.rife_core.ops import triton_kernels as kernels

def build(kernel, pointers, **constants):
    names = [parameter.name for parameter in kernel.params]
    kinds = {name: "i32" for name in names} | pointers | dict.fromkeys(constants, "constexpr")
    source = ASTSource(kernel, kinds, {(names.index(n),): v for n, v in constants.items()})
    assert compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]

floats, places = "*fp32", "*i64"
for kind in ("*fp32", "*fp16", "*bf16"):
    images = {"source": kind, "flow": floats, "out": floats}
    build(kernels._warp_kernel, {**images, "rows": floats, "columns": floats},
          at_points=False, block=256, source_w=1, flow_w=1)
    build(kernels._warp_kernel, {**images, "rows": places, "columns": places},
          at_points=True, block=256, source_c=1)
names = ("img0", "img1", "flow", "mask", "out")
build(kernels._blend_kernel, {**dict.fromkeys(names, floats), "out_kind": "i64"}, block=256)
"""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, env=environment)
