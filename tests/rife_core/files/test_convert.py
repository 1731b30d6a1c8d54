"""From file to file: nothing lost, nothing half done, whatever happens on the way."""

import copy
import os
import signal
import subprocess
import sys
import weakref
from dataclasses import replace
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.engine.loop import Run, interpolate, stream
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.files import frames as frames_module
from rife_video.rife_core.files import resume as parts
from rife_video.rife_core.files import segments as segments_module
from rife_video.rife_core.files.convert import Pace, interpolate_file, notes_on, pace_of
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.timeline.speed_curve import SpeedCurve, SpeedStretch
from rife_video.rife_core.video import ColorTags, VideoError, VideoReader, VideoWriter
from rife_video.rife_core.video.stretched_sound import Stretch
from support import moving_square, no_thread_left

FPS = 12
RATE = 24000
DOUBLE = Timeline.multiply(2)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    with no_thread_left():
        yield


@pytest.fixture
def short_parts(monkeypatch):
    """Parts of 4 frames."""
    monkeypatch.setattr(parts, "LENGTH", 4)


def noise(frames, height=36, width=52):
    """A moving clip that does not compress to nothing; neighbours are alike."""
    ground = torch.rand(height, width + 3 * frames, 3, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(ground.permute(2, 0, 1), 3, 1, 1).permute(1, 2, 0)
    return torch.stack([smooth[:, 3 * k : 3 * k + width] for k in range(frames)])


def write(path, clip, *, times=None, sound=None, codec="libx264", fps=FPS, late=0, keyframes=250):
    """A file with frames at `times` (in 1/1000 s) and seconds of sound, `late` seconds later."""
    with av.open(path, "w", container_options={"movflags": "+faststart"}) as container:
        video = container.add_stream(codec, rate=fps)
        video.height, video.width = clip.shape[1:3]
        video.pix_fmt, video.options = "yuv420p", {"crf": "4", "g": str(keyframes)}
        if times:
            video.codec_context.time_base = Fraction(1, 1000)
        audio = None
        if sound:
            codec = "libopus" if Path(path).suffix in (".webm", ".mkv") else "aac"
            audio = container.add_stream(codec, rate=48000 if "opus" in codec else RATE)
            audio.metadata["language"] = "fra"
        for index, frame in enumerate(clip):
            picture = av.VideoFrame.from_ndarray((frame * 255).byte().numpy(), "rgb24")
            picture.pts = times[index] if times else index
            picture.time_base = Fraction(1, 1000 if times else FPS)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        wave = 0.3 * np.sin(np.arange(int(RATE * (sound or 0))) / 9, dtype=np.float32)
        for begin in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, begin : begin + 1024], "fltp", "mono")
            frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
            frame.pts = int(late * RATE) + begin
            container.mux(audio.encode(frame))
        if audio:
            container.mux(audio.encode(None))
    return path


