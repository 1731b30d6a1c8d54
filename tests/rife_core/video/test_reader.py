"""Reading video files: frames, times, rotation, and what is refused."""

import struct
from fractions import Fraction

import av
import pytest
import torch
from rife_video.rife_core.ops.psnr import psnr
from rife_video.rife_core.video import VideoError, VideoReader, VideoWriter
from support import moving_square


def test_reader(clip_file):
    reader = VideoReader(clip_file)
    frames = list(reader)
    assert (reader.fps, reader.width, reader.height) == (12, 52, 36)
    assert reader.frame_count == len(frames) == 6
    assert reader.audio_codecs == ["aac"]
    assert frames[0].shape == (36, 52, 3)
    assert frames[0].dtype == torch.float32
    assert psnr(torch.stack(frames), moving_square()).min() > 30


def test_every_frame_has_its_exact_time(tmp_path):
    with VideoWriter(tmp_path / "t.mp4", Fraction(30000, 1001)) as writer:
        for frame in moving_square():
            writer.write(frame)
    with av.open(tmp_path / "t.mp4") as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [k * Fraction(1001, 30000) for k in range(6)]


def test_unreadable_files(tmp_path, clip_file):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        VideoReader(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(VideoError, match=r"text\.mp4 is no video that can be read"):
        VideoReader(tmp_path / "text.mp4")
    (tmp_path / "cut.mp4").write_bytes(clip_file.read_bytes()[:400])
    with pytest.raises(VideoError, match=r"cut\.mp4"):
        VideoReader(tmp_path / "cut.mp4")


def test_a_sound_file_is_no_video(tmp_path, tone):
    with av.open(tmp_path / "tone.m4a", "w") as container:
        stream = container.add_stream("aac", rate=24000)
        frame = av.AudioFrame.from_ndarray(
            tone["waveform"][0].contiguous().numpy(), "fltp", "stereo"
        )
        frame.sample_rate = 24000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="has no picture"):
        VideoReader(tmp_path / "tone.m4a")


# A track header's display matrix, which phones set: 16.16 fixed point, the last column 2.30.
MATRIX_OFFSET = 44
UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
TURNED = {
    1: struct.pack(">9i", 0, -1 << 16, 0, 1 << 16, 0, 0, 0, 0, 1 << 30),
    2: struct.pack(">9i", -1 << 16, 0, 0, 0, -1 << 16, 0, 0, 0, 1 << 30),
    3: struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30),
}


@pytest.mark.parametrize("turns", TURNED)
def test_a_turned_recording_is_read_upright(tmp_path, clip_file, turns):
    data = bytearray(clip_file.read_bytes())
    at = data.index(b"tkhd") + MATRIX_OFFSET
    assert data[at : at + 36] == UPRIGHT
    data[at : at + 36] = TURNED[turns]
    (tmp_path / "turned.mp4").write_bytes(data)
    reader = VideoReader(tmp_path / "turned.mp4")
    assert (reader.width, reader.height) == ((52, 36) if turns == 2 else (36, 52))
    frame, plain = next(iter(reader)), next(iter(VideoReader(clip_file)))
    assert torch.equal(frame, torch.rot90(plain, turns))
