"""Backward warp: golden vectors, known answers, and what it refuses."""

import pytest
import torch
from rife_video.rife_core.ops.warp import warp
from support import IMAGE, golden
from torch.testing import assert_close


def test_warp():
    inputs, expected = golden("warp")
    assert_close(warp(**inputs), expected["warped"], **IMAGE)


def test_warp_moves_by_whole_pixels():
    image = torch.rand(1, 2, 5, 7)
    flow = torch.zeros(1, 2, 5, 7)
    flow[:, 0], flow[:, 1] = 2, -1
    expected = image[:, :, [0, 0, 1, 2, 3]][..., [2, 3, 4, 5, 6, 6, 6]]
    assert_close(warp(image, flow), expected)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_warp_takes_sides_of_one_pixel(size, mode):
    image = torch.rand(1, 3, *size)
    assert_close(warp(image, torch.zeros(1, 2, *size), mode=mode), image)


def test_bicubic_warp_moves_by_whole_pixels():
    image = torch.rand(1, 2, 5, 7)
    flow = torch.zeros(1, 2, 5, 7)
    flow[:, 0], flow[:, 1] = 2, -1
    assert_close(warp(image, flow, mode="bicubic"), warp(image, flow), rtol=0, atol=1e-5)


def test_bicubic_warp_half_way_between_pixels():
    image = torch.zeros(1, 1, 1, 9)
    image[..., 4] = 1
    flow = torch.zeros(1, 2, 1, 9)
    flow[:, 0] = 0.5
    # The cubic of PyTorch and ONNX (a = -0.75) at distances 1.5 and 0.5.
    expected = torch.tensor([0, 0, -0.09375, 0.59375, 0.59375, -0.09375, 0, 0, 0])
    assert_close(warp(image, flow, mode="bicubic").flatten(), expected, rtol=0, atol=1e-5)


def test_bicubic_warp_shows_where_the_flow_is_not_a_number():
    flow = torch.zeros(1, 2, 6, 6)
    flow[0, 0, 2, 3] = torch.nan
    image = torch.rand(1, 1, 6, 6, requires_grad=True)
    warped = warp(image, flow.requires_grad_(), mode="bicubic")
    assert warped.isnan().nonzero().tolist() == [[0, 0, 2, 3]]
    warped.nansum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()


def test_warp_computes_in_float32():
    image = torch.rand(1, 1, 1, 4096)
    half_pixel = torch.zeros(1, 2, 1, 4096)
    half_pixel[:, 0] = 0.5
    warped = warp(image.half(), half_pixel.half())
    assert warped.dtype == torch.float32
    assert_close(warped, warp(image.half().float(), half_pixel))


def test_warp_names_both_shapes():
    with pytest.raises(ValueError, match=r"\(1, 2, 4, 4\).*\(1, 3, 4, 5\)"):
        warp(torch.rand(1, 3, 4, 5), torch.rand(1, 2, 4, 4))
