"""How the two frames are sampled for the blend."""

import pytest
import torch
from rife_video.rife_core.inference.rife import build_network
from rife_video.rife_core.inference.sampling import SAMPLINGS, set_sampling
from rife_video.rife_core.networks.specs import OWN, SPECS
from rife_video.rife_core.ops.warp import warp
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def test_published_rows_are_bilinear_and_the_bundled_one_bicubic():
    bicubic = {version for version, spec in SPECS.items() if spec.sampling == "bicubic"}
    assert bicubic == {OWN}


@pytest.mark.parametrize("version", ["4.6", "4.25.lite"])
def test_bicubic_frames_are_blended_of_bicubic_samples(version):
    network = build_network(version).eval()
    img0, img1 = torch.rand(2, 1, 3, 128, 128)
    plain = network.inference(img0, img1)
    estimate = network.estimate(network.prepare(img0), network.prepare(img1))
    set_sampling(network, "bicubic")
    sides = (img0, estimate.flow[:, :2]), (img1, estimate.flow[:, 2:])
    side0, side1 = (warp(*side, mode="bicubic").clamp(0, 1) for side in sides)
    expected = torch.lerp(side1, side0, estimate.mask.sigmoid())
    frame = network.inference(img0, img1)
    assert_close(frame, expected)
    assert not torch.equal(frame, plain)
    set_sampling(network, "bilinear")
    assert torch.equal(network.inference(img0, img1), plain)


def test_auto_is_what_the_row_says():
    for version in ("4.6", OWN):
        network = build_network(version)
        set_sampling(network, "auto")
        assert network.spec == SPECS[version]


@pytest.mark.parametrize("version", ["rife", "3.1"])
def test_a_refinement_takes_what_it_learned_on_alone(version):
    network = build_network(version)
    usual = network.spec.sampling
    set_sampling(network, usual)
    other = next(name for name in SAMPLINGS[1:] if name != usual)
    with pytest.raises(ValueError, match=f"'{version}' refines .* of {usual} samples"):
        set_sampling(network, other)
    assert network.spec == SPECS[version]


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="sampling is 'nearest'; it must be one of auto, bilinear"):
        set_sampling(build_network("4.25.lite"), "nearest")
