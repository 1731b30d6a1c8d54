"""Padding to a size that a network can halve, and back."""

import pytest
import torch
from rife_video.rife_core.networks.padding import (
    alignment,
    check_input,
    crop,
    forward_multiple,
    pad_to_multiple,
)
from rife_video.rife_core.networks.specs import SPECS, get_spec


@pytest.mark.parametrize("version", SPECS)
@pytest.mark.parametrize("scale", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_every_block_divides_an_aligned_side(version, scale):
    spec = get_spec(version)
    multiple = alignment(spec, spec.scales[0] / scale)
    assert multiple % spec.align == 0
    assert all(multiple % max(1, round(4 * s / scale)) == 0 for s in spec.scales)


@pytest.mark.parametrize(("scale", "multiple"), [(0.25, 128), (0.5, 64), (1.0, 32), (4.0, 32)])
def test_a_coarser_scale_needs_a_larger_multiple(scale, multiple):
    assert alignment(get_spec("4.6"), 8 / scale) == multiple


@pytest.mark.parametrize(
    ("version", "scales", "multiple"),
    [
        ("rife", (1, 1, 1), 16),  # the refinement halves four times
        ("rife", (4, 2, 1), 16),
        ("rife", (8, 4, 2), 32),
        ("2.3", (1, 1, 1), 32),  # five times
        ("4.6", (1, 0.5), 4),
        ("4.6", (8, 4, 2, 1), 32),
    ],
)
def test_a_plain_pass_needs_no_more_than_its_arithmetic(version, scales, multiple):
    assert forward_multiple(get_spec(version), scales) == multiple


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (64, 65), (100, 32)])
def test_the_last_row_and_column_are_repeated_and_cut_off_again(size):
    height, width = size
    image = torch.rand(2, 3, height, width)
    padded = pad_to_multiple(image, 32)
    assert padded.shape[-2] % 32 == padded.shape[-1] % 32 == 0
    assert padded.shape[-2] - height < 32
    assert padded.shape[-1] - width < 32
    assert torch.equal(crop(padded, height, width), image)
    assert (padded[..., height:, :width] == image[..., -1:, :]).all()
    assert (padded[..., :height, width:] == image[..., -1:]).all()


def test_an_aligned_frame_is_not_copied():
    image = torch.rand(1, 3, 64, 96)
    assert pad_to_multiple(image, 32) is image


@pytest.mark.parametrize(
    "shape",
    [(6, 32, 32), (1, 3, 32, 32), (1, 7, 32, 32), (6, 1, 32, 32), (1, 6, 8, 32), (1, 9, 32, 8)],
)
def test_what_a_plain_pass_cannot_take(shape):
    with pytest.raises(ValueError, match=r"multiples of 16, but got \("):
        check_input(get_spec("rife"), torch.zeros(shape), (4, 2, 1))


@pytest.mark.parametrize("channels", [6, 9])
def test_what_a_plain_pass_takes(channels):
    check_input(get_spec("rife"), torch.zeros(1, channels, 16, 48), (4, 2, 1))
    with pytest.raises(ValueError, match="has 3 blocks, but scale lists 2"):
        check_input(get_spec("rife"), torch.zeros(1, channels, 16, 16), (4, 2))
