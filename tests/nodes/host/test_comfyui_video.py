"""How VIDEO wires are read, with a stand-in for ComfyUI's classes of every release so far."""

import sys
from fractions import Fraction
from io import BytesIO
from types import SimpleNamespace

import pytest
import torch
from rife_video.nodes.host import Folders, RIFEModel, Video, opened, use_folders, video_of_file
from rife_video.nodes.interpolate_video import InterpolateVideo
from rife_video.rife_core.engine import interpolate
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.video import ColorTags, VideoReader
from support import moving_square


class VideoFromFile:
    """Later releases can mean a part of the file; the stream source is the whole one even so."""

    def __init__(self, source, part=None):
        self.source, self.part = source, part

    def get_stream_source(self):
        return self.source

    def get_duration(self):
        return self.part or 4.0

    def get_components(self):
        return SimpleNamespace(images=torch.zeros(2, 4, 4, 3), frame_rate=Fraction(8), audio=None)


@pytest.fixture
def comfyui(loaded, tmp_path):
    modules = loaded("comfy_api.latest")
    modules["folder_paths"].get_temp_directory = lambda: str(tmp_path / "temp")
    modules["comfy_api.latest"].InputImpl = SimpleNamespace(VideoFromFile=VideoFromFile)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"a video")
    return path


def test_a_file_is_taken_as_it_is(comfyui, file):
    with opened(VideoFromFile(str(file))) as video:
        assert video == Video(file)


def test_colours_of_a_part_of_a_file_are_not_taken_for_finer_than_they_were(comfyui, file):
    with opened(VideoFromFile(str(file), part=1.0)) as video:
        assert video.reader().kind.source_chroma is None


def test_a_file_in_memory_is_written_and_removed(comfyui, file, tmp_path):
    with opened(VideoFromFile(BytesIO(b"a video"))) as video:
        assert video.frames.parent == tmp_path / "temp"
        assert video.frames.read_bytes() == b"a video"
    assert not video.frames.exists()


def test_a_part_of_a_file_is_decoded(comfyui, file):
    with opened(VideoFromFile(str(file), part=1.5)) as video:
        assert video.frames.shape == (2, 4, 4, 3)
        assert video.fps == 8


def test_a_rate_that_came_as_a_decimal_is_made_exact(comfyui):
    class Decimal:
        def get_components(self):
            rate = Fraction(23.976)
            return SimpleNamespace(images=torch.zeros(2, 4, 4, 3), frame_rate=rate, audio=None)

    with opened(Decimal()) as video:
        assert video.fps == Fraction(24000, 1001)


def test_results_are_videos_of_the_host(comfyui, file):
    assert isinstance(video_of_file(file), VideoFromFile)


def test_without_comfyui_it_is_the_video_itself(file, tmp_path):
    with use_folders(Folders(temp=tmp_path)), opened(Video(file)) as video:
        assert video == Video(file) == video_of_file(file)


class EditedVideo(VideoFromFile):
    """A video of frames known to the test, trimmed and cropped as later releases do it."""

    def __init__(self, source, start=0.0, duration=0.0, crop=None, see_through=False):
        super().__init__(source)
        self.__start, self.__duration, self.__crop = start, duration, crop
        self.__see_through = see_through

    def clip(self):
        clip = moving_square(20)
        if self.__see_through:
            clip = torch.cat((clip, clip[..., :1] / 2), -1)
        begin = round(self.__start * 8)
        stop = round((self.__start + self.__duration) * 8) if self.__duration else len(clip)
        x, y, width, height = self.__crop or (0, 0, 52, 36)
        return clip[begin:stop, y : y + height, x : x + width]

    def get_dimensions(self):
        return self.clip().shape[2], self.clip().shape[1]

    def get_duration(self):
        return len(self.clip()) / 8

    def get_frame_rate(self):
        return Fraction(8)

    def get_components(self):
        EditedVideo.most = max(EditedVideo.most, len(self.clip()))
        sound = {"waveform": torch.ones(1, 2, len(self.clip()) * 100), "sample_rate": 800}
        images, alpha = self.clip().split(3, -1) if self.__see_through else (self.clip(), None)
        rate = Fraction(8)
        return SimpleNamespace(images=images, alpha=alpha, frame_rate=rate, audio=sound)

    def as_trimmed(self, start_time=0, duration=0, strict_duration=True):
        start = self.__start + start_time
        crop, see_through = self.__crop, self.__see_through
        return EditedVideo(self.source, start + 0.5 / 8, duration, crop, see_through)


EDITS = {
    "cropped": {"crop": (4, 6, 20, 24)},
    "trimmed": {"start": 0.5, "duration": 1.0},
    "trimmed to its end": {"start": 0.5},
    "cropped, with transparency": {"crop": (4, 6, 20, 24), "see_through": True},
    "both": {"start": 0.25, "duration": 1.5, "crop": (0, 0, 52, 20)},
}


