"""How VIDEO wires are read, with a stand-in for ComfyUI's classes of every release so far."""

import sys
from fractions import Fraction
from io import BytesIO
from types import ModuleType, SimpleNamespace

import pytest
import torch
from rife_video.nodes.host import Folders, Video, opened, use_folders, video_of_file


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
def comfyui(monkeypatch, tmp_path):
    paths = ModuleType("folder_paths")
    paths.get_temp_directory = lambda: str(tmp_path / "temp")
    api = ModuleType("comfy_api.latest")
    api.InputImpl = SimpleNamespace(VideoFromFile=VideoFromFile)
    management = ModuleType("comfy.model_management")
    for module in (paths, api, management):
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"a video")
    return path


def test_a_file_is_taken_as_it_is(comfyui, file):
    with opened(VideoFromFile(str(file))) as video:
        assert video == Video(file)


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


def test_sound_lasts_no_longer_than_the_frames(tone):
    video = Video(torch.zeros(3, 4, 4, 3), Fraction(12), tone)
    assert video.sound["waveform"].shape[-1] == 24000 * 3 // 12
    assert Video(torch.zeros(3, 4, 4, 3), Fraction(12)).sound is None
