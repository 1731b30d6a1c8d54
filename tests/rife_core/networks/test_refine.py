"""Contextnet and Unet against their golden vectors, and what they do to the blend."""

from types import SimpleNamespace

import pytest
import torch
from rife_video.rife_core.networks.estimate import EncodedFrame, Estimate, FramePair
from rife_video.rife_core.networks.refine import (
    Contextnet,
    FusionContextnet,
    FusionUnet,
    Unet,
    build_refinement,
    refine,
)
from support import assert_golden, filled_golden_module, golden
from torch.testing import assert_close


def test_contextnet():
    network = filled_golden_module(Contextnet(), "contextnet")
    inputs, expected = golden("contextnet")
    with torch.no_grad():
        levels = network(inputs["x"], inputs["flow"])
    assert_golden({f"f{i}": level for i, level in enumerate(levels, 1)}, expected)


def test_unet():
    network = filled_golden_module(Unet(), "unet")
    inputs, expected = golden("unet")
    contexts = [[inputs[f"{side}.{i}"] for i in range(4)] for side in ("c0", "c1")]
    images = [inputs[name] for name in ("img0", "img1", "warped_img0", "warped_img1")]
    with torch.no_grad():
        residual = network(*images, inputs["mask"], inputs["flow"], *contexts)
    assert_golden({"residual": residual}, expected)


@torch.no_grad()
@pytest.mark.parametrize(
    ("kind", "contextnet", "unet", "planes"),
    [("residual", Contextnet, Unet, 3), ("fusion", FusionContextnet, FusionUnet, 4)],
)
def test_shapes_of_both_kinds(kind, contextnet, unet, planes):
    network, painter = build_refinement(kind)
    assert (type(network), type(painter)) == (contextnet, unet)
    image, flow = torch.rand(2, 3, 64, 96), torch.rand(2, 4, 64, 96)
    first, width = network.first_scale, 32 if kind == "fusion" else 16
    levels = network(image, flow[:, :2])
    assert [tuple(level.shape) for level in levels] == [
        (2, width << i, 64 // (first << i), 96 // (first << i)) for i in range(4)
    ]
    made = painter(*[image] * 4, flow[:, :1], flow, levels, levels)
    assert made.shape == (2, planes, 64, 96)
    assert 0 < made.min() < made.max() < 1


@pytest.mark.parametrize("kind", [Contextnet, FusionContextnet])
def test_each_level_is_warped_by_its_share_of_the_flow(kind):
    network = kind()
    first = network.first_scale
    features = [torch.rand(1, 2, 64 // (first << i), 64 // (first << i)) for i in range(4)]
    pixels = 8 * first  # one pixel of the last level
    flow = torch.tensor([float(pixels), 0]).reshape(1, 2, 1, 1).expand(1, 2, 64, 64)
    for i, level in enumerate(network.warp_features(features, flow)):
        moved = 8 >> i
        assert_close(level[..., :-moved], features[i][..., moved:])


def pair_and_estimate():
    frames = [EncodedFrame(torch.rand(1, 3, 32, 32)) for _ in range(2)]
    pair = FramePair(*frames, torch.full((1, 1, 1, 1), 0.5))
    return pair, Estimate.zero(*pair.images)


def painting(logits):
    """A Unet that gives just this."""
    return SimpleNamespace(logits=lambda *_: logits)


def test_a_residual_corrects_the_blend():
    pair, estimate = pair_and_estimate()
    for logit, correction in ((0.0, 0.0), (0.3, 0.1488850), (40.0, 1.0), (-40.0, -1.0)):
        unet = painting(torch.full((1, 3, 32, 32), logit))
        frame, after = refine(Contextnet(), unet, pair, estimate)
        assert after is estimate
        assert_close(frame, (estimate.blend() + correction).clamp(0, 1))


def test_the_context_of_each_frame_follows_its_own_flow():
    levels = [torch.rand(1, 2, 16, 16) for _ in range(2)]
    pair = FramePair(
        *(EncodedFrame(torch.rand(1, 3, 32, 32), (level,)) for level in levels),
        torch.full((1, 1, 1, 1), 0.5),
    )
    flow = torch.tensor([4.0, 0, 0, 8]).reshape(1, 4, 1, 1).expand(1, 4, 32, 32)
    seen = []

    def logits(planes, c0, c1):
        seen.extend((*c0, *c1))
        return torch.zeros(1, 3, 32, 32)

    refine(
        Contextnet(),
        SimpleNamespace(logits=logits),
        pair,
        Estimate.of(flow, torch.zeros(1, 1, 32, 32), *pair.images),
    )
    assert_close(seen[0][..., :-2], levels[0][..., 2:])
    assert_close(seen[1][..., :-4, :], levels[1][..., 4:, :])


def test_a_mask_of_the_unet_takes_the_place_of_the_pyramids():
    pair, estimate = pair_and_estimate()
    unet = painting(torch.tensor([0.0, 0, 0, 40]).reshape(1, 4, 1, 1).expand(1, 4, 32, 32))
    frame, after = refine(Contextnet(), unet, pair, estimate)
    assert_close(frame, pair.images[0])
    assert_close(after.mask, torch.full((1, 1, 32, 32), 40.0))
    assert torch.equal(after.flow, estimate.flow)
