"""What networks refuse to read."""

import pytest
import torch
from rife_video.rife_core.networks.inputs import check_images, check_kind, scales_of

IMAGE = torch.rand(1, 3, 8, 8)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (None, "img0 is None; it must be a tensor"),
        (IMAGE.numpy(), "img0 is a ndarray"),
        (IMAGE.to_sparse(), "img0 is sparse_coo; it must be a dense tensor"),
        ((255 * IMAGE).byte(), "img0 holds uint8; .*divided by 255"),
        (IMAGE.to(torch.float8_e4m3fn), "img0 holds float8_e4m3fn; .*16 bits or more"),
        (IMAGE.to(torch.complex64), "img0 holds complex64"),
    ],
)
def test_what_is_no_image(image, words):
    with pytest.raises(ValueError, match=words):
        check_kind("img0", image)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_images_of_every_precision(dtype):
    check_images(img0=IMAGE.to(dtype), img1=IMAGE)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (IMAGE.to("meta"), "one device, and have content; they are on cpu and meta"),
        (IMAGE[:, :2], r"must both be B 3 H W, none of them 0, but are \(1, 3, 8, 8\) and \(1, 2"),
        (IMAGE[..., :4], "must both be B 3 H W"),
        (IMAGE[:0], "must both be B 3 H W"),
        (IMAGE[0], "must both be B 3 H W"),
        (IMAGE.repeat(2, 1, 1, 1), "must both be B 3 H W"),
    ],
)
def test_images_that_do_not_fit_each_other(other, words):
    with pytest.raises(ValueError, match=words):
        check_images(img0=IMAGE, img1=other)


def test_images_may_have_channels_of_their_own():
    check_images((6, 3), imgs=torch.cat((IMAGE, IMAGE), 1), gt=IMAGE)
    with pytest.raises(ValueError, match="must both be B 6 H W and B 3 H W"):
        check_images((6, 3), imgs=IMAGE, gt=IMAGE)


@pytest.mark.parametrize("scale", [3, None, "421", b"421", torch.tensor(4), object()])
def test_scales_that_are_no_list(scale):
    with pytest.raises(ValueError, match="must be a list of numbers"):
        scales_of(scale)


@pytest.mark.parametrize("odd", [0, 1 / 65, -1, float("nan"), 256.1, "4", None, True, 10**400])
def test_scales_that_are_none(odd):
    with pytest.raises(ValueError, match="each must be a number from 1/64 to 256"):
        scales_of((4, odd, 1))


def test_numbers_of_other_libraries_are_scales():
    assert scales_of(torch.tensor([4, 2])) == (4.0, 2.0)
    assert scales_of(iter((256, 1 / 64))) == (256, 1 / 64)
