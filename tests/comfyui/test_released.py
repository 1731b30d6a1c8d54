"""Prompts of every release, as scripts send them, on a real server."""

import json

import pytest
from rife_video.tests.comfyui.conftest import ROOT

PROMPTS = sorted((ROOT / "tests/workflows/released").glob("*/*.api.json"))
MODEL_LOADERS = {"CLIPLoader", "VAELoader", "DownloadAndLoadCogVideoModel"}


@pytest.mark.parametrize("path", PROMPTS, ids=[f"{p.parent.name}/{p.name}" for p in PROMPTS])
def test_runs(server, path):
    graph = json.loads(path.read_text())
    if MODEL_LOADERS & {node["class_type"] for node in graph.values()}:
        pytest.skip("needs a model of gigabytes")
    for node in graph.values():
        if node["class_type"] == "LoadRIFE":
            node["inputs"]["model_name"] = "small.safetensors"
    _, history = server.run(graph)
    assert history["status"]["status_str"] == "success", history["status"]
    assert history["outputs"]
