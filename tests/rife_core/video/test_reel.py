"""The samples of a sound, read as they are asked for."""

import numpy as np
import pytest
from av.audio.frame import AudioFrame
from rife_video.rife_core.video.reel import Reel, values_of


def test_samples_are_read_when_they_are_asked_for_and_silence_lies_around_them():
    read = []

    def chunks():
        for begin in (0, 4, 8):
            read.append(begin)
            yield np.arange(begin, begin + 4.0)[None]

    reel = Reel(chunks(), 1)
    assert reel.between(-2, 3).tolist() == [[0, 0, 0, 1, 2]]
    assert (read, reel.end) == ([0], None)
    assert reel.between(2, 6).tolist() == [[2, 3, 4, 5]]
    assert reel.count_before_end(np.array([3.0, 40.0])) == 2  # not known yet
    assert reel.between(9, 15).tolist() == [[9, 10, 11, 0, 0, 0]]
    assert (read, reel.end) == ([0, 4, 8], 12)
    assert reel.count_before_end(np.array([3.0, 11.5, 12.0, 40.0])) == 2
    assert reel.between(20, 22).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("u8", [0, 128, 192, 255], [[-1, 0.5], [0, 127 / 128]]),
        ("s16", [-32768, 0, 16384, 0], [[-1, 0.5], [0, 0]]),
        ("flt", [-0.25, 0.5, 1, 0], [[-0.25, 1], [0.5, 0]]),
    ],
)
def test_samples_of_any_kind_are_worth_as_much(kind, values, expected):
    dtype = {"u8": np.uint8, "s16": np.int16, "flt": np.float32}[kind]
    frame = AudioFrame.from_ndarray(np.array([values], dtype), format=kind, layout="stereo")
    assert values_of(frame).tolist() == expected
