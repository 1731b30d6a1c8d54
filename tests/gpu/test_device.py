"""What a device must do, against plain PyTorch in float32 on the CPU.

`RIFE_VIDEO_TEST_DEVICE=cpu` runs the same tests where there is no device.
"""

import copy
import os

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate, stream
from rife_video.rife_core.inference.backends import set_backend
from rife_video.rife_core.inference.precision import set_precision
from rife_video.rife_core.inference.rife import build_network
from rife_video.rife_core.losses.metrics import psnr
from rife_video.rife_core.timeline import Timeline
from support import GAINS, fill, moving_square
from torch.testing import assert_close

NAME = os.environ.get("RIFE_VIDEO_TEST_DEVICE", "cuda")
DEVICE = torch.device(NAME)
HERE = NAME == "cpu" or torch.cuda.is_available()

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not HERE, reason="there is no CUDA device"),
]

ROWS = ("rife", "rife_m", "hdv3", "4.0", "4.6", "4.26")
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
CLOSE = {"fp32": 60, "fp16": 45, "bf16": 40}
"""Least PSNR against float32 on the CPU, dB."""


@pytest.fixture(scope="module", params=ROWS)
def pair(request):
    """A network on the CPU, and what it interpolates in float32."""
    network = fill(build_network(request.param), GAINS).eval()
    clip = moving_square(3, 72, 136)
    with torch.no_grad():
        return network, clip, interpolate(network, clip, Timeline.multiply(2))


def on_device(network, precision):
    """A copy of the network on the device."""
    if precision == "fp16" and NAME == "cpu":
        pytest.skip("float16 is not for the CPU")
    moved = copy.deepcopy(network).to(DEVICE)
    set_precision(moved, DTYPES[precision])
    return moved


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_every_row_makes_the_frames_of_the_cpu(pair, precision, backend):
    network, clip, expected = pair
    moved = on_device(network, precision)
    set_backend(moved, backend)
    for batch_size in (1, 2):
        made = interpolate(moved, clip, Timeline.multiply(2), batch_size=batch_size)
        assert torch.equal(made[::2], clip)  # source frames pass through
        assert (psnr(made[1::2], expected[1::2]) > CLOSE[precision]).all()


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (64, 64), (65, 127), (130, 258)])
def test_any_size(size):
    network = fill(build_network("4.26"), GAINS).eval()
    clip = moving_square(2, *size) if min(size) > 30 else torch.rand(2, *size, 3)
    expected = interpolate(network, clip, Timeline.multiply(2))
    made = interpolate(on_device(network, "fp32"), clip, Timeline.multiply(2))
    assert_close(made, expected, atol=2e-3, rtol=0)


def test_timesteps_in_a_batch():
    network = fill(build_network("4.26"), GAINS).eval()
    img0, img1 = torch.rand(2, 5, 3, 48, 80)
    times = torch.linspace(0.1, 0.9, 5)
    moved = on_device(network, "fp32")
    made = moved.inference(img0.to(DEVICE), img1.to(DEVICE), times.to(DEVICE)).cpu()
    assert_close(made, network.inference(img0, img1, times), atol=2e-3, rtol=0)


def test_two_networks_at_once():
    """Frames of two networks in turn: neither's graphs touch the other's memory."""
    networks = [fill(build_network(row), GAINS).eval() for row in ("4.6", "4.26")]
    clip = moving_square(4, 64, 96)
    expected = [interpolate(each, clip, Timeline.multiply(2)) for each in networks]
    moved = [on_device(each, "fp32") for each in networks]
    for each in moved:
        set_backend(each)
    streams = [stream(each, iter(clip), Timeline.multiply(2)) for each in moved]
    made = list(zip(*streams, strict=True))
    for got, right in zip(zip(*made, strict=True), expected, strict=True):
        assert_close(torch.stack(got), right, atol=2e-3, rtol=0)


def test_graphs_under_changing_sizes():
    network = fill(build_network("4.26"), GAINS).eval()
    moved = on_device(network, "fp32")
    set_backend(moved)
    for width in (64, 192, 64, 130, 192):
        clip = moving_square(3, 64, width)
        expected = interpolate(network, clip, Timeline.multiply(2))
        made = interpolate(moved, clip, Timeline.multiply(2))
        assert_close(made, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_stay_in_their_frame(value):
    network = fill(build_network("4.26"), GAINS).eval()
    clip = moving_square(4, 64, 96)
    clip[0, 10, 10] = value
    moved = on_device(network, "fp32")
    made = interpolate(moved, clip, Timeline.multiply(2))
    assert torch.isfinite(made[1:]).all()
    assert_close(made[0], clip[0], equal_nan=True, atol=0, rtol=0)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32])
def test_frames_of_every_kind_come_home_as_they_went(dtype):
    network = on_device(fill(build_network("4.6"), GAINS).eval(), "fp32")
    clip = moving_square(5, 64, 96)
    clip = (clip * 255).to(dtype) if dtype is torch.uint8 else clip.to(dtype)
    made = list(stream(network, iter(clip), Timeline.multiply(3)))
    assert all(frame.dtype is dtype and frame.device.type == "cpu" for frame in made)
    assert torch.equal(torch.stack(made[::3]), clip)


@pytest.mark.skipif(NAME == "cpu", reason="a cap on device memory needs a device")
def test_real_shortage_of_memory_goes_down_the_ladder():
    """The device gives a small share of its memory: frames come all the same, and are right."""
    network = fill(build_network("4.26"), GAINS).eval()
    clip = torch.rand(2, 1080, 1920, 3)
    expected = interpolate(network, clip, Timeline.multiply(2))
    moved = on_device(network, "fp32")
    total = torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, 600 * 2**20 / total))
    try:
        made = interpolate(moved, clip, Timeline.multiply(2), batch_size=1)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert psnr(made[1:2], expected[1:2]) > 40


def test_training_learns_on_the_device(tmp_path):
    """A step on the device is the step on the CPU, but for rounding."""
    from rife_video.rife_core.training.config import parse_config
    from rife_video.rife_core.training.trainer import Trainer

    config = parse_config(
        {
            "row": "4.6",
            "channels": [8, 8, 8, 8],
            "bf16": False,
            "scenes": {"size": 64, "textures": 2, "texture_size": 64, "layers": 1},
            "stages": [{"steps": 3, "batch": 2, "lr": 1e-3}],
        }
    )
    trainer = Trainer(config, tmp_path, DEVICE)
    trainer.run()
    assert all(torch.isfinite(p).all() for p in trainer.network.parameters())
    assert next(trainer.network.parameters()).device.type == DEVICE.type
