"""The CompareFrames node: which source frame stands beside which frame of the result."""

from fractions import Fraction
from math import floor

import pytest
import torch
from rife_video.nodes.compare_frames import CompareFrames
from rife_video.nodes.host import Folders, use_folders
from rife_video.rife_core.video import VideoReader


def numbered(numbers):
    """Frames 16x24, each as bright as its number says."""
    return torch.tensor(numbers).float().div(64)[:, None, None, None].expand(-1, 16, 24, 3)


def numbers(frames):
    return frames.mean(dim=(1, 2, 3)).mul(64).round(decimals=2).tolist()


@pytest.fixture
def compare(tmp_path):
    def compare(before, after, **options):
        with use_folders(Folders(temp=tmp_path)):
            answer = CompareFrames().compare(numbered(before), numbered(after), **options)
        (saved,) = answer["ui"]["images"]
        assert saved["type"] == "temp"
        picture = next(iter(VideoReader(tmp_path / saved["filename"])))
        torch.testing.assert_close(picture, answer["result"][1][0], atol=1 / 255, rtol=0)
        return answer["result"]

    return compare


@pytest.mark.parametrize(
    ("after", "left"),
    [
        ([0, 5, 10, 15, 20], [0, 0, 10, 10, 20]),  # doubled, to the last frame
        ([0, 5, 10, 15, 20, 20], [0, 0, 10, 10, 20, 20]),  # the duration kept
    ],
)
def test_side_by_side(compare, after, left):
    both, _ = compare([0, 10, 20], after)
    assert both.shape == (len(after), 16, 48, 3)
    assert numbers(both[:, :, :24]) == left
    assert numbers(both[:, :, 24:]) == after


@pytest.mark.parametrize(
    ("after", "left"),
    [
        ([0, 4, 8, 12, 16, 20, 24], [0, 0, 0, 10, 10, 20, 20]),  # 2.5 times the rate
        ([0, 5, 10, 13, 16, 20, 30], [0, 0, 10, 10, 10, 20, 30]),  # a schedule: 2, 3, 1
        ([0, 20, 30, 30], [0, 20, 30, 30]),  # half the rate, the duration kept
        ([0, 5, 10, 15, 20, 25, 30, 20], [0, 0, 10, 10, 20, 20, 30, 30]),  # a loop
    ],
)
def test_the_source_that_was_shown_whatever_the_rate(compare, after, left):
    both, _ = compare([0, 10, 20, 30], after)
    assert numbers(both[:, :, :24]) == left


def test_a_changed_result_is_told_by_the_two_rates(compare):
    after = [1, 4, 7, 11, 13, 16, 19]  # no source frame among them
    both, _ = compare([0, 10, 20, 30], after, source_fps=24.0, fps=60.0)
    assert numbers(both[:, :, :24]) == [0, 0, 0, 10, 10, 20, 20]


def interpolated(before, places):
    """Frames blended where they stand; past the last one it stays, or leads to the first again."""
    last = len(before) - 1
    return torch.stack(
        [before[floor(p)].lerp(before[(floor(p) + 1) % (last + 1)], float(p % 1)) for p in places]
    )


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("end", ["last frame", "loop"])
@pytest.mark.parametrize("fps", ["8.5", "11", "12", "16", "20", "24", "23.976", "59.94", "60"])
def test_without_rates_and_without_source_frames_in_the_result(tmp_path, fps, end, changed):
    """What passed unchanged tells the rate; else the frames themselves do."""
    before = torch.rand(9, 16, 24, 3, generator=torch.Generator().manual_seed(0))
    step, last = Fraction(8) / Fraction(fps), Fraction(8 if end == "last frame" else 9)
    places = [k * step for k in range(100) if k * step <= last and k * step < 9]
    after = interpolated(before, places)
    with use_folders(Folders(temp=tmp_path)):
        both, _ = CompareFrames().compare(before, after * 0.98 if changed else after)["result"]
    shown = [
        int((before - frame[None]).abs().mean((1, 2, 3)).argmin()) for frame in both[:, :, :24]
    ]
    near = [abs(a - floor(p)) for a, p in zip(shown, places, strict=True)]
    assert [k for k, p in zip(near, places, strict=True) if k and 0.06 < p % 1 < 0.94] == []


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_transparency(tmp_path, dtype):
    before, after = (torch.rand(n, 16, 24, 4).to(dtype) for n in (2, 3))
    with use_folders(Folders(temp=tmp_path)):
        both, strip = CompareFrames().compare(before, after)["result"]
    assert both.shape == (3, 16, 48, 3)
    assert both.dtype == strip.dtype == torch.float32


def test_strip_shows_the_middle_of_each_gap(compare):
    _, strip = compare([0, 10, 20, 30], [0, 5, 10, 15, 20, 25, 30], first=2, count=3, width=48)
    picture = strip[0]
    assert picture.shape == (2 * 32 + 18, 3 * 48 + 24, 3)
    above = [picture[6 + 16, 6 + 24 + k * 54] for k in range(3)]
    below = [picture[6 + 38 + 16, 6 + 27 + 24 + k * 54] for k in range(2)]
    assert numbers(torch.stack(above)[:, None, None]) == [10, 20, 30]
    assert numbers(torch.stack(below)[:, None, None]) == [15, 25]


def test_sizes_must_agree(tmp_path):
    with pytest.raises(ValueError, match="3 of 24x16 and 5 of 8x8"):
        CompareFrames().compare(numbered([0, 1, 2]), torch.zeros(5, 8, 8, 3))
