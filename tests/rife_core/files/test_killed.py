"""Killed at any moment, a run that is begun again ends with the very same file."""

import multiprocessing
import os
import random
import signal
import time

import pytest
import torch
from rife_video.rife_core.files import interpolate_file
from rife_video.rife_core.files import resume as parts
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.video import VideoReader, VideoWriter

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
FRAMES, WIDTH, HEIGHT = 24, 52, 36
DOUBLE = Timeline.multiply(2)


@pytest.fixture(scope="module")
def source(tmp_path_factory, tone):
    """A clip that moves, of 47 frames when doubled, with sound."""
    path = tmp_path_factory.mktemp("killed") / "in.mp4"
    random_pixels = torch.Generator().manual_seed(0)
    ground = torch.rand(1, 3, HEIGHT, WIDTH + 3 * FRAMES, generator=random_pixels)
    ground = torch.nn.functional.avg_pool2d(ground, 3, 1, 1)[0].permute(1, 2, 0)
    with VideoWriter(path, 12, audio=tone) as writer:
        for index in range(FRAMES):
            writer.write(ground[:, 3 * index : 3 * index + WIDTH])
    return path


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory, network):
    """The bytes of the result, and how long it takes in seconds."""
    result = tmp_path_factory.mktemp("whole") / "out.mp4"
    started = time.perf_counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "LENGTH", 4)
        interpolate_file(network, source, result, DOUBLE)
    return result.read_bytes(), time.perf_counter() - started


@pytest.mark.parametrize(
    "number", [*range(3), *(pytest.param(k, marks=pytest.mark.slow) for k in range(3, 50))]
)
def test_killed_at_a_random_moment_the_result_is_the_same(
    tmp_path, network, seeded, monkeypatch, source, undisturbed, number
):
    monkeypatch.setattr(parts, "LENGTH", 4)
    result = tmp_path / "out.mp4"
    expected, seconds = undisturbed
    run = multiprocessing.get_context("fork").Process(
        target=interpolate_file, args=(network, source, result, DOUBLE)
    )
    run.start()
    run.join(random.Random(number).uniform(0, 1.2 * seconds))
    if run.is_alive():
        os.kill(run.pid, signal.SIGKILL)
        run.join()
        assert not result.exists() or result.read_bytes() == expected  # never half of it
    else:
        assert run.exitcode == 0
    interpolate_file(network, source, result, DOUBLE)
    assert result.read_bytes() == expected
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]
    assert sum(1 for _ in VideoReader(result)) == 2 * FRAMES - 1
