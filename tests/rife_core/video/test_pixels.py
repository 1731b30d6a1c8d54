"""Pixels between files and tensors: the same numbers in every run."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rife_video.rife_core.video import pixels
from rife_video.rife_core.video.pixels import reformat, to_frame


@pytest.fixture
def image():
    return torch.rand(36, 56, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.skipif(not pixels._HAS_THREADS, reason="this PyAV converts with one thread")
@pytest.mark.parametrize(
    ("width", "target", "threads"),
    [(64, None, None), (56, None, 1), (64, 56, 1), (1920, 1280, None)],
)
def test_rows_that_do_not_fill_vectors_are_converted_by_one_thread(width, target, threads):
    frame = SimpleNamespace(width=width, reformat=lambda width, height, **how: how)
    assert reformat(frame, target).get("threads") == threads


def test_a_conversion_there_and_back_keeps_each_pixel(image):
    there = reformat(to_frame(image, deep=True), format="gbrp16le")
    back = reformat(there, format="rgb48le").to_ndarray().astype(np.float32) / 65535
    assert np.abs(back - image.numpy()).max() < 1e-4


@pytest.mark.parametrize(
    ("matrix", "red", "blue"),
    [(1, 0.2126, 0.0722), (5, 0.299, 0.114), (7, 0.212, 0.087), (9, 0.2627, 0.0593)],
)
def test_each_matrix_is_the_one_of_its_standard(matrix, red, blue):
    """H.273, equations 38 to 40; the frame says it too, as some releases of PyAV look there."""
    r, g, b = colour = (1.0, 0.16, 0.35)
    luma = red * r + (1 - red - blue) * g + blue * b
    chroma = (b - luma) / (2 - 2 * blue), (r - luma) / (2 - 2 * red)
    expected = [16 + 219 * luma, 128 + 224 * chroma[0], 128 + 224 * chroma[1]]
    frame = to_frame(torch.tensor(colour).expand(16, 64, 3), deep=True)
    made = reformat(frame, format="yuv444p", dst_colorspace=matrix, dst_color_range=1)
    planes = [np.frombuffer(plane, np.uint8)[0] for plane in made.planes]
    assert np.abs(np.array(planes, float) - expected).max() <= 1
    assert frame.colorspace == matrix
