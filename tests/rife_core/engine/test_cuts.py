"""The cut detector: how far it searches, what it ignores, and what counts as a repeat."""

import pytest
import torch
import torch.nn.functional as F
from rife_video.rife_core.engine import cuts
from rife_video.rife_core.engine.cuts import is_cut, is_repeat, likeness, small_picture
from support import texture
from torch.testing import assert_close

HEIGHT, WIDTH = 120, 180


REACH = 9


"""Pixels of the small picture of 64: the documented seventh of the width."""


def noise(height=48, width=64, seed=0):
    return torch.rand(1, height, width, generator=torch.Generator().manual_seed(seed))


def shifted(pixels, axis):
    """Two views of one endless scene, so many pixels apart."""
    scene = noise(96, 96)
    at = [16, 16]
    at[axis] += pixels
    view = scene[:, at[0] : at[0] + 48, at[1] : at[1] + 64]
    return scene[:, 16:64, 16:80], view


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("direction", [1, -1])
def test_blocks_are_searched_for_a_seventh_of_the_width_away(axis, direction):
    """Noise is alike at its exact place or nowhere: one pixel beyond the reach it is lost."""
    assert likeness(*shifted(direction * REACH, axis)) > 0.8
    assert likeness(*shifted(direction * (REACH + 1), axis)) < cuts.CUT_BELOW


def test_the_reach_is_a_seventh_of_the_long_side():
    assert cuts.small_picture(torch.rand(720, 1280, 3)).shape == (3, 36, 64)
    assert round(64 / 7) == REACH


def test_brightness_and_contrast_do_not_count():
    scene = 0.5 + 0.2 * noise()
    assert_close(likeness(scene, 0.3 * scene + 0.4), 1.0, atol=1e-3, rtol=0)
    assert likeness(scene, scene.flip(1)) < cuts.CUT_BELOW


def test_likeness_does_not_depend_on_the_order():
    a, b = noise(seed=1), noise(seed=2)
    half = torch.cat((a[..., :32], b[..., 32:]), 2)
    assert likeness(a, half) == likeness(half, a)


@pytest.mark.parametrize(("level", "same"), [(0.0, 1.0), (0.1, 1.0), (0.2, 0.0), (1.0, 0.0)])
def test_without_detail_the_mean_change_decides(level, same):
    assert likeness(torch.zeros(3, 36, 64), torch.full((3, 36, 64), level)) == same


@pytest.mark.parametrize(("level", "same"), [(0.5, 1.0), (0.7, 0.0)])
def test_where_one_picture_lacks_detail_the_mean_change_decides(level, same):
    scene, flat = 0.45 + 0.1 * noise(), torch.full((1, 48, 64), level)
    assert likeness(scene, flat) == likeness(flat, scene) == same


def test_a_small_picture_is_the_mean_of_its_pixels():
    frame = torch.zeros(128, 128, 3)
    frame[:64, :, 0] = 0.9
    expected = torch.zeros(3, 64, 64)
    expected[0, :32] = 0.9
    assert_close(small_picture(frame), expected)
    assert_close(small_picture((frame * 255).round().to(torch.uint8)), expected, atol=2e-3, rtol=0)


def test_values_that_are_not_finite_count_as_black():
    frame = torch.full((32, 32, 3), float("nan"))
    assert torch.equal(small_picture(frame), torch.zeros(3, 32, 32))


GREY, RED, GREEN = (1, 1, 1), (1, 0.1, 0.1), (0.1, 1, 0.1)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (GREY, GREY, 1.0),
        (RED, RED, 1.0),
        (GREY, (1, 0.5, 0.2), 1.7 / (3 * 1.29) ** 0.5),
        (RED, GREEN, 0.21 / 1.02),
    ],
)
def test_pictures_are_as_alike_as_their_colours(left, right, expected):
    """One texture in two colours: the cosine between them."""
    left, right = (
        torch.tensor(colour).float()[:, None, None] * noise() for colour in (left, right)
    )
    assert_close(likeness(left, right), expected, atol=2e-3, rtol=0)


def test_without_colour_there_is_one_likeness_for_grey_and_for_three_equal_channels():
    a, b = noise(seed=1), noise(seed=2)
    assert_close(likeness(a.repeat(3, 1, 1), b.repeat(3, 1, 1)), likeness(a, b))


@pytest.mark.parametrize("contrast", [1.0, 0.3, 0.1, 0.04])
def test_cuts_are_found_at_every_contrast(contrast):
    a, b = (0.2 + contrast * noise(seed=seed) for seed in (1, 2))
    assert is_cut(a, b)
    assert not is_cut(a, 0.8 * a)


