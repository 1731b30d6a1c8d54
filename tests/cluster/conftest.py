"""Twelve clips and one long film."""

import sys
from fractions import Fraction

import pytest
from cluster import held
from rife_video.rife_core.files.jobs import drive, hand_out, ray_workers
from rife_video.rife_core.video import VideoWriter
from support import moving_square


@pytest.fixture(autouse=True)
def attentive(monkeypatch):
    """Drivers that look all the time: what is to happen to a job happens at once."""
    for module in (drive, hand_out):
        monkeypatch.setattr(module, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(drive, "_LOOK_SHARE", 100.0)  # however long it takes
    monkeypatch.setattr(ray_workers, "_LOOK_FOR_NODES", 0.5)


@pytest.fixture(scope="session", autouse=True)
def drivers():
    """A process to fork them from gets ready beside the first tests."""
    if sys.platform == "linux":
        held.prepare()


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for index, frames in enumerate([58, *[3] * 12]):
        with VideoWriter(folder / f"{index:02}.mp4", Fraction(12), crf=10) as writer:
            for frame in moving_square(frames, 32, 140, 2):
                writer.write(frame[:, index : index + 32].contiguous())
    return folder


@pytest.fixture(scope="session")
def reference(clips, undisturbed):
    """What the job of the clips has to make, as hashes."""
    return undisturbed(clips)
