"""Small clips for jobs."""

from fractions import Fraction

import pytest
from rife_video.rife_core.video import VideoWriter
from support import moving_square


@pytest.fixture(scope="session")
def clips(tmp_path_factory, tone):
    """A folder: a clip of 26 frames with sound, and below it one of 4."""
    folder = tmp_path_factory.mktemp("films")
    for name, frames, sound in (("long.mp4", 26, tone), ("more/short.mkv", 4, None)):
        with VideoWriter(folder / name, Fraction(12), audio=sound, crf=10) as writer:
            for frame in moving_square(frames, 32, 100, 2):
                writer.write(frame[:, :32].contiguous())
    return folder


@pytest.fixture(scope="session")
def reference(clips, undisturbed):
    """What the job of the clips has to make, as hashes."""
    return undisturbed(clips)
