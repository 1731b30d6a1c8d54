"""The levels of the discriminators: blur."""

import pytest
import torch
from rife_video.rife_core.losses.discriminators.levels import Blur
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def test_blur_keeps_the_mean_and_removes_the_finest_stripes():
    stripes = torch.tensor([0.0, 1.0]).repeat(4).expand(1, 2, 3, 8, 8)
    blurred = Blur()(stripes)
    assert_close(blurred[..., 1:-1], torch.full((1, 2, 3, 8, 6), 0.5))
    assert_close(Blur()(torch.ones(1, 2, 5, 5)), torch.ones(1, 2, 5, 5))
