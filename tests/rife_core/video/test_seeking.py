"""Frames are the same wherever decoding begins: key frames, open GOPs, files without an index."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from rife_video.rife_core.video import VideoReader
from rife_video.rife_core.video.clock_file import pack_clock, unpack_clock
from rife_video.rife_core.video.decoding import PictureDecoder

FRAMES = 48
ENCODERS = {
    "closed.mp4": ("libx264", {"g": "8"}),
    "open.mkv": ("libx264", {"x264-params": "keyint=8:open-gop=1:bframes=3"}),
    "open.ts": ("libx264", {"x264-params": "keyint=8:open-gop=1:bframes=3"}),
    "refreshed.mp4": ("libx264", {"x264-params": "keyint=12:intra-refresh=1"}),
    "cra.mp4": ("libx265", {"x265-params": "keyint=8:open-gop=1:log-level=none"}),
    "broadcast.ts": ("mpeg2video", {"g": "8", "bf": "2"}),
    "program.mpg": ("mpeg2video", {"g": "8", "bf": "2"}),
    "old.avi": ("mpeg4", {"g": "8"}),
    "intra.avi": ("mjpeg", {}),
    "raw.h264": ("libx264", {"g": "8"}),
    "web.webm": ("libvpx-vp9", {"g": "8", "deadline": "realtime", "cpu-used": "8"}),
}
SEEKS = {"closed.mp4", "open.mkv", "open.ts", "cra.mp4", "broadcast.ts", "old.avi", "web.webm"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeking")
    texture = np.random.default_rng(0).integers(0, 255, (64, 96 + 2 * FRAMES, 3), np.uint8)
    for name, (codec, options) in ENCODERS.items():
        with av.open(folder / name, "w") as container:
            stream = container.add_stream(codec, rate=24)
            stream.width, stream.height, stream.options = 96, 64, options
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for index in range(FRAMES):
                picture = texture[:, 2 * index : 2 * index + 96]
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 24)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return folder


@pytest.mark.parametrize("name", ENCODERS)
def test_frames_are_the_same_wherever_decoding_begins(files, name, monkeypatch):
    reader = VideoReader(files / name)
    whole = list(reader.timed())
    assert len(whole) == FRAMES
    decoded = []
    decode = PictureDecoder._decode

    def count(self, *what):
        for frame in decode(self, *what):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(PictureDecoder, "_decode", count)
    for first in (1, 7, 8, 9, 20, 31, 40, FRAMES - 1):
        decoded.clear()
        found = list(reader.timed(first))
        assert [time for time, _ in found] == [time for time, _ in whole[first:]]
        assert all(torch.equal(a, b) for (_, a), (_, b) in zip(found, whole[first:], strict=True))
        if name in SEEKS:  # and what lies before is not decoded
            assert len(decoded) <= FRAMES - first + 24
    assert list(reader.timed(FRAMES)) == []


def test_deinterlacing_sees_what_comes_before(files):
    reader = VideoReader(files / "closed.mp4", deinterlace=True)
    whole = list(reader.timed())
    for first in (8, 9, 30):
        (_, picture), *_ = reader.timed(first)
        assert torch.equal(picture, whole[first][1])


@pytest.mark.parametrize("name", ["open.ts", "program.mpg", "raw.h264"])
def test_a_clock_is_the_same_in_another_process(files, name):
    clock = VideoReader(files / name).clock
    again = unpack_clock(pack_clock(clock))
    assert [again.time(index) for index in range(FRAMES)] == [
        clock.time(index) for index in range(FRAMES)
    ]
    assert again.keys == clock.keys
    for name in ("count", "constant", "fps", "end", "packets", "dealt", "seams", "damage"):
        assert getattr(again, name) == getattr(clock, name)
    assert dict(again.shifts) == {track: list(each) for track, each in clock.shifts.items()}
