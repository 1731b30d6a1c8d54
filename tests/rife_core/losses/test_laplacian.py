"""LapLoss: the distance of two Laplacian pyramids."""

import re

import pytest
import torch
import torch.nn.functional as F
from rife_video.rife_core.losses.laplacian import LapLoss, lap_loss, laplacian_pyramid
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")
KERNEL = torch.outer(*[torch.tensor([1.0, 4, 6, 4, 1]) / 16] * 2)[None, None]


def images(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, *shape, generator=generator, dtype=dtype)


def blurred(x):
    channels = x.shape[1]
    padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(padded, KERNEL.expand(channels, -1, -1, -1), groups=channels)


def pyramid(x, levels):
    """As the paper has it: each level less the blurred and halved one, doubled with zeros."""
    found = []
    for _ in range(levels):
        down = blurred(x)[..., ::2, ::2]
        zeros = torch.zeros(*x.shape[:2], 2 * down.shape[2], 2 * down.shape[3])
        zeros[..., ::2, ::2] = down
        found.append(x - 4 * blurred(zeros)[..., : x.shape[2], : x.shape[3]])
        x = down
    return found


@pytest.mark.parametrize("size", [(40, 40), (33, 36), (64, 35)])
def test_the_pyramid_is_that_of_the_paper(size):
    x = torch.randn(2, 3, *size)
    levels = laplacian_pyramid(x, KERNEL.repeat(3, 1, 1, 1), 4)
    for level, expected in zip(levels, pyramid(x, 4), strict=True):
        assert_close(level, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_loss_is_the_sum_of_the_levels_means(channels):
    a, b = images(2, channels, 48, 40)
    expected = sum(level.abs().mean() for level in pyramid(a - b, 5))
    assert_close(lap_loss(a, b), expected)
    assert_close(LapLoss(channels=channels)(a, b), expected)
    assert_close(lap_loss(a.double(), b.double()), expected.double(), atol=1e-5, rtol=1e-4)


def test_laplacian_sees_detail_but_not_a_constant():
    a, _ = images(1, 3, 40, 40)
    assert lap_loss(a, a + 0.2) < 1e-5
    assert lap_loss(a, a.flip(3)) > 0.1


def test_laplacian_levels_add_up():
    a, b = images(1, 3, 40, 40)
    losses = [LapLoss(max_levels=levels)(a, b).item() for levels in range(1, 6)]
    assert losses == sorted(losses)
    assert len(set(losses)) == 5


@pytest.mark.parametrize(("height", "width"), [(33, 33), (34, 61), (128, 35)])
def test_laplacian_takes_odd_sizes(height, width):
    a, b = images(2, 3, height, width)
    assert 0 < lap_loss(a, b) < 2


@pytest.mark.parametrize(("levels", "side"), [(1, 2), (3, 8), (5, 32), (5, 20)])
def test_a_side_is_longer_than_the_levels_halve_it(levels, side):
    a, b = images(1, 3, 2**levels + 1, 2**levels + 1)
    lap_loss(a, b, levels)
    words = f"{levels} levels need sides of more than 2 ** {levels} pixels; found {side}."
    for size in ((side, 64), (64, side)):
        with pytest.raises(ValueError, match=re.escape(words)):
            lap_loss(*images(1, 3, *size), levels)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"max_levels": 0}, "max_levels is 0"), ({"channels": 0}, "channels is 0")],
)
def test_arguments_that_cannot_be(arguments, words):
    with pytest.raises(ValueError, match=words):
        LapLoss(**arguments)


def test_images_of_other_channels_are_refused():
    with pytest.raises(ValueError, match=re.escape("expected (B, 1, H, W)")):
        LapLoss(channels=1)(*images(1, 3, 40, 40))


def test_nothing_of_it_is_in_a_state():
    assert not LapLoss().state_dict()
