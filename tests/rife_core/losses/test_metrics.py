"""PSNR, SSIM and RIFE's SSIM: golden vectors, known answers, and what is refused."""

import re

import pytest
import torch
from rife_video.rife_core.losses.metrics import psnr, ssim, ssim_matlab
from support import SCALAR, golden
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")

METRICS = {"psnr": psnr, "ssim": ssim, "ssim_matlab": ssim_matlab}


@pytest.mark.parametrize("pair", ["aa", "ab", "ac"])
def test_golden_ssim(pair):
    inputs, outputs = golden("ssim")
    assert_close(ssim_matlab(inputs[pair[0]], inputs[pair[1]]), outputs[pair], **SCALAR)


def test_psnr_of_each_image():
    black = torch.zeros(2, 3, 4, 4)
    other = black.clone()
    other[0] += 0.1
    assert_close(psnr(black, other), torch.tensor([20.0, torch.inf]))
    assert_close(psnr(255 * black, 255 * other, 255)[0], torch.tensor(20.0))


def test_ssim_of_equal_images_is_1_even_in_black():
    for image in (torch.zeros(1, 3, 16, 16), torch.rand(1, 3, 16, 16)):
        assert ssim(image, image).item() == pytest.approx(1, abs=1e-4)
        assert ssim_matlab(image, image).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_of_flat_images_ssim_judges_the_brightness_alone(data_range):
    a, b = (torch.full((2, 3, 16, 16), value * data_range) for value in (0.02, 0.04))
    expected = (2 * 0.02 * 0.04 + 1e-4) / (0.02**2 + 0.04**2 + 1e-4)
    assert_close(ssim(a, b, data_range), torch.full((2,), expected), atol=1e-3, rtol=0)
    assert ssim_matlab(a, b, data_range).item() == pytest.approx(expected, abs=1e-3)


def test_more_noise_scores_worse():
    generator = torch.Generator().manual_seed(0)
    image, noise = torch.rand(2, 1, 3, 32, 32, generator=generator)
    for metric in METRICS.values():
        scores = [metric(image, image + s * (noise - 0.5)).item() for s in (0.01, 0.1, 0.5)]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("name", METRICS)
def test_half_precision_and_range(name):
    a, b = torch.rand(2, 1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = METRICS[name](a, b)
    assert_close(METRICS[name](a.half(), b.half()), expected, rtol=0.01, atol=0.01)
    assert_close(METRICS[name](255 * a, 255 * b, 255), expected, rtol=1e-4, atol=1e-4)


def test_smallest_images():
    pixel = torch.zeros(1, 3, 1, 1)
    assert psnr(pixel, pixel + 0.1).item() == pytest.approx(20, abs=1e-4)
    assert ssim_matlab(pixel, pixel).item() == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match="both sides must have at least 6"):
        ssim(pixel, pixel)


IMAGE = torch.zeros(1, 3, 16, 16)
REFUSED = {
    "other size": (IMAGE, IMAGE[..., 1:], "must be the same"),
    "empty": (IMAGE[:0], IMAGE[:0], "is empty"),
    "bytes": (IMAGE.byte(), IMAGE.byte(), "torch.uint8, expected floating point"),
    "no batch": (IMAGE[0], IMAGE[0], "expected (B, C, H, W)"),
}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("case", REFUSED)
def test_refused(name, case):
    a, b, message = REFUSED[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        METRICS[name](a, b)


@pytest.mark.parametrize("name", METRICS)
def test_a_nan_is_not_hidden(name):
    assert METRICS[name](IMAGE, torch.full_like(IMAGE, torch.nan)).isnan().all()
