"""Small clips, small weights, and the results that a job has to have."""

import hashlib
from fractions import Fraction

import av
import pytest
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.files.jobs import DebugWorkers, Recipe, interpolate_files
from rife_video.rife_core.video import VideoWriter
from support import moving_square

PART = 16
"""Output frames of a part."""


@pytest.fixture(scope="session")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_rife(network, path)
    return path


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
def recipe(weights):
    return Recipe(str(weights), precision="fp32", scale=1.0, quality=0)


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
    """What a job that nothing befell made, as hashes."""
    output = tmp_path_factory.mktemp("reference")
    report = interpolate_files(
        [clips], output, recipe, workers=DebugWorkers("cpu"), part_frames=PART
    )
    assert report.is_complete
    return digests(output)