@pytest.fixture(params=EDITS.values(), ids=EDITS.keys())
def edited(request, comfyui, file, monkeypatch):
    sys.modules["comfy_api.latest"].InputImpl.VideoFromFile = EditedVideo
    monkeypatch.setattr(EditedVideo, "most", 0, raising=False)
    return EditedVideo(str(file), **request.param)


def test_an_edited_video_is_taken_as_it_is_shown(edited):
    with opened(edited) as video:
        assert torch.equal(video.frames, edited.clip())


class TrimmedVideo:
    """A part of a file, as ComfyUI's releases up to now keep it."""

    def __init__(self, file, *, start_time=0, duration=0):
        self.__file, self.__start_time, self.__duration = file, start_time, duration

    def get_stream_source(self):
        return self.__file

    def get_components(self):
        raise AssertionError("it need not be decoded")


@pytest.mark.parametrize(("start", "duration"), [(0, 0), (0.5, 0), (0, 1.5), (0.5, 1.5)])
def test_a_trimmed_file_is_read_from_its_file(comfyui, file, start, duration):
    sys.modules["comfy_api.latest"].InputImpl.VideoFromFile = TrimmedVideo
    with opened(TrimmedVideo(str(file), start_time=start, duration=duration)) as video:
        assert video == Video(file, window=(start, duration))


@pytest.mark.parametrize("start", [-1.0, float("nan"), float("inf"), None])
def test_a_window_that_is_not_one_from_the_start_is_decoded(comfyui, file, start):
    sys.modules["comfy_api.latest"].InputImpl.VideoFromFile = TrimmedVideo
    trimmed = TrimmedVideo(str(file), start_time=start)
    with pytest.raises(AssertionError, match="decoded"), opened(trimmed):
        pass


def test_a_class_of_its_own_is_asked_for_its_frames(comfyui, file, monkeypatch):
    """What it does to its file may stand in its code alone."""
    monkeypatch.setattr(EditedVideo, "most", 0, raising=False)
    with opened(EditedVideo(str(file))) as video:
        assert torch.equal(video.frames, moving_square(20))


def test_a_long_one_comes_in_pieces(edited, monkeypatch):
    frame = 4 * 3 * edited.clip()[0, ..., 0].numel()
    monkeypatch.setattr("rife_video.nodes.host.comfyui_video._MOST_AT_ONCE", 4 * frame)
    monkeypatch.setattr("rife_video.nodes.host.pieces._PIECE_BYTES", 3 * frame)
    with opened(edited) as video:
        assert EditedVideo.most <= 3
        assert video.frames.shape == edited.clip().shape
        assert torch.equal(torch.stack(list(video.frames)), edited.clip())
        assert video.audio["waveform"].shape[-1] >= 100 * len(edited.clip())
        assert EditedVideo.most <= 3


def test_a_video_that_is_trimmed_from_its_end_is_not_trimmed_twice(comfyui, file, monkeypatch):
    sys.modules["comfy_api.latest"].InputImpl.VideoFromFile = EditedVideo
    monkeypatch.setattr("rife_video.nodes.host.comfyui_video._MOST_AT_ONCE", 1)
    monkeypatch.setattr(EditedVideo, "most", 0, raising=False)
    video = EditedVideo(str(file))
    video._EditedVideo__start_time = -1.0
    with opened(video) as taken:
        assert isinstance(taken.frames, torch.Tensor)


@pytest.mark.parametrize(
    ("depth", "space", "color"),
    [
        (8, "sRGB", ColorTags()),
        (10, "sRGB", ColorTags()),
        (10, "HDR", ColorTags(9, 9, 18)),
        (10, "HDR PQ", ColorTags(9, 9, 16)),
    ],
)
def test_depth_and_colours_of_frames_are_kept(network, tmp_path, comfyui, depth, space, color):
    class Made:
        def get_components(self):
            clip = moving_square(3)
            return SimpleNamespace(images=clip, frame_rate=Fraction(8), audio=None)

        def get_bit_depth(self):
            return depth

        def get_color_space(self):
            return space

    with opened(Made()) as video:
        assert (video.depth, video.color) == (depth, color)
    for name in ("folder_paths", "comfy_api.latest", "comfy.model_management"):
        del sys.modules[name]
    with use_folders(Folders(temp=tmp_path)):
        model = RIFEModel(network, "small", "fp32")
        result = InterpolateVideo().interpolate(model, video, 2, crf=0)["result"][0]
    reader = VideoReader(result.frames)
    assert (reader.depth, reader.color) == (depth, color)
    expected = interpolate(network, moving_square(3), Timeline.multiply(2))
    assert (torch.stack(list(reader)) - expected).abs().mean() < 0.02