def times_of(path):
    with av.open(path) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def packets_of(path, kind="audio"):
    with av.open(path) as container:
        stream = getattr(container.streams, kind)[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def frames_of(path):
    return torch.stack(list(VideoReader(path)))


def as_written(frames, path, color=None):
    """What becomes of frames in a file without loss: the colour planes are halved."""
    with VideoWriter(path, 24, color=color, crf=0) as writer:
        for frame in frames:
            writer.write(frame)
    return frames_of(path)


def left_in(folder):
    return sorted(file.name for file in folder.iterdir())


# What comes out


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("size", [(36, 52), (35, 51)])
def test_parts_joined_are_the_whole(tmp_path, network, short_parts, clip_file, suffix, size):
    """Without loss: 11 frames in parts of 4 are those of one piece, at the same times."""
    height, width = size
    with VideoWriter(tmp_path / "in.mp4", FPS, audio=VideoReader(clip_file), crf=0) as writer:
        for frame in moving_square()[:, :height, :width]:
            writer.write(frame)
    source, result = tmp_path / "in.mp4", tmp_path / f"out{suffix}"
    report = interpolate_file(network, source, result, DOUBLE, crf=0)
    assert (report.frames, report.made, report.fps, report.resumed) == (11, 5, 24, 0)
    expected = interpolate(network, frames_of(source), DOUBLE)
    whole = as_written(expected, tmp_path / f"whole{suffix}")
    if suffix == ".webm":  # VP9 loses a little even at crf 0
        torch.testing.assert_close(frames_of(result), whole, atol=0.02, rtol=0)
    else:
        assert torch.equal(frames_of(result), whole)
    times = times_of(result)
    # Matroska has no times below 0: what the sound's encoder needs first delays all tracks.
    begin = times[0] if suffix == ".mkv" else 0
    expected_times = times_of(tmp_path / f"whole{suffix}")
    for time, expected_time in zip(times, expected_times, strict=True):
        assert abs(time - begin - expected_time) <= (Fraction(1, 1000) if begin else 0)
    assert left_in(tmp_path) == sorted(["in.mp4", result.name, f"whole{suffix}"])
    if suffix != ".webm":
        assert packets_of(result) == packets_of(clip_file)


def test_every_frame_of_many_parts_has_its_exact_time(tmp_path, network, short_parts, clip_file):
    interpolate_file(network, clip_file, tmp_path / "o.mp4", Timeline.retime(12, "60000/1001"))
    times = times_of(tmp_path / "o.mp4")
    assert times == [k * Fraction(1001, 60000) for k in range(len(times))]
    assert len(times) == 25


def test_progress_counts_what_is_written(tmp_path, network, clip_file):
    seen = []
    interpolate_file(
        network, clip_file, tmp_path / "o.mp4", DOUBLE, progress=lambda *now: seen.append(now)
    )
    assert seen == [(k, 11) for k in range(12)]


def test_only_a_few_source_frames_are_held(tmp_path, network, monkeypatch):
    write(tmp_path / "in.mp4", noise(40))
    read, alive = weakref.WeakSet(), []
    timed = VideoReader.timed

    def watched(self, first=0):
        for place, frame in timed(self, first):
            read.add(frame)
            yield place, frame
            del frame

    monkeypatch.setattr(VideoReader, "timed", watched)
    interpolate_file(
        network,
        tmp_path / "in.mp4",
        tmp_path / "out.mp4",
        DOUBLE,
        batch_size=1,
        watch=lambda _: alive.append(len(read)),
    )
    assert len(alive) == 79
    assert max(alive) <= 10


@pytest.mark.parametrize("seconds", [0.1, 2.0])
def test_sound_longer_and_shorter_than_the_picture(tmp_path, network, seconds):
    source = write(tmp_path / "in.mp4", moving_square(), sound=seconds)
    report = interpolate_file(network, source, tmp_path / "out.mp4", DOUBLE)
    assert report.frames == 11
    assert packets_of(tmp_path / "out.mp4") == packets_of(source)


def test_one_frame(tmp_path, network):
    """It lasts as long as it did, with its sound."""
    source = write(tmp_path / "in.mp4", moving_square(1), sound=0.1)
    for timeline in (DOUBLE, Timeline.retime(12, 60)):
        report = interpolate_file(network, source, tmp_path / "o.mp4", timeline)
        assert (report.frames, report.fps, report.notes) == (1, 12, ())
        assert len(frames_of(tmp_path / "o.mp4")) == 1
        assert VideoReader(tmp_path / "o.mp4").fps == 12
        assert packets_of(tmp_path / "o.mp4") == packets_of(source)


def test_slow_motion_leaves_sound_out_and_says_so(tmp_path, network, clip_file):
    result = tmp_path / "slow.mp4"
    report = interpolate_file(network, clip_file, result, DOUBLE, fps=Fraction(12))
    assert (report.frames, report.fps) == (11, 12)
    assert times_of(result)[-1] == Fraction(10, 12)
    assert VideoReader(result).audio_codecs == []
    assert report.notes == ("Left out, for the speed differs from the source's: audio (aac).",)


def test_a_loop_ends_where_it_begins(tmp_path, network, clip_file):
    reader, result = VideoReader(clip_file), tmp_path / "loop.mp4"
    report = interpolate_file(network, clip_file, result, Timeline.multiply(2, "loop"), crf=0)
    expected = interpolate(network, frames_of(clip_file), Timeline.multiply(2, "loop"))
    assert report.frames == len(expected) == 12
    assert torch.equal(
        frames_of(result), as_written(expected, tmp_path / "expected.mp4", reader.color)
    )


@pytest.mark.parametrize("name", ["loop.mp4", "out/%02d.png"])
def test_a_loop_that_ends_on_its_first_frame_is_complete_without_it(tmp_path, network, name):
    clip = moving_square()
    source, told = write(tmp_path / "in.mkv", torch.cat((clip, clip[:1]))), []
    report = interpolate_file(
        network,
        source,
        tmp_path / name,
        Timeline.multiply(2, "loop"),
        progress=lambda *now: told.append(now),
    )
    assert report.frames == 12
    assert report.engine.closed_by == 7
    assert told[-1] == (12, 12)


# Uneven frame times

UNEVEN = [0, 80, 160, 400, 500, 580]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_uneven_times_become_an_even_rate(tmp_path, network, suffix):
    clip = moving_square()
    source = write(tmp_path / f"in{suffix}", clip, times=UNEVEN, sound=0.6)
    reader = VideoReader(source)
    assert not reader.clock.constant
    assert [reader.clock.time(k) * 1000 for k in range(6)] == UNEVEN
    report = interpolate_file(
        network, source, tmp_path / "out.mp4", Timeline.retime(reader.fps, 50), crf=0
    )
    assert (report.frames, report.fps) == (30, 50)  # 580 ms and the beginning
    assert times_of(tmp_path / "out.mp4") == [Fraction(k, 50) for k in range(30)]
    frames = frames_of(source)
    places = [Fraction(time, 1000) for time in UNEVEN]
    expected = list(stream(network, frames, Timeline(Fraction(1, 50)), places=places))
    for time, frame in zip(UNEVEN, frames, strict=True):  # every source frame at its time
        assert torch.equal(expected[time // 20], frame)
    result = frames_of(tmp_path / "out.mp4")
    assert torch.equal(result, as_written(expected, tmp_path / "expected.mp4", reader.color))


@pytest.mark.parametrize("end", ["last_frame", "keep_duration", "loop"])
def test_the_total_of_uneven_clips_is_known(tmp_path, network, end):
    source = write(tmp_path / "in.mkv", moving_square(), times=UNEVEN)
    timeline = Timeline.multiply(3, end)
    totals = set()
    report = interpolate_file(
        network, source, tmp_path / "o.mp4", timeline, progress=lambda _, n: totals.add(n)
    )
    assert totals == {report.frames}


def test_even_times_within_rounding_are_even(tmp_path, clip_file):
    times = [round(k * 1001 / 24) for k in range(6)]  # milliseconds of 23.976 fps
    ntsc = write(tmp_path / "in.mkv", moving_square(), times=times, fps=Fraction(24000, 1001))
    assert VideoReader(ntsc).clock.constant
    assert VideoReader(clip_file).clock.constant


def test_a_wrong_rate_in_the_file_does_not_change_its_speed(tmp_path, network):
    times = [42 * k for k in range(40)]
    source = write(tmp_path / "in.mkv", moving_square(6).repeat(7, 1, 1, 1)[:40], times=times)
    reader = VideoReader(source)
    reader.fps = Fraction(25)
    assert not reader.clock.constant
    report = interpolate_file(network, reader, tmp_path / "o.mp4", DOUBLE)
    assert (report.frames - 1) / report.fps == pytest.approx(39 * 0.042, abs=0.021)


def test_a_schedule_needs_even_times(tmp_path, network):
    source = write(tmp_path / "in.mkv", moving_square(), times=UNEVEN)
    with pytest.raises(ValueError, match=r"in\.mkv has uneven frame times"):
        interpolate_file(network, source, tmp_path / "o.mp4", Timeline.multiply(2, schedule="1:4"))


# Runs that are stopped

KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from rife_video.rife_core.files import resume as parts
from rife_video.rife_core.checkpoints import load_rife
from rife_video.rife_core.files import interpolate_file
from rife_video.rife_core.timeline import Timeline
parts.LENGTH = 4
def progress(done, total):
    if done == 10:
        os.kill(os.getpid(), signal.SIGKILL)
interpolate_file(
    load_rife({weights!r}), {source!r}, {result!r}, Timeline.multiply(2), crf=0, progress=progress
)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_killed_run_goes_on_from_its_last_whole_part(tmp_path, network, short_parts):
    folder = tmp_path / "out"
    folder.mkdir()
    source, result = write(tmp_path / "in.mp4", noise(12), sound=1), folder / "r.mp4"
    weights = tmp_path / "w.safetensors"
    save_rife(network, weights)
    script = KILLED.format(
        tests=str(Path(__file__).parents[2]),
        weights=str(weights),
        source=str(source),
        result=str(result),
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert left_in(folder) == [".r.mp4.rife-parts"]
    report = interpolate_file(network, source, result, DOUBLE, crf=0)
    assert (report.frames, report.resumed) == (23, 8)
    assert left_in(folder) == ["r.mp4"]
    interpolate_file(network, source, folder / "once.mp4", DOUBLE, crf=0)
    assert torch.equal(frames_of(result), frames_of(folder / "once.mp4"))
    assert times_of(result) == times_of(folder / "once.mp4")
    assert packets_of(result) == packets_of(source)


def stopped_at(count):
    def progress(done, total):
        if done == count:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize(
    "timeline",
    [
        DOUBLE,
        Timeline.multiply(3, "keep_duration"),
        Timeline.retime(12, 10),
        Timeline.multiply(2, schedule="3-5:4, 8:1"),
    ],
)
@pytest.mark.parametrize("stop", [5, 13, 17])
def test_stopped_at_any_part_the_result_is_the_same(tmp_path, network, monkeypatch, timeline, stop):
    monkeypatch.setattr(parts, "LENGTH", 4)
    monkeypatch.setattr(frames_module, "LEAD_IN", 1)
    source, result = write(tmp_path / "in.mp4", noise(20, 16, 16)), tmp_path / "r.mp4"
    whole = interpolate_file(network, source, tmp_path / "whole.mp4", timeline)
    if stop >= whole.frames:
        return
    with pytest.raises(KeyboardInterrupt):
        interpolate_file(network, source, result, timeline, progress=stopped_at(stop))
    report = interpolate_file(network, source, result, timeline)
    assert (report.frames, report.resumed) == (whole.frames, stop // 4 * 4)
    assert torch.equal(frames_of(result), frames_of(tmp_path / "whole.mp4"))


def test_a_run_killed_while_its_parts_were_joined(tmp_path, network, short_parts):
    source, result = write(tmp_path / "in.mp4", noise(8, 16, 16)), tmp_path / "r.mp4"
    with pytest.raises(KeyboardInterrupt):
        interpolate_file(network, source, result, DOUBLE, progress=stopped_at(15))
    (parts.parts_folder(result) / ".whole.part.mp4").write_bytes(b"half of it")
    report = interpolate_file(network, source, result, DOUBLE)
    assert (report.frames, report.resumed) == (15, 15)
    assert len(frames_of(result)) == 15
    assert left_in(tmp_path) == ["in.mp4", "r.mp4"]


def test_cuts_are_counted_from_the_beginning_of_the_file(tmp_path, network, short_parts):
    clip = torch.cat((noise(12, 16, 16), 1 - noise(12, 16, 16)))
    rules = SceneRules("hold", frozenset({4, 13, 20}))
    source, result = write(tmp_path / "in.mp4", clip), tmp_path / "r.mp4"
    interpolate_file(network, source, tmp_path / "whole.mp4", DOUBLE, scenes=rules, crf=0)
    with pytest.raises(KeyboardInterrupt):
        interpolate_file(
            network, source, result, DOUBLE, scenes=rules, progress=stopped_at(33), crf=0
        )
    report = interpolate_file(network, source, result, DOUBLE, scenes=rules, crf=0)
    assert report.resumed == 32
    assert report.engine.scenes.cuts == [13, 20]
    assert torch.equal(frames_of(result), frames_of(tmp_path / "whole.mp4"))


def test_replaced_frames_are_made_after_a_stop_as_well(tmp_path, network, short_parts):
    """Frame 9 would be the first one that is looked at again."""
    rules = SceneRules("hold", replaced=frozenset({4, 9, 16, 17, 21}))
    source, result = write(tmp_path / "in.mp4", noise(24, 16, 16)), tmp_path / "r.mp4"
    interpolate_file(network, source, tmp_path / "whole.mp4", DOUBLE, scenes=rules, crf=0)
    with pytest.raises(KeyboardInterrupt):
        interpolate_file(
            network, source, result, DOUBLE, scenes=rules, progress=stopped_at(33), crf=0
        )
    report = interpolate_file(network, source, result, DOUBLE, scenes=rules, crf=0)
    assert (report.resumed, report.frames) == (32, 47)
    assert torch.equal(frames_of(result), frames_of(tmp_path / "whole.mp4"))


def test_uneven_clips_go_on_too(tmp_path, network, short_parts, monkeypatch):
    monkeypatch.setattr(frames_module, "LEAD_IN", 1)
    times = [k * 80 + 37 * (k % 3) for k in range(14)]
    source = write(tmp_path / "in.mkv", noise(14, 16, 16), times=times)
    result = tmp_path / "r.mp4"
    interpolate_file(network, source, tmp_path / "whole.mp4", DOUBLE, crf=0)
    with pytest.raises(KeyboardInterrupt):
        interpolate_file(network, source, result, DOUBLE, progress=stopped_at(17), crf=0)
    assert interpolate_file(network, source, result, DOUBLE, crf=0).resumed == 16
    assert torch.equal(frames_of(result), frames_of(tmp_path / "whole.mp4"))


def test_parts_of_another_job_are_not_used(tmp_path, network, short_parts):
    source, result = write(tmp_path / "in.mp4", noise(8, 16, 16)), tmp_path / "r.mp4"
    with pytest.raises(KeyboardInterrupt):
        interpolate_file(network, source, result, DOUBLE, progress=stopped_at(9))
    assert interpolate_file(network, source, result, DOUBLE, crf=30).resumed == 0
    assert left_in(tmp_path) == ["in.mp4", "r.mp4"]


@pytest.mark.parametrize(("stop", "resume"), [(9, False), (3, True)])
def test_nothing_is_left_without_a_finished_part_or_the_wish(
    tmp_path, network, short_parts, stop, resume
):
    source, result = write(tmp_path / "in.mp4", noise(8, 16, 16)), tmp_path / "r.mp4"
    with pytest.raises(KeyboardInterrupt):
        interpolate_file(network, source, result, DOUBLE, resume=resume, progress=stopped_at(stop))
    assert left_in(tmp_path) == ["in.mp4"]


def test_what_the_network_raises_comes_through(tmp_path, network, clip_file, monkeypatch):
    def fail(*_):
        raise RuntimeError("from the network")

    monkeypatch.setattr(type(network), "synthesize", fail)
    with pytest.raises(RuntimeError, match="from the network"):
        interpolate_file(network, clip_file, tmp_path / "o.mp4", DOUBLE)
    assert left_in(tmp_path) == []


# Full disks


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)]
    if not hasattr(os, "geteuid") or os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(tmp_path, network, small_disk, monkeypatch):
    monkeypatch.setattr(parts, "LENGTH", 16)
    source = write(tmp_path / "in.mp4", noise(24, 96, 128))
    with pytest.raises(VideoError, match=r"r\.mp4 cannot be written: No space left on device"):
        interpolate_file(network, source, small_disk / "r.mp4", DOUBLE, crf=8, resume=False)
    assert left_in(small_disk) == []


@pytest.mark.parametrize("written", [0, 5])
def test_a_disk_that_fails(tmp_path, network, short_parts, monkeypatch, written):
    """The same for machines where no disk can be mounted."""
    whole = VideoWriter.write

    def write_until(self, frame):
        if self.count + int(self.path.stem) * 4 == written:
            raise VideoError("r.mp4 cannot be written: No space left on device.")
        whole(self, frame)

    source = write(tmp_path / "in.mp4", noise(8, 16, 16))
    monkeypatch.setattr(VideoWriter, "write", write_until)
    with pytest.raises(VideoError, match="No space left"):
        interpolate_file(network, source, tmp_path / "r.mp4", DOUBLE)
    kept = [".r.mp4.rife-parts"] if written else []
    assert left_in(tmp_path) == [*kept, "in.mp4"]


# Damaged sources


@pytest.fixture(scope="module")
def sound_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")

    def whole(suffix):
        path = folder / f"whole{suffix}"
        if not path.exists():
            codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
            write(path, noise(36, 64, 96), sound=3, codec=codec)
        return path.read_bytes()

    return whole


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_without_its_end_is_not_a_shorter_clip(tmp_path, network, sound_file, suffix, share):
    data, source = sound_file(suffix), tmp_path / f"in{suffix}"
    source.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VideoError, match=rf"in{suffix} is damaged (at|after) frame \d+"):
        interpolate_file(network, source, tmp_path / "o.mp4", DOUBLE)
    assert left_in(tmp_path) == [source.name]
    reader = VideoReader(source, allow_damaged=True)
    report = interpolate_file(network, reader, tmp_path / "o.mp4", DOUBLE)
    assert 10 < report.frames < 71
    assert "The source is damaged" in report.notes[0]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_hole_in_the_middle(tmp_path, network, sound_file, suffix):
    data, source = bytearray(sound_file(suffix)), tmp_path / f"in{suffix}"
    half = len(data) // 2
    data[half : half + 3000] = bytes(3000)
    source.write_bytes(data)
    with pytest.raises(VideoError, match=r"is damaged .* frame \d+"):
        interpolate_file(network, source, tmp_path / "o.mp4", DOUBLE)
    assert left_in(tmp_path) == [source.name]
    reader = VideoReader(source, allow_damaged=True)
    assert interpolate_file(network, reader, tmp_path / "o.mp4", DOUBLE).frames > 10


def test_frames_after_a_hole_keep_their_times(tmp_path, network, sound_file):
    data, source = bytearray(sound_file(".mp4")), tmp_path / "in.mp4"
    half = len(data) // 2
    data[half : half + 3000] = bytes(3000)
    source.write_bytes(data)
    reader = VideoReader(source, allow_damaged=True)
    times = [time for time, _ in reader.timed()]
    assert len(times) < 36
    assert max(b - a for a, b in pairwise(times)) > Fraction(1, FPS)
    report = interpolate_file(network, reader, tmp_path / "o.mp4", DOUBLE)
    assert report.frames == 2 * round(times[-1] * FPS) + 1


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"no video"])
def test_files_that_are_no_video(tmp_path, network, data):
    (tmp_path / "in.mp4").write_bytes(data)
    with pytest.raises(VideoError, match=r"in\.mp4 is no video that can be read"):
        interpolate_file(network, tmp_path / "in.mp4", tmp_path / "o.mp4", DOUBLE)
    assert left_in(tmp_path) == ["in.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_broken_sound_is_kept_in_step(tmp_path, network, suffix):
    """Into mp4 broken packets are copied; into webm they become silence of the same length."""
    source = write(tmp_path / "in.mp4", moving_square(24), sound=2)
    with av.open(source) as container:
        sizes = [(p.pos, p.size) for p in container.demux(audio=0) if p.size]
    data = bytearray(source.read_bytes())
    for at, size in sizes[20:26]:
        data[at : at + size] = b"\xff" * size
    source.write_bytes(data)
    result = tmp_path / f"o{suffix}"
    assert interpolate_file(network, source, result, DOUBLE).frames == 47
    if suffix == ".mp4":
        assert packets_of(result) == packets_of(source)
    else:
        wave = VideoReader(result).read_audio()["waveform"]
        assert wave.shape[-1] / 48000 == pytest.approx(2, abs=0.15)


# What else there is in a file


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_deep_colours_and_wide_pixels_survive(tmp_path, network, short_parts, suffix):
    tags = ColorTags(9, 9, 16, 1)
    source = tmp_path / "in.mp4"
    ramp = torch.linspace(0.4, 0.6, 256).expand(64, 256)[..., None].expand(64, 256, 3)
    options = {"color": tags, "depth": 10, "aspect": Fraction(4, 3)}
    with VideoWriter(source, 24, crf=2, **options) as writer:
        for _ in range(3):
            writer.write(ramp)
    result = tmp_path / f"out{suffix}"
    assert interpolate_file(network, source, result, DOUBLE, crf=2).frames == 5
    reader = VideoReader(result)
    assert (reader.depth, reader.color) == (10, tags)
    assert len(frames_of(result)[2, 32, :, 1].unique()) > 150
    assert reader.aspect == (1 if suffix == ".webm" else Fraction(4, 3))


def test_files_of_another_matrix_keep_their_colours(tmp_path, network):
    tags = ColorTags(6, 6, 6, 1)
    clip = torch.zeros(3, 32, 32, 3)
    clip[..., :16, 0], clip[..., 16:, 2] = 0.8, 0.7
    with VideoWriter(tmp_path / "in.mp4", 24, color=tags, crf=0) as writer:
        for frame in clip:
            writer.write(frame)
    interpolate_file(network, tmp_path / "in.mp4", tmp_path / "o.mp4", DOUBLE, crf=0)
    assert VideoReader(tmp_path / "o.mp4").color == tags
    copied = frames_of(tmp_path / "o.mp4")[0::2]
    assert (copied - frames_of(tmp_path / "in.mp4")).abs().max() < 2.5 / 255


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_sound_that_begins_late_does_so_in_the_result(tmp_path, network, suffix):
    source = write(tmp_path / "in.mp4", moving_square(12), sound=0.5, late=0.5)
    interpolate_file(network, source, tmp_path / f"o{suffix}", DOUBLE)
    with av.open(tmp_path / f"o{suffix}") as container:
        frames = [
            (float(frame.pts * frame.time_base), np.abs(frame.to_ndarray()).mean())
            for frame in container.decode(audio=0)
        ]
    loud = [time for time, level in frames if level > 0.05]
    assert loud[0] == pytest.approx(0.5, abs=0.06)
    assert loud[-1] == pytest.approx(1, abs=0.1)


def test_a_recording_that_begins_between_keyframes(tmp_path, network, short_parts, monkeypatch):
    """Nothing can show its first frames; all else has its time, in a second run too."""
    monkeypatch.setattr(frames_module, "LEAD_IN", 0)
    times = [k * 80 + 37 * (k % 3) for k in range(24)]
    write(tmp_path / "whole.ts", noise(24, 16, 16), times=times, keyframes=8)
    data = (tmp_path / "whole.ts").read_bytes()
    with av.open(tmp_path / "whole.ts") as container:
        cut = [packet.pos for packet in container.demux(video=0) if packet.size][3]
    source, result = tmp_path / "in.ts", tmp_path / "r.mp4"
    source.write_bytes(data[: 188 * 3] + data[cut:])
    reader = VideoReader(source)
    shown = [time for time, _ in reader.timed()]
    assert len(shown) == reader.clock.count == 16
    assert [reader.clock.time(k) for k in range(16)] == shown
    whole = interpolate_file(network, source, tmp_path / "whole.mp4", DOUBLE)
    with pytest.raises(KeyboardInterrupt):
        interpolate_file(network, source, result, DOUBLE, progress=stopped_at(17))
    assert interpolate_file(network, source, result, DOUBLE).resumed == 16
    assert whole.frames == len(frames_of(result))
    assert torch.equal(frames_of(result), frames_of(tmp_path / "whole.mp4"))


def test_what_a_file_type_cannot_hold_is_named(tmp_path, network):
    source = tmp_path / "in.mkv"
    with av.open(source, "w") as container:
        if not hasattr(container, "add_mux_stream"):
            pytest.skip("this release of PyAV cannot write subtitles")
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 52, 36, "yuv420p"
        lines = container.add_mux_stream("subrip")
        lines.time_base = Fraction(1, 1000)
        for frame in moving_square():
            picture = av.VideoFrame.from_ndarray((frame * 255).byte().numpy(), "rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        packet = av.Packet(b"Hello")
        packet.pts, packet.dts, packet.duration = 100, 100, 100
        packet.time_base, packet.stream = Fraction(1, 1000), lines
        container.mux(packet)
    report = interpolate_file(network, source, tmp_path / "o.mp4", DOUBLE)
    assert report.notes == ("Left out, for .mp4 files cannot hold it: subtitle (srt).",)
    assert interpolate_file(network, source, tmp_path / "o.mkv", DOUBLE).notes == ()
    assert packets_of(tmp_path / "o.mkv", "subtitles") == [b"Hello"]


# The guard: what is read, due and written is counted


def test_a_source_that_is_replaced_under_the_run(tmp_path, network, short_parts):
    source = write(tmp_path / "in.mp4", noise(12, 16, 16))
    other = write(tmp_path / "other.mp4", noise(8, 16, 16)).read_bytes()

    def progress(done, total):
        if done == 6:
            source.write_bytes(other)

    with pytest.raises(VideoError, match=r"in\.mp4 was changed while it was read|is damaged"):
        interpolate_file(network, source, tmp_path / "o.mp4", DOUBLE, progress=progress)
    assert not (tmp_path / "o.mp4").exists()


def test_frames_that_the_engine_loses_are_an_error(tmp_path, network, clip_file, monkeypatch):
    whole = Run.frames

    def lossy(*args):
        yield from list(whole(*args))[:-1]

    monkeypatch.setattr(Run, "frames", lossy)
    with pytest.raises(VideoError, match=r"11 frames were due .* and 10 were written"):
        interpolate_file(network, clip_file, tmp_path / "o.mp4", DOUBLE)
    assert left_in(tmp_path) == []


def test_source_frames_that_are_not_used_are_an_error(tmp_path, network, clip_file, monkeypatch):
    whole = Run.frames

    def lossy(run, pictures, places):
        kept = [pair for k, pair in enumerate(zip(places, pictures, strict=False)) if k != 2]
        return whole(run, [picture for _, picture in kept], [place for place, _ in kept])

    monkeypatch.setattr(Run, "frames", lossy)
    with pytest.raises(VideoError, match=r"gave 6 frames, of which 5 were used"):
        interpolate_file(network, clip_file, tmp_path / "o.mp4", DOUBLE)


def test_a_writer_knows_how_many_frames_are_due(tmp_path):

    def too_few():
        with VideoWriter(tmp_path / "o.mp4", 12, due=3) as writer:
            writer.write(moving_square()[0])
            writer.write(moving_square()[1])

    with pytest.raises(VideoError, match="3 frames were due, 2 came"):
        too_few()
    assert left_in(tmp_path) == []


# Jobs


def stopped(network, source, result, at, timeline=DOUBLE, **options):
    with pytest.raises(KeyboardInterrupt):
        interpolate_file(network, source, result, timeline, progress=stopped_at(at), **options)


def test_a_second_run_with_the_same_output_is_refused(tmp_path, network, short_parts):
    source, result = write(tmp_path / "in.mp4", noise(8, 16, 16)), tmp_path / "r.mp4"
    seen = []

    def progress(done, total):
        if done == 6:
            with pytest.raises(VideoError, match=r"r\.mp4 is being made by another run"):
                interpolate_file(network, source, result, DOUBLE)
            seen.append(done)

    assert interpolate_file(network, source, result, DOUBLE, progress=progress).frames == 15
    assert seen == [6]
    assert left_in(tmp_path) == ["in.mp4", "r.mp4"]


@pytest.mark.parametrize(
    "harm", ["cut", "empty", "no record", "broken record", "record of another"]
)
def test_a_segment_that_its_record_does_not_fit_is_made_again(tmp_path, network, short_parts, harm):
    source, result = write(tmp_path / "in.mp4", noise(8, 16, 16)), tmp_path / "r.mp4"
    interpolate_file(network, source, tmp_path / "whole.mp4", DOUBLE)
    stopped(network, source, result, 13)
    folder = parts.parts_folder(result)
    segment, record = folder / "000001.mp4", folder / "000001.json"
    if harm == "cut":
        segment.write_bytes(segment.read_bytes()[:-40])
    elif harm == "empty":
        segment.write_bytes(b"")
    elif harm == "no record":
        record.unlink()
    elif harm == "broken record":
        record.write_text('{"count": 4')
    else:
        record.write_text((folder / "000002.json").read_text())
    assert interpolate_file(network, source, result, DOUBLE).resumed == 4
    assert torch.equal(frames_of(result), frames_of(tmp_path / "whole.mp4"))
    assert left_in(tmp_path) == ["in.mp4", "r.mp4", "whole.mp4"]


@pytest.mark.parametrize(
    "other",
    [
        {"scale": 0.5},
        {"keep": torch.ones(16, 16)},
        {"crf": 30},
        {"scenes": SceneRules("hold")},
    ],
)
def test_segments_of_other_settings_are_not_used(tmp_path, network, short_parts, other):
    source, result = write(tmp_path / "in.mp4", noise(8, 16, 16)), tmp_path / "r.mp4"
    stopped(network, source, result, 9)
    assert interpolate_file(network, source, result, DOUBLE, **other).resumed == 0


def test_segments_of_other_weights_are_not_used(tmp_path, network, short_parts):
    source, result = write(tmp_path / "in.mp4", noise(8, 16, 16)), tmp_path / "r.mp4"
    stopped(network, source, result, 9)
    other = copy.deepcopy(network)
    next(other.parameters()).data[0] += 0.01
    assert interpolate_file(other, source, result, DOUBLE).resumed == 0


def test_segments_of_another_mask_are_not_used(tmp_path, network, short_parts):
    source, result = write(tmp_path / "in.mp4", noise(8, 16, 16)), tmp_path / "r.mp4"
    mask, other = torch.zeros(16, 16), torch.eye(16)
    stopped(network, source, result, 9, keep=mask)
    stopped(network, source, result, 14, keep=mask.clone())  # goes on
    assert interpolate_file(network, source, result, DOUBLE, keep=other).resumed == 0


def test_segments_without_an_ensemble_are_not_joined_with_one(
    tmp_path, midpoint_network, short_parts
):
    source, result = write(tmp_path / "in.mp4", noise(8, 16, 16)), tmp_path / "r.mp4"
    stopped(midpoint_network, source, result, 9)
    report = interpolate_file(midpoint_network, source, result, DOUBLE, ensemble=True)
    assert report.resumed == 0


def test_the_report_counts_from_the_beginning_after_a_resume(
    tmp_path, network, short_parts, monkeypatch
):
    monkeypatch.setattr(frames_module, "LEAD_IN", 1)
    source, result = write(tmp_path / "in.mp4", noise(20, 16, 16)), tmp_path / "r.mp4"
    stopped(network, source, result, 21)
    whole, begun = Run.frames, []

    def found(run, pictures, places):
        first = next(places)
        begun.append(int(first))
        run.report.coarser.append(2)
        run.report.not_finite.append(3)
        return whole(run, pictures, chain((first,), places))

    monkeypatch.setattr(Run, "frames", found)
    engine = interpolate_file(network, source, result, DOUBLE).engine
    assert begun[-1] > 0
    assert engine.coarser == [begun[-1] + 2]
    assert engine.not_finite == [begun[-1] + 3]


def test_what_is_kept_with_a_segment_is_counted_from_the_files_first_frame():
    report = Report(coarser=[2], not_finite=[3], beyond_range=[4])
    report.scenes.cuts.append(5)
    kept = segments_module._entries(report, 10)
    assert [kept[name] for name in ("coarser", "not_finite", "beyond_range", "cuts")] == [
        [12],
        [13],
        [14],
        [15],
    ]


def test_a_resumed_run_tells_cuts_and_repeats_as_the_whole_one_does(tmp_path, network, short_parts):
    """Scenes begin at frames 5 and 17; frames 13 to 15 are equal."""
    scenes = torch.rand(3, 24, 80, 3, generator=torch.Generator().manual_seed(0))
    shown = [*range(12), 12, 12, 12, *range(15, 24)]
    clip = [scenes[(k >= 4) + (k >= 16), :, n : n + 32] for k, n in enumerate(shown)]
    source, result = tmp_path / "in.mkv", tmp_path / "r.mp4"
    with VideoWriter(source, 12, crf=0) as writer:
        for frame in clip:
            writer.write(frame)
    rules = SceneRules("hold", repeats="retime")
    whole = interpolate_file(network, source, tmp_path / "w.mp4", DOUBLE, scenes=rules).engine
    assert whole.scenes.cuts == [5, 17]
    assert whole.scenes.runs == [(13, 15)]
    stopped(network, source, result, 33, scenes=rules)
    resumed = interpolate_file(network, source, result, DOUBLE, scenes=rules)
    assert resumed.resumed == 32
    assert resumed.engine.frames_in < 24
    assert resumed.engine.scenes.cuts == [17]
    assert resumed.engine.scenes.runs == [(13, 15)]


@pytest.mark.parametrize("name", ["r.mp4", "r/%03d.png"])
@pytest.mark.parametrize("stop", [None, 3, 9, 14])
def test_progress_ends_at_its_total_also_after_a_resume(tmp_path, network, short_parts, name, stop):
    source, result, seen = write(tmp_path / "in.mp4", noise(8, 16, 16)), tmp_path / name, []
    options = {"scenes": SceneRules("hold", frozenset({4})), "progress": lambda *a: seen.append(a)}
    if stop:
        stopped(network, source, result, stop, scenes=options["scenes"])
    interpolate_file(network, source, result, DOUBLE, **options)
    assert seen == sorted(seen)
    assert seen[-1] == (15, 15)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_segments_are_files_of_the_same_type(tmp_path, network, short_parts, suffix):
    source, result = write(tmp_path / "in.mp4", noise(8, 16, 16)), tmp_path / f"r{suffix}"
    stopped(network, source, result, 9)
    names = left_in(parts.parts_folder(result))
    assert f"000001{suffix}" in names
    assert "000001.json" in names


# What players ask for


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_header_stands_first_and_hevc_is_hvc1(tmp_path, network, short_parts, suffix):
    with VideoWriter(tmp_path / "in.mp4", 24, depth=10) as writer:
        for frame in moving_square():
            writer.write(frame)
    interpolate_file(network, tmp_path / "in.mp4", tmp_path / f"o{suffix}", DOUBLE)
    data = (tmp_path / f"o{suffix}").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"hvc1" in data
    assert b"hev1" not in data


# Wishes that cannot be met are refused before the work


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder.mp4", "is a folder"),
        ("o.xyz", "must end in"),
        ("o", "must end in"),
        ("in.mp4", "are one file"),
        ("in.mp4/o.mp4", "is a file, not a folder"),
        ("x" * 240 + ".mp4", "is too long"),
    ],
)
def test_wishes_that_cannot_be_met(tmp_path, network, clip_file, name, message):
    (tmp_path / "folder.mp4").mkdir()
    source = tmp_path / "in.mp4"
    source.write_bytes(clip_file.read_bytes())
    with pytest.raises(VideoError, match=message):
        interpolate_file(network, source, tmp_path / name, DOUBLE)
    assert left_in(tmp_path) == ["folder.mp4", "in.mp4"]


