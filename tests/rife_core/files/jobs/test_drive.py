"""Jobs from their plan to the joined files: faults on the way, and going on after any of them."""

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import av
import pytest
import rife_video
import torch
from rife_video.rife_core.files.convert import interpolate_file
from rife_video.rife_core.files.jobs import DebugWorkers, LocalWorkers, drive, interpolate_files
from rife_video.rife_core.files.jobs.drive import driving, run_job
from rife_video.rife_core.files.jobs.folder import Folder
from rife_video.rife_core.files.jobs.job import Job, JobError, failure_name
from rife_video.rife_core.files.jobs.join import join_film
from rife_video.rife_core.files.jobs.part_maker import PartMaker, PartRecord
from rife_video.rife_core.files.jobs.progress import Progress, failures
from rife_video.rife_core.files.jobs.workers import Outcome
from rife_video.rife_core.video import EncoderRequest, VideoError, VideoReader, VideoWriter
from support import moving_square

PART = 16
DOCUMENT = Path(rife_video.__file__).parent / "docs/cluster.md"


def job_of(output):
    return Job.read(Folder(output / ".rife-job"))


def alone(recipe, source, result):
    """What the plain command makes of a clip."""
    reader = recipe.open(source, result.suffix)
    clip = recipe.clip(reader)
    return interpolate_file(
        recipe.network("cpu"),
        reader,
        result,
        clip.timeline,
        fps=recipe.fps_of(clip),
        encoder=recipe.request,
        sound=recipe.sound,
        **vars(recipe.options()),
    )


