"""Fixtures that several folders use."""

import os
from fractions import Fraction

os.environ.setdefault("OMP_NUM_THREADS", "2")

import pytest
import torch
from rife_video.rife_core.ifnet import build_network
from rife_video.rife_core.video import VideoWriter
from support import fill, moving_square

GAINS = (("lastconv", 0.2),)


@pytest.fixture(scope="session")
def network():
    """A small network whose frames differ from a plain blend."""
    return fill(build_network("4.25.lite"), GAINS).eval()


@pytest.fixture(scope="session")
def midpoint_network():
    """A network without a timestep input."""
    return fill(build_network("hdv3"), (("conv1.2.", 0.2), ("conv2.2.", 0.2))).eval()


@pytest.fixture(scope="session")
def tone():
    """Half a second of a stereo tone."""
    time = torch.arange(12000) / 24000
    wave = torch.stack((torch.sin(2764 * time), torch.sin(1382 * time)))
    return {"waveform": 0.4 * wave[None], "sample_rate": 24000}


@pytest.fixture(scope="session")
def clip_file(tmp_path_factory, tone):
    """An mp4 of 6 frames, 52x36, at 12 frames a second, with sound."""
    path = tmp_path_factory.mktemp("clips") / "square.mp4"
    with VideoWriter(path, Fraction(12), audio=tone, crf=1) as writer:
        for frame in moving_square():
            writer.write(frame)
    return path