@pytest.mark.parametrize(
    ("suffix", "highest"), [(".mp4", 10_000), (".mov", 10_000), (".mkv", 1000), (".webm", 1000)]
)
def test_rates_that_a_file_type_cannot_hold(tmp_path, network, clip_file, suffix, highest):
    """They were written at another rate, without a word."""
    path = tmp_path / f"o{suffix}"
    with pytest.raises(VideoError, match=f"{suffix} files hold {highest} frames a second at most"):
        interpolate_file(network, clip_file, path, DOUBLE, fps=Fraction(highest + 1))
    interpolate_file(network, clip_file, path, DOUBLE, fps=Fraction(highest))
    assert VideoReader(path).fps == highest
    assert left_in(tmp_path) == [path.name]


# Sound at another speed

SLOW = SpeedCurve((SpeedStretch(Fraction(0), None, Fraction(1, 2)),))
CURVED = replace(DOUBLE, speed=SLOW)
SCHEDULED = Timeline.multiply(2, schedule="1:4")
SLOWER = Pace(without="for the speed differs from the source's")


@pytest.mark.parametrize(
    ("timeline", "fps", "sound", "pace"),
    [
        (DOUBLE, 24, "auto", Pace()),
        (DOUBLE, 24, "tape", Pace()),
        (DOUBLE, 24, "none", Pace(without="as asked for")),
        (DOUBLE, 12, "auto", SLOWER),
        (DOUBLE, 12, "stretch", Pace(Stretch(SLOW, True))),
        (DOUBLE, 12, "tape", Pace(Stretch(SLOW, False))),
        (CURVED, 24, "auto", Pace(Stretch(SLOW, True))),
        (CURVED, 24, "tape", Pace(Stretch(SLOW, False))),
        (CURVED, 12, "auto", SLOWER),
        (CURVED, 48, "auto", SLOWER),
        (SCHEDULED, 24, "auto", SLOWER),
    ],
)
def test_what_becomes_of_the_sound(timeline, fps, sound, pace):
    clip = SimpleNamespace(timeline=timeline, fps=Fraction(24))
    assert pace_of(clip, Fraction(fps), sound) == pace


