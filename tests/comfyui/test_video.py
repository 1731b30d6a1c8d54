"""InterpolateVideo on a real server: every kind of VIDEO, and files that are copied through."""

from fractions import Fraction

import av
import pytest
from rife_video.rife_core.video import VideoReader
from rife_video.tests.comfyui.conftest import with_small_weights
from rife_video.tests.comfyui.test_server import output_files


def packets(path):
    """Time and content of every packet, by the kind of its stream."""
    found = {"video": [], "audio": []}
    with av.open(path) as container:
        for packet in container.demux():
            if packet.size:
                time = packet.pts * packet.time_base
                found[packet.stream.type].append((time, bytes(packet)))
    return found


@pytest.fixture
def graph():
    return with_small_weights("interpolate_video")


def temp_files(server):
    return set((server.base / "temp").glob("rife_*"))


def test_a_file_goes_through_with_its_sound_and_is_encoded_once(server, graph, clip_file):
    before = temp_files(server)
    messages, history = server.run(graph)
    assert history["status"]["status_str"] == "success", history["status"]
    (made,) = temp_files(server) - before
    (path,) = output_files(server, history)
    video = VideoReader(path)
    assert (video.fps, len(list(video))) == (Fraction(24), 11)
    assert packets(path) == packets(made)
    sound, source = (packets(file)["audio"] for file in (path, clip_file))
    assert [content for _, content in sound] == [content for _, content in source]
    progress = [data["value"] for kind, data in messages if kind == "progress"]
    assert progress == sorted(progress)
    assert progress[-1] > 5
    (text,) = history["outputs"]["3"]["text"]
    assert text.startswith("6 frames at 12 fps (0.500 s) became 11 at 24 fps")


def test_frames_in_memory(server, graph):
    """From CreateVideo, whose own file writer would round the rate and halve the colours."""
    graph["split"] = {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}}
    joined = {"images": ["split", 0], "audio": ["split", 1], "fps": 23.976}
    graph["join"] = {"class_type": "CreateVideo", "inputs": joined}
    graph["3"]["inputs"]["video"] = ["join", 0]
    _, history = server.run(graph)
    (path,) = output_files(server, history)
    video = VideoReader(path)
    assert (video.fps, len(list(video))) == (Fraction(48000, 1001), 11)
    assert len(video.audio_codecs) == 1


def test_a_file_that_lies_in_memory(server, graph):
    graph["bytes"] = {"class_type": "VideoInBytes", "inputs": {"video": ["1", 0]}}
    graph["3"]["inputs"]["video"] = ["bytes", 0]
    before = temp_files(server)
    _, history = server.run(graph)
    (path,) = output_files(server, history)
    assert len(list(VideoReader(path))) == 11
    assert len(temp_files(server) - before) == 1, "the copy of the source is removed"


def test_the_result_can_be_taken_apart_again(server, graph):
    graph["split"] = {"class_type": "GetVideoComponents", "inputs": {"video": ["3", 0]}}
    inputs = {"images": ["split", 0], "filename_prefix": "frames"}
    graph["save"] = {"class_type": "SaveImage", "inputs": inputs}
    _, history = server.run(graph)
    assert len(history["outputs"]["save"]["images"]) == 11
