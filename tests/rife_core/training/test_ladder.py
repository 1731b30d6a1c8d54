"""The motion ladder: what is painted moves as far as its rung says."""

import pytest
import torch
from rife_video.rife_core.training.ladder import (
    HEIGHT,
    KINDS,
    MARGIN,
    TIMES,
    WIDTH,
    demo_rung,
    painted_pictures,
    rungs,
)
from rife_video.rife_core.video.sample_clip import frames as sample_frames

SPEED = 32


@pytest.fixture(scope="module")
def pictures():
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(2, 3, 24, 36, generator=generator)
    return list(torch.nn.functional.interpolate(small, scale_factor=10, mode="bilinear"))


def test_without_pictures_they_are_painted():
    (picture,) = painted_pictures(1)
    assert picture.shape == (3, HEIGHT, WIDTH)
    assert picture.std() > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_a_rung_is_a_clip_with_every_second_frame_the_truth(pictures, kind):
    (rung,) = rungs(pictures, [kind], [SPEED])
    assert (rung.kind, rung.speed) == (kind, (SPEED,) * 3)
    assert [frame.shape for frame in rung.frames] == [(1, 3, 240, 360)] * len(TIMES)
    assert all(float(f.min()) >= 0 and float(f.max()) <= 1 for f in rung.frames)
    assert len(rung.boxes) == 3
    for box in rung.boxes:
        assert rung.frames[1][(..., *box)].shape[-2] >= 32
    again = rungs(pictures, [kind], [SPEED])[0]
    assert all(torch.equal(a, b) for a, b in zip(rung.frames, again.frames, strict=True))


@pytest.mark.parametrize("kind", ["disc", "lines"])
def test_objects_move_by_their_speed_and_leave_the_rest(pictures, kind):
    (rung,) = rungs(pictures, [kind], [SPEED])
    still = rungs(pictures, [kind], [0])[0].frames[3]
    left, right = (box[1].start for box in rung.boxes[:2])
    assert abs(right - left) == SPEED
    for index, box in enumerate(rung.boxes):
        outside = torch.ones(240, 360, dtype=torch.bool)
        for shown in (box, rung.boxes[1]):
            outside[shown] = False
        assert torch.equal(rung.frames[2 * index + 1][..., outside], still[..., outside])


def test_the_box_holds_the_disc_and_its_margin(pictures):
    (rung,) = rungs(pictures, ["disc"], [SPEED])
    rows, columns = rung.boxes[1]
    assert (rows.stop - rows.start, columns.stop - columns.start) == (128 + 2 * MARGIN,) * 2
    assert (rows.start + rows.stop, columns.start + columns.stop) == (240, 360)


def test_a_pan_shows_the_same_pixels_further_on(pictures):
    (rung,) = rungs(pictures, ["pan"], [SPEED])
    first, second = rung.frames[0], rung.frames[2]
    inner = slice(100, 260)
    shifts = {
        s: float((first[..., inner] - second.roll(s, -1)[..., inner]).abs().mean())
        for s in (-SPEED, 0, SPEED)
    }
    assert min(min(shifts[SPEED], shifts[-SPEED]), 1e-3) < 1e-3 < shifts[0]


def test_zoom_and_turn_move_the_sides_by_their_speed():
    """A dot at the middle of the right side, half of the speed from the middle frame."""
    picture = torch.zeros(3, 240, 360)
    picture[:, 117:123, 300:306] = 1
    rows, columns = torch.arange(240.0), torch.arange(360.0)
    for kind in ("zoom", "turn"):
        (rung,) = rungs([picture], [kind], [SPEED])
        seen = [frame[0, 0] / frame[0, 0].sum() for frame in rung.frames[2:5:2]]
        places = [torch.stack((f.sum(1) @ rows, f.sum(0) @ columns)) for f in seen]
        reach = (302.5 - 179.5) / 180
        assert float((places[1] - places[0]).norm()) == pytest.approx(SPEED * reach, rel=0.1)


def test_the_demo_rung_is_the_sample_clip_with_what_lies_between():
    demo = demo_rung(3, 120, 180)
    for index, frame in enumerate(sample_frames(3, 120, 180)):
        assert torch.equal(demo.frames[2 * index][0].permute(1, 2, 0), frame)
    assert demo.speed[0] > demo.speed[1] > 0  # it rises, and slows down
    for box, truth in zip(demo.boxes, demo.frames[1::2], strict=True):
        red = (truth[0, 0] - truth[0, 2]) > 0.3
        assert bool(red.any())
        red[box] = False
        assert not bool(red.any())


def test_what_cannot_be_climbed_is_named(pictures):
    with pytest.raises(ValueError, match="has no 'fly'"):
        rungs(pictures, ["fly"])
    with pytest.raises(ValueError, match="100x50 is too small"):
        rungs([torch.zeros(3, 50, 100)])


def test_a_speed_at_which_nothing_is_in_the_picture_is_named():
    with pytest.raises(ValueError, match=r"At 1e\+09 pixels a frame the disc of the ladder leave"):
        rungs(kinds=["disc"], speeds=[1e9])
