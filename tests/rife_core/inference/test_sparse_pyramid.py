"""What the sparse pyramid leaves out is never read: it makes the frames of the dense one."""

import pytest
import torch
from rife_video.rife_core.engine import interpolate
from rife_video.rife_core.inference import sparse_pyramid
from rife_video.rife_core.inference.flow import estimate_flow
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.inference.sparse_pyramid import SparsePyramid
from rife_video.rife_core.networks.ifnet import FlowNetwork
from rife_video.rife_core.networks.specs import distinct_specs, get_spec
from rife_video.rife_core.ops.dispatch import plain_ops
from rife_video.rife_core.ops.resize import resize
from rife_video.rife_core.ops.warp import warp
from rife_video.rife_core.timeline import Timeline
from support import narrow
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("spec", distinct_specs(), ids=lambda spec: spec.version)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_sparse_equals_dense(monkeypatch, spec, scale):
    network = narrow(spec)
    noise = torch.nn.functional.interpolate(torch.rand(2, 3, 20, 30), (100, 150), mode="bicubic")
    img0, img1 = noise.clamp(0, 1), noise.roll(4, -1).clamp(0, 1)
    timestep = 0.3 if spec.arbitrary_timestep else 0.5
    ensemble = spec.ensemble != "none"
    sparse = network.inference(img0, img1, timestep, scale, ensemble)
    monkeypatch.setattr(SparsePyramid, "can_run", staticmethod(lambda *_: False))
    dense = network.inference(img0, img1, timestep, scale, ensemble)
    assert_close(sparse, dense, atol=5e-5, rtol=0)
    assert (dense - (img0 + img1) / 2).abs().max() > 0.01


@pytest.mark.parametrize(
    ("scales", "size", "can"),
    [
        ((8, 4, 2, 1), (64, 96), True),
        ((32, 16, 8, 4, 1), (128, 128), True),
        ((8, 4, 2, 1), (64, 80), False),  # 80 is no multiple of 32
        ((4, 2, 1, 0.5), (64, 64), False),
        ((6, 3, 1.5), (72, 72), False),
        ((8, 4, 4, 1), (64, 64), False),
    ],
)
def test_where_it_can_run(scales, size, can):
    assert SparsePyramid.can_run(scales, *size) == can


def pixels(scale):
    return 1


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_warped_sides_are_those_of_the_full_flow(scale):
    sides = tuple(torch.rand(2, 1, 5, 32, 64))
    updates = [(torch.randn(1, 6, 2, 4) * 4, 16), (torch.randn(1, 6, 4, 8), 8)]
    pyramid = SparsePyramid(sides, True, pixels)
    for update in updates:
        pyramid.add(*update)
    flow = sum(resize(planes[:, :4], growth) for planes, growth in updates)
    for side, part, made in zip(sides, flow.split(2, 1), pyramid.warped(scale), strict=True):
        assert_close(made, resize(warp(side, part), 1 / scale), atol=2e-5, rtol=0)
    mask = sum(resize(planes[:, 4:5], growth) for planes, growth in updates)
    assert_close(pyramid.mask(scale), resize(mask, 1 / scale), atol=1e-5, rtol=0)


def test_before_any_block_nothing_moves():
    pyramid = SparsePyramid(tuple(torch.rand(2, 1, 3, 8, 16)), True, pixels)
    assert_close(pyramid.flow(1), torch.zeros(1, 4, 8, 16))
    assert_close(pyramid.mask(4), torch.zeros(1, 1, 2, 4))
    assert_close(pyramid.warped(2), pyramid.downsampled(2))


@pytest.mark.long
def test_rows_that_add_up_flow_at_half_size_or_start_again_run_densely(monkeypatch):
    """All others do so once, to be compared."""
    dense = []

    def noted(self, *args):
        dense.append(self.spec.version)
        return final_estimate(self, *args)

    final_estimate = FlowNetwork.final_estimate
    monkeypatch.setattr(FlowNetwork, "final_estimate", noted)
    for spec in distinct_specs():
        network = narrow(spec, 4)
        for _ in range(2):
            network.inference(*torch.rand(2, 1, 3, spec.align, spec.align))
    assert {version for version in dense if dense.count(version) > 1} == {"2.3", "3.1", "4.0"}


@pytest.mark.parametrize("wrong", ["flow", "mask"])
def test_what_is_wrong_steps_aside(monkeypatch, wrong):
    network = narrow(get_spec("4.6"), 10 if wrong == "flow" else 12)  # not compared before
    img0, img1 = torch.rand(2, 1, 3, 32, 32)
    with plain_ops():
        expected = network.inference(img0, img1)
    right = getattr(SparsePyramid, wrong)
    monkeypatch.setattr(SparsePyramid, wrong, lambda self, scale: right(self, scale) + 3)
    monkeypatch.setattr(sparse_pyramid._final_estimate, "off", False)
    with pytest.warns(RuntimeWarning, match="'sparse pyramid' is not used.*differs"):
        assert_close(network.inference(img0, img1), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("spec", distinct_specs(), ids=lambda spec: spec.version)
def test_without_it_everything_runs(monkeypatch, spec):
    """Removed, not switched off: only the plain network is left."""
    network = narrow(spec)
    noise = torch.nn.functional.interpolate(torch.rand(1, 3, 10, 14), (40, 60), mode="bicubic")
    img0, img1 = noise.clamp(0, 1), noise.roll(2, -1).clamp(0, 1)
    sparse = network.inference(img0, img1)
    frames = torch.cat((img0, img1)).movedim(1, -1)
    monkeypatch.delattr(RIFE, "final_estimate")
    monkeypatch.delattr("rife_video.rife_core.inference.rife.sparse_pyramid")
    assert_close(network.inference(img0, img1), sparse, atol=2e-5, rtol=0)
    assert len(interpolate(network, frames, Timeline.multiply(4))) == 5
    assert estimate_flow(network, frames).shape == (1, 4, 40, 60)