@pytest.fixture
def make(clips, recipe, tmp_path, monkeypatch):
    """Runs the job of the clips; options replace what is usual. Progress is told each time."""
    monkeypatch.setattr(drive, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(drive, "_LOOK_SHARE", math.inf)  # on a slow disk it looks as often

    def run(workers=None, **options):
        given = {"sources": [clips], "output": tmp_path / "out", "recipe": recipe, **options}
        workers = workers or DebugWorkers("cpu")
        return interpolate_files(
            given.pop("sources"),
            given.pop("output"),
            given.pop("recipe"),
            workers=workers,
            part_frames=PART,
            **given,
        )

    return run


def test_a_job_makes_what_single_runs_make(make, clips, recipe, tmp_path, reference, digests):
    seen = []
    report = make(progress=seen.append)
    assert digests(tmp_path / "out") == reference
    assert sorted(reference) == ["long.mp4", "more/short.mkv"]
    assert report.is_complete
    assert [(film.frames, film.made, film.fps) for film in report.films] == [
        (51, 25, 24),
        (7, 3, 24),
    ]
    assert (seen[-1].frames, seen[-1].total, seen[-1].eta) == (58, 58, 0)
    job = job_of(tmp_path / "out")
    assert [part.count for part in job.parts] == [16, 16, 19, 7]
    assert job.folder.names("parts") == job.folder.names("working") == set()
    with av.open(tmp_path / "out/long.mp4") as container:
        assert len(container.streams.audio) == 1
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [index / report.films[0].fps for index in range(51)]
    alone(recipe, clips / "more/short.mkv", tmp_path / "alone.mkv")
    assert digests(tmp_path)["alone.mkv"] == reference["more/short.mkv"]


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"speed": "0.4-1.4s:0.5 ease"}, 3),
        ({"speed": "0.4-1.4s:2", "sound": "none"}, 2),
        ({"slow_motion": True, "sound": "tape"}, 3),
        ({"blur": 180.0, "exposures": 3}, 3),
        ({"blur": 270.0, "exposures": 2, "speed": "0.4-1.4s:0.5"}, 3),
        (
            {
                "pacing": "eased",
                "repeats": "retime",
                "repeat_threshold": 3.0,
                "longest_repeat": 2,
                "unsure": "hold",
            },
            3,
        ),
        ({"replace": "5, 9-10", "pacing": "eased"}, 2),
        ({"replace": "9-11", "fps": "20"}, 2),
        ({"replace": "auto", "multiplier": 1}, 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_all_that_is_said_of_time_is_carried_to_the_parts(
    make, clips, recipe, tmp_path, digests, options, parts
):
    recipe, source = replace(recipe, **options), clips / "long.mp4"
    report = make(sources=[source], recipe=recipe)
    assert report.is_complete
    assert len(job_of(tmp_path / "out").parts) == parts
    whole = alone(recipe, source, tmp_path / "alone/long.mp4")
    found, expected = digests(tmp_path / "out"), digests(tmp_path / "alone")
    assert found == expected
    one, other = (VideoReader(tmp_path / f"{place}/long.mp4") for place in ("out", "alone"))
    assert one.audio_codecs == other.audio_codecs
    if one.audio_codecs:
        assert torch.equal(one.read_audio()["waveform"], other.read_audio()["waveform"])
    (film,) = report.films
    assert (film.frames, film.fps) == (whole.frames, whole.fps)
    assert [*whole.notes, *whole.engine.remarks()] == [*film.notes]


def test_damaged_frames_are_made_and_named(make, clips, recipe, tmp_path, digests):
    """Which ones they are, the one who decodes the clip tells."""
    source = tmp_path / "broken.mov"
    with VideoWriter(source, 12, encoder=EncoderRequest("prores")) as writer:
        for frame in moving_square(20, 32, 100, 2):
            writer.write(frame[:, :32].contiguous())
    with av.open(source) as container:
        packets = [bytes(packet) for packet in container.demux(video=0)]
    content = source.read_bytes()
    source.write_bytes(content.replace(packets[9], bytes(len(packets[9]))))
    (film,) = make(sources=[source], recipe=replace(recipe, replace="auto", multiplier=1)).films
    assert (film.frames, film.made) == (20, 1)
    assert "1 of 20 frames of the source cannot be decoded" in " ".join(film.notes)


def test_sound_that_cannot_follow_leaves_the_clip_out(make, recipe):
    with pytest.raises(JobError, match="cannot be stretched along a schedule"):
        make(recipe=replace(recipe, schedule="1:4", sound="stretch"))


def test_a_driver_that_was_stopped_goes_on(make, tmp_path, reference, digests):
    class StoppedError(Exception):
        pass

    class Stopped(DebugWorkers):
        def submit(self, part, avoid=frozenset()):
            if (taken := super().submit(part, avoid)) and part == 2:
                raise StoppedError
            return taken

    with pytest.raises(StoppedError):
        make(Stopped("cpu"))
    output = tmp_path / "out"
    job = job_of(output)
    assert job.finished() == {0, 1}
    assert Progress.of(job).frames == 32
    first = {name: job.folder.size(f"parts/{name}") for name in job.folder.names("parts")}
    made = []

    class Counting(DebugWorkers):
        def submit(self, part, avoid=frozenset()):
            taken = super().submit(part, avoid)
            made.extend([part] * taken)
            return taken

    make(Counting("cpu"))
    assert made == [2, 4, 3, 5]  # 4 and 5 join
    assert len(first) == 4  # two pictures and two records
    assert digests(output) == reference
    made.clear()
    make(Counting("cpu"))  # all is done
    assert made == []
    (output / "more/short.mkv").unlink()
    make(Counting("cpu"))  # but for what was removed
    assert made == [3, 5]
    assert digests(output) == reference


def test_parts_of_workers_that_died_go_out_again(make, tmp_path, reference, digests):
    class Mortal(DebugWorkers):
        deaths = 0

        def wait(self, seconds):
            if self.deaths < 5:
                self.deaths += 1
                part = self._waiting.pop()
                return [Outcome(part, "gone", "lost", "killed")]
            return super().wait(seconds)

    report = make(Mortal("cpu"))
    assert report.is_complete
    assert digests(tmp_path / "out") == reference


def test_a_part_that_kills_all_its_workers_is_given_up(make, tmp_path):
    class Killed(DebugWorkers):
        def wait(self, seconds):
            if self._waiting == [1]:
                self._waiting.clear()
                return [Outcome(1, "gone", "lost", "killed by signal 11")]
            return super().wait(seconds)

    report = make(Killed("cpu"))
    assert report.failed == ("long.mp4, part 2: killed by signal 11",)
    assert [film.frames for film in report.films] == [7]


def test_a_part_that_fails_does_not_stop_the_others(
    make, tmp_path, reference, digests, monkeypatch
):
    tried = []
    whole = PartMaker.make

    def fail(self, number, progress=None):
        if number == 1:
            tried.append(self.name)
            raise VideoError("this part is cursed")
        return whole(self, number, progress)

    monkeypatch.setattr(PartMaker, "make", fail)
    report = make()
    assert len(tried) == 3
    assert report.failed == ("long.mp4, part 2: this part is cursed",)
    assert [film.path for film in report.films] == [str(tmp_path / "out/more/short.mkv")]
    job = job_of(tmp_path / "out")
    assert job.finished() == {0, 2}
    assert [attempt["error"] for attempt in failures(job)[1]] == ["this part is cursed"] * 3
    assert Progress.of(job).failed == 1
    monkeypatch.setattr(PartMaker, "make", whole)
    assert make().failed == report.failed  # until it is asked for
    job.folder.remove(failure_name(1))
    assert make().is_complete
    assert digests(tmp_path / "out") == reference


def test_of_two_attempts_the_first_one_counts(make, clips, recipe, tmp_path, reference, digests):
    with pytest.raises(ZeroDivisionError):
        make(progress=lambda now: 1 / 0)
    job = job_of(tmp_path / "out")
    one, other = PartMaker(job, "cpu", "one"), PartMaker(job, "cpu", "other")
    part = next(iter(set(range(len(job.parts))) - job.finished()))
    late = []

    def overtake(done):
        if not late:
            late.append(other.make(part))

    assert one.make(part, overtake) == late[0]
    assert PartRecord.read(job, part).worker == "other"
    assert len([name for name in job.folder.names("parts") if name[:6] == f"{part:06}"]) == 2
    make()
    assert digests(tmp_path / "out") == reference


def test_shards_share_a_job(make, tmp_path, reference, digests, clips, recipe):
    with pytest.raises(ZeroDivisionError):
        make(progress=lambda now: 1 / 0)
    output = tmp_path / "out"
    job = job_of(output)
    with pytest.raises(JobError, match=r"long\.mp4 lacks \d of 3 parts"):
        join_film(job, 0)
    for number in (1, 2, 3):
        run_job(Job.read(job.folder), DebugWorkers("cpu"), shard=(number, 3))
    assert job.finished() == {0, 1, 2, 3}
    for film in (0, 1):
        join_film(job, film)
    assert digests(output) == reference


def test_a_part_that_was_changed_is_made_again(make, tmp_path, reference, digests):
    with pytest.raises(ZeroDivisionError):
        make(progress=lambda now: 1 / (now.parts < 2))
    job = job_of(tmp_path / "out")
    (name,) = PartRecord.read(job, 1).files
    path = job.folder.path(name)
    path.write_bytes(path.read_bytes()[:-100])
    assert make().is_complete
    assert digests(tmp_path / "out") == reference


def test_another_job_in_the_folder_is_refused_with_what_differs(make, recipe, clips, tmp_path):
    with pytest.raises(ZeroDivisionError):
        make(progress=lambda now: 1 / 0)
    with pytest.raises(
        JobError, match=r"holds another job, .*multiplier 4, then 2.*quality 20, then"
    ):
        make(recipe=replace(recipe, multiplier=4, quality=20))
    with pytest.raises(JobError, match=r"short\.mkv was part of it"):
        make(sources=[clips / "long.mp4"])
    file = tmp_path / "out/.rife-job/job.json"
    written = json.loads(file.read_text())
    file.write_text(json.dumps({**written, "made_by": {"rife-video": "0.0.1"}}))
    with pytest.raises(JobError, match=r"rife-video .* here, 0\.0\.1 there"):
        make()
    with pytest.raises(JobError, match="planned by other releases"):
        PartMaker(job_of(tmp_path / "out"), "cpu")
    file.write_text("{}")
    with pytest.raises(JobError, match="cannot be read"):
        make()


def test_a_finished_job_makes_room_for_another(make, recipe, tmp_path):
    make()
    assert make(recipe=replace(recipe, multiplier=3)).films[1].frames == 10


def test_a_broken_clip_is_left_out_and_the_others_are_made(make, clips, tmp_path):
    folder = tmp_path / "in"
    shutil.copytree(clips, folder)
    (folder / "broken.mp4").write_bytes((clips / "long.mp4").read_bytes()[:1000])
    (folder / "text.mkv").write_text("no video")
    report = make(sources=[folder])
    assert len(report.films) == 2
    assert not report.is_complete
    assert sorted(name.rsplit("/", 1)[1] for name in report.left_out) == ["broken.mp4", "text.mkv"]
    with pytest.raises(JobError, match=r"No clip can be done.*text\.mkv"):
        make(sources=[folder / "text.mkv"], output=tmp_path / "other")


def test_a_source_that_changes_is_noticed(make, clips, tmp_path):
    folder = tmp_path / "in"
    shutil.copytree(clips, folder)
    with pytest.raises(ZeroDivisionError):
        make(sources=[folder], progress=lambda now: 1 / 0)
    shutil.copy(folder / "more/short.mkv", folder / "long.mp4")
    with pytest.raises(JobError, match=r"long\.mp4 has changed since"):
        make(sources=[folder])
    with pytest.raises(JobError, match=r"long\.mp4 has changed since the job was planned"):
        PartMaker(job_of(tmp_path / "out"), "cpu").make(2)


def test_one_driver_at_a_time(make, tmp_path):
    with (
        driving(Folder(tmp_path / "out/.rife-job")),
        pytest.raises(JobError, match="driven by another process"),
    ):
        make()


def test_loops_and_damaged_clips_are_made_in_one_go(make, recipe, clips, tmp_path, digests):
    report = make(recipe=replace(recipe, end="loop"))
    assert [film.frames for film in report.films] == [52, 8]
    cut = tmp_path / "cut.ts"
    with av.open(clips / "long.mp4") as source, av.open(cut, "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            packet.stream = stream
            if packet.dts is not None:
                target.mux(packet)
    content = cut.read_bytes()
    cut.write_bytes(content[: len(content) // 2 // 188 * 188 + 50])
    damaged = make(
        sources=[cut], output=tmp_path / "late", recipe=replace(recipe, allow_damaged=True)
    )
    (film,) = damaged.films
    assert 1 < film.frames < 51


def test_one_part_is_made_by_this_process_and_told_of_meanwhile(make, clips, tmp_path, monkeypatch):
    """A process of its own would load everything again, and have nobody to share with."""
    monkeypatch.setattr(LocalWorkers, "open", lambda *_: pytest.fail("a worker was started"))
    monkeypatch.setattr(Folder, "tell_every", 0.0)
    seen, one = [], [clips / "more/short.mkv"]
    assert make(LocalWorkers(["cpu"]), sources=one, progress=seen.append).is_complete
    assert {0, 1, 6, 7} <= {now.frames for now in seen}

    def stop(now):
        if now.frames == 3:
            raise InterruptedError("enough")

    other = tmp_path / "other"
    with pytest.raises(InterruptedError, match="enough"):
        make(LocalWorkers(["cpu"]), sources=one, output=other, progress=stop)
    assert job_of(other).folder.names("parts") == job_of(other).failed() == set()
    with pytest.raises(pytest.fail.Exception):
        make(LocalWorkers(["cpu", "cpu"]), sources=one, output=other)


def test_the_example_of_the_docs(clips, tmp_path, monkeypatch):
    """Its one clip is made in this process."""
    (tmp_path / "clips").mkdir()
    shutil.copy(clips / "more/short.mkv", tmp_path / "clips")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.+?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    found = {}
    exec(example, found)
    assert found["report"].is_complete
    assert (tmp_path / "smooth/short.mkv").is_file()
