"""The pack on a real ComfyUI server, through its HTTP interface."""

import os
import time
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from rife_video.nodes import NODE_CLASS_MAPPINGS
from rife_video.rife_core.checkpoints.published import RELEASES
from rife_video.rife_core.video import VideoReader
from rife_video.workflows.graph import problems
from rife_video.workflows.local import KNOWN_NODES


def output_files(server, history):
    return [
        server.base / "output" / saved["subfolder"] / saved["filename"]
        for node in history["outputs"].values()
        for saved in node.get("images", ())
    ]


@pytest.mark.parametrize("node", NODE_CLASS_MAPPINGS)
def test_node_is_described(server, node):
    status, answer = server.request(f"/object_info/{node}")
    assert status == 200
    info = answer[node]
    assert info["description"]
    assert info["category"] == "RIFE Video"
    assert len(info["output_tooltips"]) == len(info["output_name"])
    for group in info["input"].values():
        for name, (_, options) in group.items():
            assert options["tooltip"], name
    status, page = server.request(f"/extensions/rife_video/docs/{node}.md")
    assert status == 200
    assert page.startswith(b"#")


def test_load_rife_lists_weights_and_nothing_else(server):
    (server.base / "models/rife/notes.txt").write_text("no weights")
    _, answer = server.request("/object_info/LoadRIFE")
    names = answer["LoadRIFE"]["input"]["required"]["model_name"][0]
    expected = ["default", "elsewhere.safetensors", "small.safetensors"]
    assert sorted(set(names) - set(RELEASES)) == expected
    assert len(names) == len(expected) + len(RELEASES)


def test_weights_of_extra_model_paths(server, graph):
    graph["3"]["inputs"]["model_name"] = "elsewhere.safetensors"
    _, history = server.run(graph)
    assert history["status"]["status_str"] == "success", history["status"]


def test_interpolate_clip(server, graph):
    messages, history = server.run(graph)
    assert history["status"]["status_str"] == "success", history["status"]
    (path,) = output_files(server, history)
    video = VideoReader(path)
    assert video.fps == Fraction(24)
    assert len(list(video)) == 11
    assert video.read_audio() is not None
    progress = [data["value"] for kind, data in messages if kind == "progress"]
    assert progress == sorted(progress)
    assert 0 < progress[-1] <= 11, "newer servers leave some messages out"
    assert {data["node"] for kind, data in messages if kind == "progress"} == {"4"}


def test_source_frames_pass_unchanged(server, graph):
    prefixes = {"source": ["2", 0], "output": ["4", 0]}
    for prefix, link in prefixes.items():
        inputs = {"images": link, "filename_prefix": prefix}
        graph[prefix] = {"class_type": "SaveImage", "inputs": inputs}
    graph["4"]["inputs"]["multiplier"] = 3
    _, history = server.run(graph)
    saved = output_files(server, history)
    source, output = (sorted(p for p in saved if p.name.startswith(name)) for name in prefixes)
    assert (len(source), len(output)) == (6, 16)
    for before, after in zip(source, output[::3], strict=True):
        (image,), (same,) = VideoReader(before), VideoReader(after)
        assert torch.equal(image, same)


def test_unchanged_parts_are_cached_until_the_weights_change(server, graph):
    def fresh():
        messages, _ = server.run(graph)
        return {data["node"] for kind, data in messages if kind == "executing" and data["node"]}

    fresh()
    graph["4"]["inputs"]["multiplier"] = 4
    assert fresh() == {"4", "5", "6"}
    os.utime(server.base / "models/rife/small.safetensors", (time.time(), time.time() + 5))
    assert fresh() == {"3", "4", "5", "6"}


BREAKAGES = {
    "multiplier too small": [("4", "multiplier", 0)],
    "multiplier too large": [("4", "multiplier", 1000)],
    "not a number": [("4", "multiplier", "many")],
    "not in list": [("4", "end", "never"), ("4", "scale", 3)],
    "wrong type": [("4", "frames", ["3", 0])],
    "missing": [("4", "frames", None)],
    "two nodes at once": [("4", "source_fps", 0), ("3", "model_name", "gone.safetensors")],
    "weights not there": [("3", "model_name", "gone.safetensors")],
    "weights elsewhere": [("3", "model_name", "../../input/clip.mp4")],
    "clip not there": [("1", "file", "gone.mp4")],
}


