"""Curves between linear light and [0, 1]."""

import pytest
import torch
from rife_video.rife_core.ops.light import DisplayLight, LogLight
from torch.testing import assert_close

LIGHT = torch.tensor([-70.0, -0.01, 0.0, 0.001, 0.18, 1.0, 300.0, 65504.0])


def test_all_light_fits_into_the_range_in_its_order():
    light = LIGHT.reshape(1, -1, 1).expand(1, -1, 3)
    frame = LogLight().encode(light)
    assert frame.min() >= 0
    assert frame.max() <= 1
    assert bool((frame[:, 1:] > frame[:, :-1]).all())


def test_light_comes_back():
    curve = LogLight()
    light = torch.cat((LIGHT.reshape(1, -1, 1).expand(1, -1, 3), torch.full((1, 8, 1), 0.25)), -1)
    frame = curve.encode(light)
    assert curve.decode(frame) is light  # a source frame, bit for bit
    assert_close(frame[..., 3], torch.full((1, 8), 0.625))  # alpha is in the upper half
    assert_close(curve.decode(frame.clone()), light, rtol=1e-4, atol=1e-6)


def test_halves_come_back_as_halves():
    curve = LogLight()
    frame = curve.encode(LIGHT[1:7].reshape(1, 2, 3).half())
    assert curve.decode(frame.clone()).dtype == torch.float16


def test_light_that_is_no_longer_used_is_forgotten():
    curve = LogLight()
    curve.encode(torch.zeros(1, 1, 3))
    assert len(curve._given) == 0


@pytest.mark.parametrize(
    ("light", "shown"), [(0.0, 0.0), (0.002, 0.02584), (0.2140, 0.5), (1.0, 1.0)]
)
def test_the_curve_of_srgb(light, shown):
    """IEC 61966-2-1; the second is on its straight part."""
    values = torch.full((1, 1, 3), light)
    assert_close(DisplayLight().encode(values)[0, 0, 0].item(), shown, atol=1e-4, rtol=0)
    assert_close(DisplayLight().decode(DisplayLight().encode(values)), values, atol=1e-5, rtol=0)
