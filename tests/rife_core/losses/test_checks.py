"""What losses refuse, and in which words."""

import re

import pytest
import torch
from rife_video.rife_core.losses.checks import (
    check_images,
    check_pair,
    check_same,
    full_precision,
)

GOOD = torch.zeros(1, 3, 8, 8)
REFUSED = {
    "axes": (GOOD[0], {}, "found a tensor of shape (3, 8, 8), expected (B, C, H, W)"),
    "channels": (GOOD, {"channels": 1}, "shape (1, 3, 8, 8), expected (B, 1, H, W)"),
    "empty": (GOOD[:0], {}, "is empty"),
    "8 bit": (GOOD.byte(), {}, "Divide 8-bit images by 255"),
    "small": (GOOD, {"shortest": 9}, "8 x 8 pixels is too small; both sides must have at least 9"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    image, wanted, message = REFUSED[case]
    with pytest.raises(ValueError, match=f"^Loss: .*{re.escape(message)}"):
        check_images("Loss", image, **wanted)
    with pytest.raises(ValueError, match=re.escape(message)):
        check_pair("Loss", image, image, **wanted)


def test_what_just_fits_is_taken():
    check_images("Loss", GOOD, channels=3, shortest=8)
    check_pair("Loss", GOOD, GOOD.double(), channels=3, shortest=8)


def test_both_sides_are_of_one_shape_on_one_device():
    with pytest.raises(ValueError, match=re.escape("(1, 3, 8, 8) and (1, 3, 8, 7)")):
        check_same("Loss", GOOD, GOOD[..., 1:])
    with pytest.raises(ValueError, match="one side is on cpu, the other on meta"):
        check_same("Loss", GOOD, GOOD.to("meta"))


def test_autocast_is_off_inside_and_on_again_after():
    a, b = torch.rand(2, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        with full_precision(torch.device("cpu")):
            assert (a @ b).dtype is torch.float32
        assert (a @ b).dtype is torch.bfloat16
    with full_precision(torch.device("meta")):
        pass
