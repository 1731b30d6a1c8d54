"""Twelve clips and one long film, and what a single run makes of them."""

import hashlib
from fractions import Fraction

import av
import pytest
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.files.jobs import DebugWorkers, Recipe, interpolate_files
from rife_video.rife_core.video import VideoWriter
from support import moving_square

PART = 16


@pytest.fixture(scope="session")
def recipe(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_rife(network, path)
    return Recipe(str(path), precision="fp32", scale=1.0, quality=0)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for index, frames in enumerate([58, *[3] * 12]):
        with VideoWriter(folder / f"{index:02}.mp4", Fraction(12), crf=10) as writer:
            for frame in moving_square(frames, 32, 140, 2):
                writer.write(frame[:, index : index + 32].contiguous())
    return folder


@pytest.fixture(scope="session")
def digests():
    """A hash of the frames of each file in a folder, by its name.

    The encoding loses nothing: these are the frames that came out of the engine. The bytes of
    files would not do, for x264 does not always write the same ones.
    """

    def digest(path):
        found = hashlib.sha256()
        with av.open(path) as container:
            for frame in container.decode(video=0):
                found.update(str(frame.pts * frame.time_base).encode())
                found.update(frame.to_ndarray().tobytes())
        return found.hexdigest()

    def of(folder):
        return {
            path.relative_to(folder).as_posix(): digest(path)
            for path in sorted(folder.rglob("*.m??"))
            if ".rife-job" not in path.parts
        }

    return of


@pytest.fixture(scope="session")
def reference(tmp_path_factory, clips, recipe, digests):
    output = tmp_path_factory.mktemp("reference")
    report = interpolate_files(
        [clips], output, recipe, workers=DebugWorkers("cpu"), part_frames=PART
    )
    assert report.is_complete
    assert len(report.films) == 13
    return digests(output)