@pytest.mark.parametrize("changes", BREAKAGES.values(), ids=BREAKAGES.keys())
def test_refuses_what_the_local_check_refuses(server, graph, changes):
    for node, name, value in changes:
        if value is None:
            del graph[node]["inputs"][name]
        else:
            graph[node]["inputs"][name] = value
    status, answer = server.request("/prompt", {"prompt": graph})
    assert status == 400
    named = {
        (node, error["extra_info"]["input_name"])
        for node, found in answer["node_errors"].items()
        for error in found["errors"]
    }
    assert named == {(node, name) for node, name, _ in changes}
    local = {(problem.node, problem.input) for problem in problems(graph, KNOWN_NODES)}
    assert named <= local


def test_says_where_weights_belong(server, graph):
    graph["3"]["inputs"]["model_name"] = "gone.safetensors"
    _, answer = server.request("/prompt", {"prompt": graph})
    (error,) = answer["node_errors"]["3"]["errors"]
    assert error["type"] == "custom_validation_failed"
    assert "'gone.safetensors'" in error["details"]
    assert str(server.base / "models" / "rife") in error["details"]


def test_interrupt(server, graph):
    """A prompt stops between two batches, so what it takes is at most one batch."""
    graph["4"]["inputs"]["multiplier"] = 64
    times = {}

    def stop(kind, data):
        times[kind] = time.monotonic()
        if kind == "progress" and data["value"] >= 3 and "asked" not in times:
            server.request("/interrupt", {})
            times["asked"] = time.monotonic()

    messages, history = server.run(graph, stop)
    assert history["status"]["status_str"] == "error"
    (interrupted,) = [data for kind, data in messages if kind == "execution_interrupted"]
    assert interrupted["node_id"] == "4"
    assert max(data["value"] for kind, data in messages if kind == "progress") < 200

    graph["4"]["inputs"]["multiplier"] = 2
    _, history = server.run(graph)
    assert history["status"]["status_str"] == "success"
    (path,) = output_files(server, history)
    assert len(list(VideoReader(path))) == 11


def test_many_prompts_take_no_more_memory(server, graph):
    """The result of each is 7 MB; a server that kept 20 of them would show it."""
    status = Path(f"/proc/{server.pid}/status")
    if not status.exists():
        pytest.skip("reads the memory of a process as Linux tells it")

    def megabytes():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    sized = {"image": ["2", 0], "upscale_method": "bilinear", "crop": "disabled"}
    graph["size"] = {"class_type": "ImageScale", "inputs": sized | {"width": 256, "height": 192}}
    graph["4"]["inputs"]["frames"] = ["size", 0]
    used = []
    for number in range(25):
        graph["4"]["inputs"]["source_fps"] = 8.0 + number
        messages, history = server.run(graph)
        assert history["status"]["status_str"] == "success"
        assert ("progress", "4") in {(kind, data.get("node")) for kind, data in messages}
        used.append(megabytes())
    assert max(used[-5:]) - min(used[4:9]) < 40, used


def test_a_failing_node_says_what_to_do(server, graph):
    graph["4"]["inputs"]["ensemble"] = True
    messages, _ = server.run(graph)
    (error,) = [data for kind, data in messages if kind == "execution_error"]
    assert error["node_id"] == "4"
    assert "without an ensemble mode" in error["exception_message"]


def test_runs_again_after_its_model_was_unloaded(server, graph):
    server.run(graph)
    server.request("/free", {"unload_models": True, "free_memory": True})
    graph["4"]["inputs"]["end"] = "keep duration"
    _, history = server.run(graph)
    (path,) = output_files(server, history)
    assert len(list(VideoReader(path))) == 12
