"""How clips are divided."""

import shutil
from dataclasses import replace

import pytest
from rife_video.rife_core.files.jobs.folder import Folder
from rife_video.rife_core.files.jobs.job import Part
from rife_video.rife_core.files.jobs.plan import JobError, differences, plan


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


@pytest.mark.parametrize("wish", [{"end": "loop"}, {"replace": "auto"}])
def test_what_only_the_whole_clip_tells_makes_one_part(clips, recipe, tmp_path, wish):
    recipe = replace(recipe, **wish)
    names = {str(clips / "long.mp4"): "a.mp4"}
    job = plan(Folder(tmp_path / "job"), str(tmp_path), names, recipe, "cpu", 16)
    assert job.parts == (Part(0, 0, job.films[0].frames, 0, None, 0, 0, ()),)


def test_the_last_part_is_not_a_short_one(clips, recipe, tmp_path):
    """51 output frames in parts of 16 or more; 3 that are left go with those before them."""
    names = {str(clips / "long.mp4"): "a.mp4"}
    job = plan(Folder(tmp_path / "job"), str(tmp_path), names, recipe, "cpu", 16)
    assert len(job.parts) > 1
    assert min(part.count for part in job.parts) >= 16


def test_a_job_is_the_same_or_it_is_said_how_it_differs(clips, recipe, tmp_path, monkeypatch):
    source, output = tmp_path / "long.mp4", str(tmp_path / "out")
    shutil.copy(clips / "long.mp4", source)
    names = {str(source): "a.mp4", "gone.mp4": "b.mp4"}
    job = plan(Folder(tmp_path / "job"), output, names, recipe, "cpu", 16)
    assert [*job.left_out] == ["gone.mp4"]
    assert differences(job, output, names, recipe) == []
    assert differences(job, "elsewhere", names, recipe) == [
        f"results go to elsewhere, then to {output}"
    ]
    for quality in (-1, 1):
        asked = replace(recipe, quality=recipe.quality + quality)
        assert differences(job, output, names, asked) == [
            f"quality {asked.quality}, then {recipe.quality}"
        ]
    more = {**names, "more.mp4": "c.mp4"}
    assert differences(job, output, more, recipe) == ["more.mp4 was not part of it"]
    less = {str(source): "a.mp4"}
    assert differences(job, output, less, recipe) == ["gone.mp4 was part of it"]
    moved = shutil.copy(recipe.weights, tmp_path / "moved.safetensors")
    assert differences(job, output, names, replace(recipe, weights=str(moved))) == []
    name, here = next(iter(job.made_by.items()))
    older = replace(job, made_by={**job.made_by, name: "old"})
    assert differences(older, output, names, recipe) == [f"{name} {here} here, old there"]
    for content in (b"shorter", source.read_bytes() + b"longer"):
        source.write_bytes(content)
        assert differences(job, output, names, recipe) == [f"{source} has changed since"]
