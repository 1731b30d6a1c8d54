"""Prompts of every release: people keep them in scripts, and they must go on working.

A release copies `workflows/api/*.api.json` to `released/VERSION`; what lies there never changes.
"""

import json
import shutil
from pathlib import Path

import pytest
from rife_video.nodes.host import Folders
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.video import VideoReader
from rife_video.workflows.graph import problems
from rife_video.workflows.local import KNOWN_NODES, run_workflow

RELEASED = Path(__file__).parent / "released"
PROMPTS = sorted(RELEASED.glob("*/*.api.json"))
every_prompt = pytest.mark.parametrize(
    "path", PROMPTS, ids=[str(path.relative_to(RELEASED)) for path in PROMPTS]
)

# Nodes that only a server has.
FOREIGN = {
    *("CLIPLoader", "DownloadAndLoadCogVideoModel", "CogVideoTextEncode", "CogVideoSampler"),
    *("CogVideoDecode", "EmptyLatentImage", "ImageScale", "VAELoader", "VAEEncode", "VAEDecode"),
}


@every_prompt
def test_nothing_is_wrong_but_what_a_server_adds(path):
    found = problems(json.loads(path.read_text()), KNOWN_NODES)
    files = {("LoadVideo", "file"), ("LoadImage", "image"), ("LoadRIFE", "model_name")}
    theirs = [p for p in found if p.class_type not in FOREIGN]
    assert [p for p in theirs if (p.class_type, p.input) not in files] == []


@every_prompt
def test_runs(path, tmp_path, network, clip_file):
    graph = json.loads(path.read_text())
    if any(node["class_type"] in FOREIGN for node in graph.values()):
        pytest.skip("has nodes that only a server has")
    folders = Folders(tmp_path / "in", tmp_path / "out", (tmp_path / "models",))
    folders.input.mkdir()
    folders.models[0].mkdir()
    save_rife(network, folders.models[0] / "small.safetensors")
    shutil.copy(clip_file, folders.input / "clip.mp4")
    settings = [
        f"{node_id}.{name}={value}"
        for node_id, node in graph.items()
        for class_type, name, value in (
            ("LoadRIFE", "model_name", "small.safetensors"),
            ("LoadVideo", "file", "clip.mp4"),
        )
        if node["class_type"] == class_type
    ]
    result = run_workflow(path, settings=settings, folders=folders)
    assert result.files
    for file in result.files:
        assert len(list(VideoReader(file))) >= 1


def test_this_release_is_kept():
    now = {path.name for path in (RELEASED.parents[2] / "workflows/api").glob("*.api.json")}
    newest = max(RELEASED.iterdir(), key=lambda folder: tuple(map(int, folder.name.split("."))))
    assert {path.name for path in newest.iterdir()} >= now
