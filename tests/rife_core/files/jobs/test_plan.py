"""How clips are divided."""

from dataclasses import replace

import pytest
from rife_video.rife_core.files.jobs.folder import Folder
from rife_video.rife_core.files.jobs.plan import JobError, plan


def test_parts_cover_each_film_once(clips, recipe, tmp_path):
    names = {str(clips / "long.mp4"): "a.mp4", str(clips / "more/short.mkv"): "b.mkv"}
    job = plan(Folder(tmp_path / "job"), str(tmp_path), names, recipe, "cpu", 16)
    for film in range(2):
        end, stop = 0, 0
        for number in job.parts_of(film):
            part = job.parts[number]
            assert (part.first, part.source) == (end, stop)
            assert part.count == sum(part.segments)
            assert part.source % 8 == 0
            assert part.key + part.skip == part.source
            end, stop = part.first + part.count, part.stop
        assert (end, stop) == (job.films[film].frames, None)
    assert (job.precision, job.backend) == ("fp32", "eager")


def test_a_short_clip_is_one_part(clips, recipe, tmp_path):
    job = plan(
        Folder(tmp_path / "job"), str(tmp_path), {str(clips / "long.mp4"): "a.mp4"}, recipe, "cpu"
    )
    assert len(job.parts) == 1


def test_cuts_are_those_of_one_clip(clips, recipe, tmp_path):
    names = {"a.mp4": "a.mp4", "b.mp4": "b.mp4"}
    with pytest.raises(JobError, match="frames of one clip"):
        plan(Folder(tmp_path / "job"), str(tmp_path), names, replace(recipe, cuts="5"), "cpu")


def test_options_that_exclude_each_other_are_refused(recipe):
    with pytest.raises(ValueError, match="--fps goes with neither"):
        replace(recipe, fps="60", slow_motion=True)
    with pytest.raises(ValueError, match="cannot be read"):
        replace(recipe, schedule="nonsense")
