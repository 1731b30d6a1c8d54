"""The two workflows that judge: wired as meant, and the one that needs no VAE run for real."""

import json
import shutil
from pathlib import Path

import pytest
import rife_video
from rife_video.nodes.host import Folders
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.workflows.local import run_workflow

FOLDER = Path(rife_video.__file__).parent / "workflows/api"


def by_class(name):
    graph = json.loads((FOLDER / f"{name}.api.json").read_text())
    return {node["class_type"]: (key, node["inputs"]) for key, node in graph.items()}


def test_interpolation_is_judged_on_the_clip_itself():
    nodes = by_class("judge_interpolation")
    _, judge = nodes["ComputeFlowLoss"]
    assert judge["target"] == [nodes["GetVideoComponents"][0], 0]
    assert judge["model"] == [nodes["LoadRIFE"][0], 0]
    assert "prediction" not in judge


def test_the_vae_is_judged_on_what_went_into_it():
    nodes = by_class("judge_video_vae")
    _, judge = nodes["VideoAELoss"]
    assert judge["original"] == nodes["VAEEncode"][1]["pixels"]
    assert judge["reconstruction"] == [nodes["VAEDecode"][0], 0]
    assert nodes["VAEDecode"][1]["samples"] == [nodes["VAEEncode"][0], 0]
    assert nodes["ImageFromBatch"][1]["length"] % 4 == 1


@pytest.fixture
def folders(tmp_path, network, clip_file):
    found = Folders(tmp_path / "in", tmp_path / "out", (tmp_path / "models",))
    found.input.mkdir()
    found.models[0].mkdir()
    shutil.copy(clip_file, found.input / "clip.mp4")
    save_rife(network, found.models[0] / "small.safetensors")
    return found


def test_judging_a_clip(folders):
    result = run_workflow(
        FOLDER / "judge_interpolation.api.json",
        settings=["LoadRIFE.model_name=small.safetensors", "LoadRIFE.precision=fp32"],
        folders=folders,
    )
    (report,) = (json.loads(text) for text in result.texts)
    assert [row["frame"] for row in report["frames"]] == [1, 3]
    assert set(report["mean"]) == {"laplacian", "census", "edges", "psnr", "ssim"}
    assert len(result.files) == 1 + 2  # the plot, and a heat map of each frame
    assert all(path.is_file() for path in result.files)
