"""What passes between the blocks: encoded frames and estimates."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.networks.estimate import (
    EncodedFrame,
    Estimate,
    FramePair,
    as_timesteps,
    averaged,
)
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


def test_a_pair_is_split_into_its_samples():
    frame0, frame1, times = encoded(), encoded(), torch.tensor([0.25, 0.5]).reshape(2, 1, 1, 1)
    for index, pair in enumerate(FramePair(frame0, frame1, times).split()):
        assert torch.equal(pair.images[0], frame0.image[index : index + 1])
        assert torch.equal(pair.images[1], frame1.image[index : index + 1])
        assert pair.times.tolist() == times[index : index + 1].tolist()


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


@pytest.mark.parametrize(("mask", "share"), [(0.0, 1.0), (30.0, 0.0), (-30.0, 0.0)])
def test_doubt_is_the_disagreement_that_shows(mask, share):
    pair = images()
    zero = Estimate.zero(*pair)
    estimate = Estimate(zero.flow, torch.full((1, 1, 8, 8), mask), *pair)
    assert_close(estimate.doubt(), share * estimate.disagreement())


def test_estimates_are_joined_with_all_that_they_know():
    parts = [Estimate.zero(*images()) for _ in range(2)]
    whole = Estimate.join(parts)
    for name in ("flow", "mask", "warped_img0", "warped_img1"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(p, name) for p in parts]))
    assert whole.mixed is None
    mixed = [replace(part, mixed=torch.rand(1, 3, 8, 8)) for part in parts]
    assert torch.equal(Estimate.join(mixed).blend(), torch.cat([p.mixed for p in mixed]))


def test_sides_can_be_sampled_anew():
    img0, img1 = images()
    whole = torch.tensor([1.0, 0, 0, 2]).reshape(1, 4, 1, 1).expand(1, 4, 8, 8)
    estimate = Estimate.of(whole, torch.zeros(1, 1, 8, 8), img0, img1)
    assert estimate.resampled("bilinear", img0, img1) is estimate
    again = estimate.resampled("bicubic", img0, img1)
    for name in ("flow", "mask", "warped_img0", "warped_img1"):  # steps of whole pixels
        assert_close(getattr(again, name), getattr(estimate, name))
    edges = (torch.arange(8) // 2 % 2).float().expand(1, 3, 8, 8)
    between = Estimate.of(whole * 0.3, torch.zeros(1, 1, 8, 8), edges, edges)
    sharp = between.resampled("bicubic", edges, edges).warped_img0
    assert not torch.allclose(sharp, between.warped_img0)
    assert (sharp.min(), sharp.max()) == (0, 1), "what overshoots is cut off"


@pytest.mark.parametrize("timestep", [0, 0.25, 1, Fraction(1, 4), torch.tensor([0.25])])
def test_one_timestep_is_for_all_samples(timestep):
    times = as_timesteps(timestep, torch.rand(3, 3, 8, 8).double())
    assert times.shape == (3, 1, 1, 1)
    assert times.dtype == torch.float64
    assert times.flatten().tolist() == [float(timestep)] * 3


def test_each_sample_may_have_its_timestep():
    like = torch.rand(3, 3, 8, 8)
    assert as_timesteps(torch.tensor([0, 0.5, 1]), like).flatten().tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("timestep", "words"),
    [
        ("half", "timestep is 'half'; it must be a number in"),
        ("x" * 200, f"timestep is '{'x' * 80}';"),
        (1j, "must be a number"),
        (10**400, "must be a number"),
        (torch.tensor(1j), "must be a number"),
        (torch.tensor(0.5, device="meta"), "must be a number"),
        (1.01, r"timestep is 1\.01; it must lie in \[0, 1\]"),
        (-0.01, "must lie in"),
        (torch.tensor([0.5, torch.nan, 0.5]), "must lie in"),
        (torch.tensor([0.5, 0.5]), "one for each of the 3 samples"),
    ],
)
def test_timesteps_that_are_none(timestep, words):
    with pytest.raises(ValueError, match=words):
        as_timesteps(timestep, torch.rand(3, 3, 8, 8))


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


def test_a_block_that_reads_pixels_gets_the_pair_as_it_is():
    frame = encoded()
    pair, before = FramePair(frame, frame, torch.full((2, 1, 1, 1), 0.5)), None
    seen, last = averaged(1, pair, before)
    assert seen is pair
    assert last is before


def test_averaged_frames_are_warped_by_the_flow_in_their_own_pixels():
    """Four pixels of the frame are one of its means over squares of four."""
    img0, img1 = torch.rand(2, 1, 3, 16, 32)
    flow = torch.tensor([4.0, 0, 0, -8]).reshape(1, 4, 1, 1).expand(1, 4, 16, 32)
    pair = FramePair(EncodedFrame(img0), EncodedFrame(img1), torch.full((1, 1, 1, 1), 0.5))
    seen, last = averaged(4, pair, Estimate.of(flow, flow[:, :1], img0, img1))
    means = [image.unflatten(3, (8, 4)).unflatten(2, (4, 4)).mean((3, 5)) for image in pair.images]
    for found, expected in zip(seen.images, means, strict=True):
        assert_close(found, expected)
    assert_close(last.flow, flow[..., :4, :8])
    assert_close(last.mask, flow[:, :1, :4, :8])
    assert_close(last.warped_img0[..., :-1], means[0][..., 1:])
    assert_close(last.warped_img1[..., 2:, :], means[1][..., :-2, :])
    assert averaged(4, pair, None)[1] is None
