"""Backward warp: golden vectors, known answers, and what it refuses."""

import pytest
import torch
from rife_video.rife_core.ops.warp import warp, warp_both
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


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_warp_at_some_rows_and_columns(mode):
    image, flow = torch.rand(2, 3, 8, 9), 3 * torch.randn(2, 2, 8, 9)
    rows, columns = torch.tensor([1, 2, 5]), torch.tensor([0, 4, 7, 8])
    whole = warp(image, flow, mode=mode)[:, :, rows][..., columns]
    some = warp(image, flow[:, :, rows][..., columns], (rows, columns), mode)
    assert_close(some, whole)


def test_both_sides_are_warped_by_their_own_flow():
    img0, img1 = torch.rand(2, 1, 3, 6, 7)
    flow = 2 * torch.randn(1, 4, 6, 7)
    warped0, warped1, blend = warp_both(img0, img1, flow, torch.zeros(1, 1, 6, 7))
    assert_close(warped0, warp(img0, flow[:, 0:2]))
    assert_close(warped1, warp(img1, flow[:, 2:4]))
    assert blend is None  # no device here does it in the same pass


IMAGE3, FLOW = torch.rand(1, 3, 4, 5), torch.zeros(1, 2, 4, 5)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((IMAGE3, FLOW[..., :4]), r"\(1, 2, 4, 4\).*\(1, 3, 4, 5\) needs .*\(1, 2, 4, 5\)"),
        ((IMAGE3, IMAGE3), r"the flow has shape \(1, 3, 4, 5\)"),
        ((IMAGE3, FLOW, (torch.arange(2), torch.arange(3))), r"needs .*\(1, 2, 2, 3\)"),
        ((IMAGE3[0], FLOW), "input is torch.float32.*; it must be dense"),
        ((IMAGE3[None], FLOW), "input is torch.float32.*; it must be dense"),
        ((IMAGE3.to_sparse(), FLOW), "input is torch.float32, torch.sparse_coo"),
        ((IMAGE3.byte(), FLOW), "input is torch.uint8"),
        ((IMAGE3, FLOW.long()), "flow is torch.int64"),
        ((IMAGE3.tolist(), FLOW), "input is a list; it must be a tensor"),
        ((IMAGE3, FLOW.to("meta")), "the input is on cpu, the flow on meta"),
        ((IMAGE3, FLOW, None, "nearest"), "mode is 'nearest'; it must be bilinear or bicubic"),
    ],
)
def test_warp_says_what_does_not_fit(args, message):
    with pytest.raises(ValueError, match=message):
        warp(*args)
