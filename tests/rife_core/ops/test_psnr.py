"""PSNR: known answers."""

import kornia.metrics
import torch
from rife_video.rife_core.ops.psnr import psnr
from torch.testing import assert_close


def test_each_sample_has_its_own():
    black = torch.zeros(3, 4, 5)
    other = black.clone()
    other[0], other[1, 0, 0] = 0.1, torch.nan
    assert_close(psnr(black, other), torch.tensor([20, torch.nan, torch.inf]), equal_nan=True)
    assert_close(psnr(255 * black, 255 * other, 255)[0], torch.tensor(20.0))


def test_it_is_that_of_kornia():
    a, b = torch.rand(2, 1, 3, 6, 7)
    assert_close(psnr(a, b, 2.0)[0], kornia.metrics.psnr(a, b, 2.0))