def test_what_differs_by_a_step_of_8_bits_is_no_cut():
    a, b = (0.2 + 0.01 * noise(seed=seed) for seed in (1, 2))
    assert not is_cut(a, b)


def test_the_end_of_a_fade_is_no_cut():
    """What black lacks is not amplified."""
    faint = 0.1 * noise()
    assert not is_cut(faint, torch.zeros_like(faint))
    assert not is_cut(torch.zeros_like(faint), faint)


def test_a_small_part_that_changes_is_no_cut():
    """Though it is all the detail there is; the rest has contrast, but nothing to be found by."""
    still = torch.zeros(1, 32, 64)
    still[..., 32:] = 0.9
    a, b = still.clone(), still.clone()
    a[:, :16, :16], b[:, :16, :16] = noise(16, 16, 1), noise(16, 16, 2)
    assert likeness(a, b) < cuts.CUT_BELOW
    assert not is_cut(a, b)


def blobs(seed, moved=0):
    """Soft, without edges: a block of them fits somewhere in any other picture of them."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.rand(1, 1, 6, 8, generator=generator)
    wide = F.interpolate(cells, (48, 80), mode="bicubic")[0].clamp(0, 1)
    return wide[..., moved : moved + 64]


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_blocks_of_smooth_pictures_must_move_as_one(seed):
    a, b = blobs(seed), blobs(seed + 50)
    assert likeness(a, b) > cuts.CUT_BELOW
    assert is_cut(a, b)
    assert not is_cut(a, blobs(seed, 6))


def frame(level=0.5):
    return torch.full((64, 64, 3), level)


@pytest.mark.parametrize(
    ("change", "repeat"), [(0.0, True), (0.9 / 255, True), (1.1 / 255, False), (0.5, False)]
)
def test_the_whole_picture_may_change_by_one_level(change, repeat):
    assert is_repeat(frame(), frame(0.5 + change)) is repeat


@pytest.mark.parametrize("at_a_glance", [True, False])
def test_a_glance_that_differs_by_more_or_less_than_the_picture_does_not_decide(at_a_glance):
    """Every eighth pixel is looked at first: at most twice the difference lets look at all."""
    seen = torch.zeros(64, 64, 1, dtype=torch.bool)
    seen[::8, ::8] = True
    change = 1.5 / 255 * (seen == at_a_glance)
    assert is_repeat(frame(), frame() + change) is at_a_glance


@pytest.mark.parametrize(("change", "repeat"), [(2.9 / 255, True), (3.1 / 255, False)])
def test_one_block_may_change_by_three_levels(change, repeat):
    """A mouth that moves in a still picture is not a repeat, however small its part."""
    moved = frame()
    moved[16:24, 8:16] += change
    assert is_repeat(frame(), moved) is repeat


@pytest.mark.parametrize(("change", "repeat"), [(2.9 / 255, True), (3.1 / 255, False)])
def test_a_block_that_reaches_beyond_the_edge_counts_what_is_inside(change, repeat):
    still = torch.full((36, 36, 3), 0.5)
    moved = still.clone()
    moved[32:, 32:] += change
    assert is_repeat(still, moved) is repeat


def test_bytes_and_floats_repeat_alike():
    still = torch.full((64, 64, 3), 100, dtype=torch.uint8)
    assert is_repeat(still, still + 1) is False
    moved = still.clone()
    moved[:8, :8] += 2
    assert is_repeat(still, moved) is True
    moved[:8, :8] += 2
    assert is_repeat(still, moved) is False


def test_small_pictures_of_all_kinds():
    frame = texture(3)
    small = small_picture(frame)
    assert torch.allclose(small_picture((frame * 255).round().byte()), small, atol=5e-3)
    assert torch.allclose(small_picture(torch.cat((frame, frame[..., :1]), 2)), small)
    broken = frame.clone()
    broken[0, 0] = float("nan")
    assert torch.isfinite(small_picture(broken)).all()


def test_repeats():
    a = texture(1)
    assert is_repeat(a, a)
    assert is_repeat(a, a + 0.002 * torch.randn_like(a))
    assert is_repeat((a * 255).byte(), (a * 255).byte())
    moved = a.clone()
    moved[40:48, 60:68] = 1 - moved[40:48, 60:68]  # lips move in a still picture
    assert not is_repeat(a, moved)
    assert not is_repeat(a, a + 0.02)