@pytest.mark.parametrize(("timeline", "fps"), [(CURVED, 12), (CURVED, 48), (SCHEDULED, 24)])
@pytest.mark.parametrize("sound", ["stretch", "tape"])
def test_sound_that_cannot_be_stretched(timeline, fps, sound):
    clip = SimpleNamespace(timeline=timeline, fps=Fraction(24))
    with pytest.raises(ValueError, match="cannot be stretched along a schedule"):
        pace_of(clip, Fraction(fps), sound)


@pytest.mark.parametrize(
    ("pace", "notes"),
    [
        (Pace(), []),
        (SLOWER, [f"Left out, {SLOWER.without}: audio (aac), chapters."]),
        (
            Pace(Stretch(SLOW, True)),
            [
                "Sound follows the speed and keeps its pitch.",
                "Left out, for it cannot follow the speed: chapters.",
            ],
        ),
        (
            Pace(Stretch(SLOW, False)),
            [
                "Sound follows the speed and its pitch with it, as on a tape.",
                "Left out, for it cannot follow the speed: chapters.",
            ],
        ),
    ],
)
def test_what_is_said_of_it(pace, notes):
    reader = SimpleNamespace(
        notes=lambda: ["Read."],
        has_alpha=True,
        channels=3,
        audio_codecs=["aac"],
        beside=["audio (aac)", "chapters"],
    )
    clip = SimpleNamespace(reader=reader, note="Clipped.")
    whole = SimpleNamespace(suffix=".mp4", notes=["Written."], left_out=["fonts", "cover"])
    transparency = ".mp4 files cannot hold transparency, so it is left out; .mov and .webm can."
    assert list(notes_on(clip, whole, ("Lost.",), pace)) == [
        "Read.",
        "Clipped.",
        transparency,
        "Lost.",
        "Written.",
        *notes,
        "Left out, for .mp4 files cannot hold it: fonts, cover.",
    ]
