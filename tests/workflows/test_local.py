"""Saved workflows run in this process."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
import rife_video
import torch
from rife_video.__main__ import main
from rife_video.nodes.host import Folders
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.video import VideoReader
from rife_video.workflows.graph import WorkflowError
from rife_video.workflows.local import run_workflow

CLIP_GRAPH = Path(rife_video.__file__).parent / "workflows/api/interpolate_clip.api.json"


@pytest.fixture
def folders(tmp_path, clip_file, network):
    folders = Folders(tmp_path / "in", tmp_path / "out", (tmp_path / "models",))
    folders.input.mkdir()
    folders.models[0].mkdir()
    (folders.input / "clip.mp4").write_bytes(clip_file.read_bytes())
    save_rife(network, folders.models[0] / "small.safetensors")
    return folders


@pytest.fixture
def graph():
    content = json.loads(CLIP_GRAPH.read_text())
    content["3"]["inputs"] = {"model_name": "small.safetensors", "precision": "fp32"}
    return content


def test_interpolate_clip(folders, graph, clip_file):
    lines = []
    result = run_workflow(graph, folders=folders, say=lines.append)
    (path,) = result.files
    assert path == folders.output / "video/interpolated_00001_.mp4"
    source, video = VideoReader(clip_file), VideoReader(path)
    frames = list(video)
    assert video.fps == Fraction(24)
    assert len(frames) == 11
    for before, after in zip(source, frames[::2], strict=True):
        assert (before - after).abs().mean() < 0.02
    sound = video.read_audio()
    assert sound["sample_rate"] == 24000
    assert sound["waveform"].shape[-1] / 24000 == pytest.approx(11 / 24, abs=0.1)
    (report,) = result.texts
    assert report.startswith("6 frames at 12 fps (0.500 s) became 11 at 24 fps")
    assert lines[0] == "[1/6] LoadVideo ..."
    assert run_workflow(graph, folders=folders).files[0].name == "interpolated_00002_.mp4"


def test_interpolate_video(folders, clip_file):
    graph = CLIP_GRAPH.with_name("interpolate_video.api.json")
    settings = ["Load RIFE.model_name=small.safetensors", "Interpolate Video.target_fps=30"]
    result = run_workflow(graph, folders=folders, settings=settings)
    (path,) = result.files
    video = VideoReader(path)
    assert (video.fps, len(list(video))) == (30, 13)
    assert video.audio_codecs == VideoReader(clip_file).audio_codecs
    (report,) = result.texts
    assert report.startswith("6 frames at 12 fps (0.500 s) became 13 at 30 fps")


def test_duration_kept(folders, graph):
    settings = ["InterpolateFrames.end=keep duration", "4.multiplier=3"]
    (path,) = run_workflow(graph, folders=folders, settings=settings).files
    assert len(list(VideoReader(path))) == 18


def test_the_given_graph_stays_as_it_was(folders, graph):
    before = json.dumps(graph)
    run_workflow(graph, folders=folders, settings=["InterpolateFrames.multiplier=1"])
    assert json.dumps(graph) == before


def test_inputs_that_only_a_page_knows_are_left_out(folders, graph):
    graph["1"]["inputs"]["video-preview"] = ""
    graph["4"]["inputs"]["added later"] = ["nobody", 0]
    assert run_workflow(graph, folders=folders).files


def test_a_trimmed_clip_is_saved_as_it_is_shown(folders, graph):
    """The frames, the sound and the rate of the stretch, though its type is that of the file."""
    graph["1"]["inputs"]["edit"] = {"trim": {"start_time": 1 / 6, "duration": 0.25}}
    graph["6"]["inputs"]["video"] = ["1", 0]
    (path,) = run_workflow(graph, folders=folders).files
    whole = VideoReader(folders.input / "clip.mp4")
    video = VideoReader(path)
    assert video.fps == whole.fps
    frames = list(video)
    assert len(frames) == 3
    assert (frames[0] - list(whole)[2]).abs().mean() < 0.02


WIRED = {"multiplier": ("Int", 3), "source_fps": ("Float", 3.0), "schedule": ("String", "3:1")}


@pytest.mark.parametrize("name", WIRED)
def test_values_that_are_wired(folders, graph, name):
    kind, value = WIRED[name]
    graph["7"] = {"class_type": f"Primitive{kind}", "inputs": {"value": value}}
    graph["4"]["inputs"][name] = ["7", 0]
    wired = run_workflow(graph, folders=folders).texts
    graph["4"]["inputs"][name] = value
    typed = run_workflow(graph, folders=folders).texts
    assert wired[0].splitlines()[:2] == typed[0].splitlines()[:2]


def test_the_nested_value_is_the_newer_one(folders, graph):
    graph["6"]["inputs"] |= {"format": "mkv", "codec": "auto", "format.codec": "h265"}
    result = run_workflow(graph, folders=folders)
    assert "mkv is written as h264 here, not as h265." in result.texts


NEWER = {
    "dotted": {"format": "mkv", "format.codec": "h264", "format.codec.encoding.crf": 30.0},
    "nested": {"format": {"format": "mkv", "codec": {"codec": "h264", "crf": 30.0}}},
}


@pytest.mark.parametrize("saved", NEWER.values(), ids=NEWER.keys())
def test_prompts_of_newer_servers(folders, graph, saved):
    graph["1"]["inputs"]["edit"] = {
        "trim": {"start_time": 1 / 6, "duration": 0.25},
        "crop": {"x": 4, "y": 2, "width": 20, "height": 30},
    }
    graph["5"]["inputs"] |= {"bit_depth": "auto", "color_space": "HDR"}
    del graph["6"]["inputs"]["codec"]
    graph["6"]["inputs"] |= {**saved, "metadata": "some"}
    lines = []
    (path,) = run_workflow(graph, folders=folders, say=lines.append).files
    video = VideoReader(path)
    assert path.suffix == ".mkv"
    assert (video.width, video.height, video.depth) == (20, 30, 10)
    assert video.color.transfer == 18
    assert len(list(video)) == 5  # of 3 source frames
    assert [line for line in lines if "ignored" in line] == [
        "Node 6 (SaveVideo): input 'metadata' is ignored without a server."
    ]


def test_file_types_and_codecs(folders, graph):
    graph["6"]["inputs"] |= {"format": "auto", "codec": "av1"}
    result = run_workflow(graph, folders=folders)
    assert result.files[0].suffix == ".webm"
    assert "webm is written as vp9 here, not as av1." in result.texts


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"rotate": 90}, "has rotate; without a server only trim and crop"),
        ({"trim": {"start_time": 9}}, "shows no frame: it is cut from 9 s on"),
        ({"trim": {"start_time": 9}, "crop": {"width": 8}}, "Nothing of clip.mp4 is left by its"),
        ({"trim": 3}, "cannot be read"),
        ({"trim": {"duration": "inf"}}, "cannot be read: trim is"),
        ("7", "cannot be read: expected trim and crop by name, found 7"),
        ("{", "cannot be read"),
    ],
)
def test_edits_that_cannot_be_followed(folders, graph, edit, says):
    graph["1"]["inputs"]["edit"] = edit
    with pytest.raises(WorkflowError, match=says):
        run_workflow(graph, folders=folders)


def test_outputs_of_newer_nodes_can_be_wired(folders, graph):
    """The bit depth of Get Video Components, and the video that Save Video passes on."""
    graph["5"]["inputs"]["bit_depth"] = ["2", 3]
    again = {**graph["6"]["inputs"], "video": ["6", 0], "filename_prefix": "again"}
    graph["again"] = {"class_type": "SaveVideo", "inputs": again}
    first, second = run_workflow(graph, folders=folders).files
    assert first.read_bytes() == second.read_bytes()
    graph["5"]["inputs"]["bit_depth"] = 12
    with pytest.raises(WorkflowError, match="is 12; it must be one of auto, 8, 10"):
        run_workflow(graph, folders=folders)


def test_source_frames_reach_the_next_node_unchanged(folders, graph):
    graph["pick"] = {
        "class_type": "ImageFromBatch",
        "inputs": {"image": ["4", 0], "batch_index": 4, "length": 1},
    }
    graph["png"] = {"class_type": "SaveImage", "inputs": {"images": ["pick", 0]}}
    graph["png"]["inputs"]["filename_prefix"] = "frame"
    result = run_workflow(graph, folders=folders)
    (png,) = [path for path in result.files if path.suffix == ".png"]
    third = list(VideoReader(folders.input / "clip.mp4"))[2]
    assert torch.equal(next(iter(VideoReader(png))), third)


def test_every_problem_is_listed_before_anything_runs(folders, graph):
    graph["4"]["inputs"]["multiplier"] = 0
    graph["3"]["inputs"]["model_name"] = "gone.safetensors"
    graph["1"]["inputs"]["file"] = "../clip.mp4"
    with pytest.raises(WorkflowError) as error:
        run_workflow(graph, folders=folders)
    message = str(error.value)
    assert "3 to put right" in message
    assert "node 4 (InterpolateFrames), input 'multiplier': is 0" in message
    assert "node 3 (LoadRIFE), input 'model_name'" in message
    assert "node 1 (LoadVideo), input 'file'" in message
    assert not folders.output.exists()


def test_unknown_nodes_are_told_with_those_that_are_known(folders, graph):
    graph["4"]["class_type"] = "Sculpture"
    with pytest.raises(WorkflowError) as error:
        run_workflow(graph, folders=folders)
    assert "node 4 (Sculpture): there is no such node" in str(error.value)
    assert "without a server: LoadVideo" in str(error.value)


def test_a_failing_node_is_named(folders, graph):
    (folders.input / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(WorkflowError, match=r"Node 2 \(GetVideoComponents\) failed: .*clip\.mp4"):
        run_workflow(graph, folders=folders)


def arguments(folders, *more):
    places = ["--input-dir", folders.input, "--output-dir", folders.output]
    models = ["--models", folders.models[0]]
    return list(map(str, ["run", *more, *places, *models]))


def test_command_line(folders, capsys):
    settings = ["--set", "Load RIFE.model_name=small.safetensors", "--set", "3.precision=fp32"]
    assert main(arguments(folders, CLIP_GRAPH, *settings)) == 0
    *report, path = capsys.readouterr().out.splitlines()
    assert "became 11 at 24 fps" in report[0]
    assert len(list(VideoReader(path))) == 11


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            [CLIP_GRAPH.parents[1] / "Interpolate Frames of a Clip.json"],
            "run interpolate_clip.api.json",
        ),
        ([CLIP_GRAPH, "--set", "nobody.x=1"], "no node is called 'nobody'"),
        (["gone.api.json"], "gone.api.json"),
    ],
)
def test_command_line_errors_are_sentences(folders, capsys, more, says):
    assert main(arguments(folders, *more)) == 1
    message = capsys.readouterr().err
    assert says in message
    assert "Traceback" not in message
