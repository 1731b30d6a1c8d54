"""Beside other packs in one server: COMFYUI_PACKS names their folders."""

import json
import time
from fractions import Fraction
from urllib.parse import quote

import pytest
import torch
from rife_video.rife_core.video import VideoReader, VideoWriter
from rife_video.tests.comfyui.real_server import RUN_SECONDS
from support import moving_square


@pytest.fixture
def has(server):
    def has(node):
        _, answer = server.request(f"/object_info/{quote(node)}")
        if not answer:
            pytest.skip(f"no pack in COMFYUI_PACKS has {node}")

    return has


def wait_until_idle(server):
    """Some nodes queue prompts themselves."""
    deadline = time.monotonic() + RUN_SECONDS
    while any(server.request("/queue")[1].values()):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def write_clip(path, clip):
    with VideoWriter(path, Fraction(8)) as writer:
        for frame in clip:
            writer.write(frame)


@pytest.mark.parametrize(("count", "size"), [(10, 4), (8, 4), (9, 4), (5, 1)])
def test_meta_batch_loses_no_frame(server, has, count, size):
    """VideoHelperSuite sends a clip through in parts, each by a prompt of its own."""
    has("VHS_BatchManager")
    clip = moving_square(count)
    write_clip(server.base / "input/square.mp4", clip)
    load = {"video": "square.mp4", "force_rate": 0, "custom_width": 0, "custom_height": 0}
    load |= {"frame_load_cap": 0, "skip_first_frames": 0, "select_every_nth": 1}
    made = {"model": ["3", 0], "frames": ["2", 0], "multiplier": 2, "source_fps": 8.0}
    save = {"images": ["4", 0], "frame_rate": ["4", 1], "loop_count": 0, "pingpong": False}
    save |= {"filename_prefix": f"parts{count}", "format": "video/h264-mp4", "save_output": True}
    graph = {
        "1": {"class_type": "VHS_BatchManager", "inputs": {"frames_per_batch": size}},
        "2": {"class_type": "VHS_LoadVideo", "inputs": load | {"meta_batch": ["1", 0]}},
        "3": {"class_type": "LoadRIFE", "inputs": {"model_name": "small.safetensors"}},
        "4": {"class_type": "InterpolateFrames", "inputs": made},
        "report": {"class_type": "PreviewAny", "inputs": {"source": ["4", 3]}},
        "5": {
            "class_type": "VHS_VideoCombine",
            "inputs": save | {"meta_batch": ["1", 0], "crf": 0, "pix_fmt": "yuv420p"},
        },
    }
    _, history = server.run(graph)
    assert history["status"]["status_str"] == "success", history["status"]
    wait_until_idle(server)
    (path,) = (server.base / "output").glob(f"parts{count}_*.mp4")
    video = VideoReader(path)
    frames = torch.stack(list(video)).float()
    assert (video.fps, len(frames)) == (Fraction(16), 2 * count - 1)
    source = torch.stack(list(VideoReader(server.base / "input/square.mp4"))).float()
    assert (frames[::2] - source).abs().mean() < 0.02
    _, prompts = server.request("/history")
    shown = [part["outputs"].get("report") for part in prompts.values()]
    texts = [report["text"][0] for report in filter(None, shown)]
    assert sum("it goes on from the part before" in text for text in texts) >= -(-count // size) - 1
    assert "missing" not in json.dumps(texts)
