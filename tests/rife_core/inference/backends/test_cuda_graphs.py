"""CUDA graphs: steps that can be recorded, and replays on a device."""

import warnings

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.inference.backends import set_backend
from rife_video.rife_core.inference.backends.checked import InferenceStep
from rife_video.rife_core.inference.precision import set_precision
from rife_video.rife_core.inference.rife import build_network
from rife_video.rife_core.losses.metrics import psnr
from rife_video.rife_core.timeline import Timeline
from support import GAINS, fill, moving_square
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CLIP = moving_square(frames=3, height=34, width=50)


def frames(network, clip=CLIP, multiplier=3, **options):
    return interpolate(network, clip, Timeline.multiply(multiplier), **options)


class Transfers(TorchDispatchMode):
    """Collects what cannot go into a CUDA graph: values that come from or go to the CPU."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, made)) if isinstance(x, torch.Tensor)]
        lifted = function in (torch.ops.aten.lift_fresh.default, torch.ops.aten.lift.default)
        if lifted or any(x.device.type == "cpu" and x.numel() for x in tensors):
            self.found.append(str(function))
        return made


@pytest.mark.parametrize("version", ["rife", "rife_m", "hdv3", "4.6", "4.25.lite", "4.26"])
def test_steps_can_be_recorded(version, monkeypatch):
    """Seen on the meta device, which is no CPU either and has no values to read."""
    network = build_network(version).eval().half().to("meta")
    image = torch.empty(2, 3, 256, 256, device="meta")
    monkeypatch.setattr(torch, "tensor", None)  # it copies from the CPU, unseen by the mode
    with torch.no_grad(), Transfers() as transfers:
        frame = network.prepare(image)
        made = InferenceStep(network, None)(image)
        side = (frame.planes, *frame.context)
        assert [x.shape for x in made] == [x.shape for x in frame.context or (frame.planes,)]
        times = torch.empty(2, 1, 1, 1, device="meta")
        image, flow, mask, *warped = InferenceStep(network, 1.0)(*side, *side, times)
    assert transfers.found == []
    assert image.dtype is torch.float32
    assert flow.shape == (2, 4, 256, 256)
    assert mask.shape == (2, 1, 256, 256)
    assert [each.shape for each in warped] == [image.shape] * 2


class TestOnDevice:
    """CUDA graphs for real."""

    pytestmark = [  # noqa: RUF012
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    ]

    @pytest.mark.parametrize("version", ["rife_m", "hdv3", "4.6", "4.26"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["fp32", "fp16"])
    def test_graphs_make_the_same_frames(self, version, dtype):
        network = fill(build_network(version), GAINS).eval().cuda()
        set_precision(network, dtype)
        expected = frames(network, batch_size=2)
        assert set_backend(network) == "cudagraphs"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = frames(network, batch_size=2)
            assert network.backend._programs
            # Sums of one convolution are not always in one order.
            assert_close(frames(network, batch_size=2), made, atol=2e-3, rtol=0)
        assert (psnr(made[1:2], expected[1:2]) > 50).all()

    def test_graphs_of_several_sizes_share_their_memory(self, own):
        own.cuda()
        clips = [torch.rand(3, 64, 64 * k, 3) for k in (1, 2, 1)]
        expected = [frames(own, clip) for clip in clips]
        set_backend(own)
        for clip, right in zip(clips * 2, expected * 2, strict=True):
            assert_close(frames(own, clip), right, atol=1e-3, rtol=0)

    def test_weights_that_moved_are_recorded_anew(self, own):
        own.cuda()
        expected = frames(own)
        set_backend(own)
        frames(own)
        own.cpu()
        torch.rand(2**22, device="cuda")  # what was freed is written over
        own.cuda()
        assert_close(frames(own), expected, atol=1e-3, rtol=0)
