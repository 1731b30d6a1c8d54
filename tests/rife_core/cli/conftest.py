"""A clip to measure and learn on, and small weights."""

from fractions import Fraction

import pytest
from rife_video.rife_core.video import VideoWriter
from support import moving_square


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "square.mp4"
    with VideoWriter(path, Fraction(8), crf=1) as writer:
        for frame in moving_square(14, 64, 80):
            writer.write(frame)
    return path


@pytest.fixture
def weights(small_weights):
    return small_weights
