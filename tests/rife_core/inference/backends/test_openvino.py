"""OpenVINO: the same frames as eager code."""

import warnings
from dataclasses import replace

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.inference.backends import set_backend
from rife_video.rife_core.inference.precision import set_precision
from rife_video.rife_core.inference.rife import RIFE, build_network
from rife_video.rife_core.losses.metrics import psnr
from rife_video.rife_core.timeline import Timeline
from support import GAINS, fill, moving_square
from torch.testing import assert_close

CLIP = moving_square(frames=3, height=34, width=50)


def frames(network, clip=CLIP, multiplier=3, **options):
    return interpolate(network, clip, Timeline.multiply(multiplier), **options)


class TestOpenVINO:
    """With the real thing."""

    @pytest.fixture(autouse=True)
    def openvino(self):
        pytest.importorskip("openvino", reason="the extra rife-video[openvino] is not installed")

    @pytest.mark.parametrize("version", ["rife_m", "4.26"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
    def test_frames_are_those_of_pytorch(self, version, dtype):
        spec = build_network(version).spec
        channels = {"rife_m": spec.channels}.get(version, (16,) * len(spec.channels))
        network = RIFE(replace(spec, channels=channels), teacher=False)
        set_precision(fill(network, GAINS).eval(), dtype)
        expected = frames(network, batch_size=1)
        assert set_backend(network, "openvino") == "openvino"
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("error")
            made = frames(network, batch_size=1)
        assert len(network.backend._programs) in (1, 2)
        least = 50 if dtype is torch.float32 else 45  # two right answers, rounded differently
        assert (psnr(made[1::3], expected[1::3]) > least).all()

    def test_side_by_side(self, own):
        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        expected = frames(own, batch_size=1)
        set_backend(own, "openvino")
        made = frames(own, batch_size=2)
        torch.set_num_threads(threads)
        assert own.backend._programs
        assert_close(made, expected, atol=1e-4, rtol=0)

    def test_disagreement_and_alpha_come_along(self, own):
        clip = torch.cat((CLIP, CLIP[..., :1]), -1)
        apart = [torch.empty(5, *CLIP.shape[1:3]) for _ in range(2)]
        expected = interpolate(own, clip, Timeline.multiply(2), disagreement=apart[0])
        set_backend(own, "openvino")
        made = interpolate(own, clip, Timeline.multiply(2), disagreement=apart[1])
        assert_close(made, expected, atol=1e-4, rtol=0)
        assert_close(apart[1], apart[0], atol=1e-4, rtol=0)
