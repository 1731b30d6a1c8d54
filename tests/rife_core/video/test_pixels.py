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
