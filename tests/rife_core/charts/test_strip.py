"""The strip: source frames above, the frames between them in the gaps below."""

import torch
from rife_video.rife_core.charts.strip import resized, strip
from torch.testing import assert_close


def test_every_frame_is_in_its_place():
    levels = [0.1, 0.2, 0.3]
    before = [torch.full((4, 8, 3), level) for level in levels]
    between = [torch.full((4, 8, 3), level) for level in (0.6, 0.7)]
    picture = strip(before, between)
    assert picture.shape == (2 * 4 + 3 * 6, 3 * (8 + 6) + 6, 3)
    for index, frame in enumerate(before):
        left = 6 + index * 14
        assert torch.equal(picture[6:10, left : left + 8], frame)
    for index, frame in enumerate(between):
        left = 6 + 7 + index * 14  # half a frame to the right: in the gap
        assert torch.equal(picture[16:20, left : left + 8], frame)
    assert (picture[10:16] == 1).all()


def test_a_resized_frame_keeps_its_shape():
    frame = torch.rand(90, 160, 3)
    small = resized(frame, 40)
    assert small.shape == (22, 40, 3)
    assert_close(small.mean(), frame.mean(), atol=5e-3, rtol=0)
