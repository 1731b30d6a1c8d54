"""What losses refuse, and in which words."""

import re
from pathlib import Path

import pytest
import torch
from rife_video.rife_core.losses.checks import (
    check_folders,
    check_images,
    check_numbers,
    check_pair,
    check_ranges,
    check_same,
    check_sizes,
    check_switches,
    full_precision,
)

GOOD = torch.zeros(1, 3, 8, 8)
REFUSED = {
    "axes": (GOOD[0], {}, "found a tensor of shape (3, 8, 8), expected (B, C, H, W)"),
    "channels": (GOOD, {"channels": 1}, "shape (1, 3, 8, 8), expected (B, 1, H, W)"),
    "empty": (GOOD[:0], {}, "is empty"),
    "no tensor": (None, {}, "found a NoneType, expected a tensor (B, C, H, W)"),
    "sparse": (GOOD.to_sparse(), {}, "found a tensor of layout sparse_coo, expected a dense one"),
    "8 bit": (GOOD.byte(), {}, "Divide 8-bit images by 255"),
    "small": (GOOD, {"shortest": 9}, "8 x 8 pixels is too small; both sides must have at least 9"),
    "low": (GOOD[..., :7, :], {"shortest": 8}, "7 x 8 pixels is too small"),
    "narrow": (GOOD[..., :7], {"shortest": 8}, "8 x 7 pixels is too small"),
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


class Owner:
    """What takes the arguments."""


NAN, INF = float("nan"), float("inf")
ARGUMENTS = {
    check_sizes: (
        [1, 2**40],
        [0, -1, 1.5, "1", None, True, NAN],
        "it must be a whole number of 1 or more.",
    ),
    check_numbers: ([0, 0.0, 1e308, 3], [-1e-9, NAN, INF, "1", None], "a number of 0 or more."),
    lambda owner, **given: check_numbers(owner, above=True, **given): (
        [1e-300, 1],
        [0, -1, NAN],
        "it must be a number above 0.",
    ),
    lambda owner, **given: check_numbers(owner, least=2, most=4, **given): (
        [2, 4],
        [1.999, 4.001],
        "it must be a number of 2 or more, and at most 4.",
    ),
    check_switches: ([True, False, 0, 1], [2, -1, 0.0, "yes", None], "it must be True or False."),
    check_ranges: (
        [(1, 2), [0.5, 0.5]],
        [(2, 1), (1,), (1, 2, 3), 3, "12", None],
        "it must be two numbers, the smaller one first.",
    ),
    lambda owner, **given: check_ranges(owner, most=4, **given): (
        [(1, 4)],
        [(0, 1), (1, 5), (1, NAN)],
        "it must be a number above 0, and at most 4.",
    ),
}


@pytest.mark.parametrize("check", ARGUMENTS)
def test_arguments_that_fit_and_that_do_not(check):
    right, wrong, words = ARGUMENTS[check]
    for value in right:
        check("Loss", first=value, value=value)
    for value in wrong:
        with pytest.raises(ValueError, match=rf"^Owner: value is .*{re.escape(words)}$"):
            check(Owner(), value=value)


def test_folders_are_several():
    for folders in ([], ["a", Path("b")], iter(["a"])):
        check_folders("Loss", folders)
    for folders in ("a", b"a", Path("a"), None, 3, [3], ["a", None]):
        with pytest.raises(
            ValueError, match=r"^Owner: folders is .*it must be a list of folders\.$"
        ):
            check_folders(Owner(), folders)
