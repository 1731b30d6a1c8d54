"""Ternary: the census loss."""

import pytest
import torch
from rife_video.rife_core.losses.census import Ternary, ternary

pytestmark = pytest.mark.usefixtures("seeded")


def images(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, *shape, generator=generator, dtype=dtype)


def test_ternary_hardly_sees_brightness_but_sees_structure():
    a, b = images(1, 3, 32, 32)
    assert ternary(a, a + 0.1)[..., 3:-3, 3:-3].max() < 1e-6  # patches end at the border
    assert ternary(a, b)[..., 1:-1, 1:-1].mean() > 0.05
    assert ternary(a, b)[..., 0, :].abs().max() == 0


def test_the_documented_steps_give_the_loss():
    loss, (img0, img1) = Ternary(), torch.rand(2, 2, 3, 9, 11)
    transforms = [loss.transform(loss.rgb2gray(img)) for img in (img0, img1)]
    made = loss.hamming(*transforms) * loss.valid_mask(img0, 1)
    torch.testing.assert_close(made, ternary(img0, img1))
    assert all(each.abs().max() < 1 for each in transforms)


def test_a_transform_compares_each_pixel_with_its_neighbours():
    """Where the picture rises by one a column, those to the right are brighter."""
    slope = torch.arange(9.0).expand(1, 1, 9, 9)
    middle = Ternary().transform(slope)[0, :, 4, 4].reshape(7, 7)
    assert middle[:, :3].max() < 0
    assert middle[:, 3].abs().max() == 0
    assert middle[:, 4:].min() > 0


def test_a_valid_mask_leaves_out_the_border():
    mask = Ternary().valid_mask(torch.rand(2, 3, 5, 6), 2)
    assert mask.shape == (2, 1, 5, 6)
    assert mask.nonzero().tolist() == [[b, 0, 2, x] for b in (0, 1) for x in (2, 3)]
