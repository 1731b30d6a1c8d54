"""What passes between the blocks: encoded frames and estimates."""

import pytest
import torch
from rife_video.rife_core.networks.estimate import EncodedFrame, Estimate
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def encoded(batch=2):
    return EncodedFrame(torch.rand(batch, 7, 4, 6), (torch.rand(batch, 5, 2, 3),))


def test_image_and_features_lie_in_one_tensor():
    frame = encoded()
    assert frame.image.shape == (2, 3, 4, 6)
    assert frame.features.shape == (2, 4, 4, 6)


def test_frames_are_joined_and_split_again():
    frame = encoded()
    parts = frame.split()
    assert [part.image.shape[0] for part in parts] == [1, 1]
    again = EncodedFrame.join(parts)
    assert torch.equal(again.image, frame.image)
    assert torch.equal(again.features, frame.features)
    assert torch.equal(again.context[0], frame.context[0])
    assert EncodedFrame.join(parts[:1]) is parts[0]


def images():
    return torch.rand(2, 1, 3, 8, 8)


def test_before_anything_is_known_both_sides_count_alike():
    img0, img1 = images()
    estimate = Estimate.zero(img0, img1)
    assert_close(estimate.blend(), (img0 + img1) / 2)
    assert not estimate.flow.any()


@pytest.mark.parametrize(("adds", "mask"), [(True, 3.0), (False, 2.0)])
def test_an_update_adds_to_the_flow_and_adds_or_replaces_the_mask(adds, mask):
    img0, img1 = images()
    start = Estimate.of(torch.ones(1, 4, 8, 8), torch.ones(1, 1, 8, 8), img0, img1)
    update = torch.cat((torch.full((1, 4, 8, 8), 0.5), torch.full((1, 1, 8, 8), 2.0)), 1)
    after = start.updated(update, adds, img0, img1)
    assert_close(after.flow, torch.full((1, 4, 8, 8), 1.5))
    assert_close(after.mask, torch.full((1, 1, 8, 8), mask))


def test_each_side_follows_its_own_flow():
    """flow_t0 moves img0, flow_t1 moves img1; dx comes before dy."""
    img0, img1 = images()
    flow = torch.tensor([1.0, 0, 0, 2]).reshape(1, 4, 1, 1).expand(1, 4, 8, 8)
    estimate = Estimate.of(flow, torch.zeros(1, 1, 8, 8), img0, img1)
    assert_close(estimate.warped_img0[..., :-1], img0[..., 1:])
    assert_close(estimate.warped_img1[..., :-2, :], img1[..., 2:, :])


@pytest.mark.parametrize(("mask", "side"), [(30.0, 0), (-30.0, 1)])
def test_a_high_mask_takes_img0(mask, side):
    pair = images()
    estimate = Estimate.of(torch.zeros(1, 4, 8, 8), torch.full((1, 1, 8, 8), mask), *pair)
    assert_close(estimate.blend(), pair[side])
    assert_close(estimate.carry(*pair), pair[side])


def test_disagreement_is_the_mean_over_colours():
    img0 = torch.zeros(1, 3, 8, 8)
    img1 = torch.tensor([0.3, 0, 0.6]).reshape(1, 3, 1, 1).expand(1, 3, 8, 8)
    found = Estimate.zero(img0, img1).disagreement()
    assert_close(found, torch.full((1, 1, 8, 8), 0.3))


def test_detached_numbers_stay_and_gradients_go():
    img0, img1 = images()
    flow = torch.rand(1, 4, 8, 8, requires_grad=True)
    estimate = Estimate.of(flow, flow[:, :1], img0, img1)
    cut = estimate.detach()
    assert estimate.warped_img0.requires_grad
    assert not any(
        part.requires_grad for part in (cut.flow, cut.mask, cut.warped_img0, cut.warped_img1)
    )
    assert torch.equal(cut.blend(), estimate.blend())
