"""Frames as what judges them reads; `tests/nodes/test_frames.py` tries them at every node."""

import pytest
import torch
from rife_video.nodes.host import check_enough, colours


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(torch.float32, 0.6), (torch.float64, 0.6), (torch.float16, 0.6), (torch.uint8, 153)],
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_colours_are_three_in_float32(dtype, value, channels):
    found = colours(torch.full((2, 4, 6, channels), value, dtype=dtype))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.full((2, 4, 6, 3), 0.6), rtol=0, atol=1e-3)


def test_transparency_is_left_out():
    frames = torch.cat((torch.full((1, 4, 6, 3), 0.25), torch.ones(1, 4, 6, 1)), -1)
    assert torch.equal(colours(frames), frames[..., :3])


@pytest.mark.parametrize(
    "frames",
    [
        torch.zeros(4, 6, 3),
        torch.zeros(2, 4, 6, 2),
        torch.zeros(2, 4, 6, 3, dtype=torch.int64),
        torch.zeros(2, 4, 6, 3, dtype=torch.bool),
    ],
)
def test_what_is_no_clip_is_named(frames):
    with pytest.raises(ValueError, match=r"^gt has shape \(.*1, 3 or 4 channels, .* and not torch"):
        colours(frames, "gt")


def test_a_clip_of_as_many_frames_as_are_needed_is_enough():
    check_enough(torch.zeros(3, 4, 6, 3), 3, "This node")
    with pytest.raises(ValueError, match=r"^This node needs 3 frames or more; found 2\.$"):
        check_enough(torch.zeros(2, 4, 6, 3), 3, "This node")
    with pytest.raises(ValueError, match=r"found 1\. .*Rebatch Images"):
        check_enough(torch.zeros(1, 4, 6, 3), 3, "This node")
