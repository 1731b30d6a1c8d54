"""Folders, weights, precision and progress, in ComfyUI and without it."""

import copy
import sys
from types import ModuleType

import pytest
import torch
from rife_video.nodes.host import (
    Folders,
    RIFEModel,
    input_folder,
    inside,
    list_models,
    model_path,
    output_folder,
    progress,
    use_folders,
)
from rife_video.rife_core.checkpoints.rife import save_rife


@pytest.fixture
def folders(tmp_path):
    models = (tmp_path / "models/rife", tmp_path / "models/frame_interpolation")
    for folder in models:
        folder.mkdir(parents=True)
    with use_folders(Folders(tmp_path / "in", tmp_path / "out", models)):
        yield tmp_path


def test_folders_are_those_in_use(folders):
    assert (input_folder(), output_folder()) == (folders / "in", folders / "out")
    with use_folders(Folders(folders / "other")):
        assert input_folder() == folders / "other"
    assert input_folder() == folders / "in"


def test_lists_weights_of_both_folders_and_nothing_else(folders):
    for name in ("rife/a.pth", "rife/notes.txt", "rife/sub/b.pkl", "frame_interpolation/a.pth"):
        path = folders / "models" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    models = list_models()
    bundled = {models.pop("default")}
    assert {path.suffix for path in bundled} == {".safetensors"}
    assert models == {
        "a.pth": folders / "models/rife/a.pth",
        "sub/b.pkl": folders / "models/rife/sub/b.pkl",
    }


def test_weights_of_the_pack_beside_are_listed(monkeypatch, tmp_path):
    packs = tmp_path / "custom_nodes"
    place = packs / "ComfyUI-Frame-Interpolation/ckpts/rife/rife47.pth"
    place.parent.mkdir(parents=True)
    place.touch()
    paths = ModuleType("folder_paths")
    paths.models_dir = str(tmp_path / "models")
    paths.folder_names_and_paths = {"custom_nodes": ([str(packs)], set())}

    def add(key, folder):
        paths.folder_names_and_paths.setdefault(key, ([folder], set()))

    paths.add_model_folder_path = add
    monkeypatch.setitem(sys.modules, "folder_paths", paths)
    monkeypatch.setitem(sys.modules, "comfy.model_management", ModuleType("management"))
    assert list_models()["rife47.pth"] == place


@pytest.mark.parametrize("name", ["../secret.pth", "/etc/passwd", "gone.pth", "", "rife/../a.pth"])
def test_only_listed_weights_are_found(folders, name):
    (folders / "models/secret.pth").touch()
    (folders / "models/rife/a.pth").touch()
    with pytest.raises(ValueError, match=r"no weights file .* a\.pth.*models/rife"):
        model_path(name)


@pytest.mark.parametrize("name", ["a.mp4", "sub/a.mp4", "sub/../a.mp4", ""])
def test_names_inside_a_folder(tmp_path, name):
    assert inside(tmp_path, name).is_relative_to(tmp_path)


@pytest.mark.parametrize("name", ["../a.mp4", "/etc/passwd", "sub/../../a.mp4", "a\0.mp4"])
def test_names_that_lead_out_of_a_folder(tmp_path, name):
    with pytest.raises(ValueError, match="leads out of its folder"):
        inside(tmp_path, name)


def test_a_folder_beside_is_not_inside(tmp_path):
    with pytest.raises(ValueError, match="leads out"):
        inside(tmp_path / "in", "../in_too/a.mp4")


def test_precision_leaves_the_loaded_network_alone(network):
    model = RIFEModel(copy.deepcopy(network), "small", "bf16")
    assert {p.dtype for p in model.ready().parameters()} == {torch.bfloat16}
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}
    assert model.ready() is model.ready()
    assert f"'small' (RIFE {network.spec.version}, bfloat16" in str(model)


def test_full_precision_keeps_one_network(network):
    model = RIFEModel(copy.deepcopy(network), "small", "fp32")
    assert model.ready() is model.network


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_copy_can_be_trained_from_inside_a_node(network, tmp_path, precision):
    save_rife(network, tmp_path / "small.safetensors")
    with use_folders(Folders(models=(tmp_path,))), torch.inference_mode():
        model = RIFEModel.load("small.safetensors", precision)
        model.ready()
        before = copy.deepcopy(model.network.state_dict())
        learner = model.trainable_copy()
        with torch.inference_mode(False), torch.enable_grad():
            optimizer = torch.optim.SGD(learner.parameters(), 1e-3)
            merged = learner(torch.rand(1, 6, 128, 128))[2]
            merged[-1].mean().backward()
            optimizer.step()
    after = model.network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert any(not torch.equal(p, before[n]) for n, p in learner.named_parameters())


def test_progress_counts_with_and_without_a_total():
    with progress("work") as report:
        report(0, None)
        report(2, 4)
        report(4, 4)


def test_a_precision_that_does_not_fit_the_device_is_refused_at_once(network):
    with pytest.raises(ValueError, match="half"):
        RIFEModel(network, "small", "half")


def test_a_backend_is_set_on_the_device_and_named_in_reports(network, monkeypatch):
    """Set once, and again when ComfyUI has let go of it."""
    set_up = []

    class InferenceBackend:
        def __init__(self, network):
            set_up.append(network)

        def frame(self, *inputs):
            return None

        made = frame

    monkeypatch.setattr(
        "rife_video.rife_core.inference.backends.compile.Compiled", InferenceBackend
    )
    model = RIFEModel(copy.deepcopy(network), "small", "bf16", "compile")
    assert not set_up
    assert isinstance(model.ready().backend, InferenceBackend)
    model.ready()
    assert set_up == [model.working]
    model.working.backend = None
    model.ready()
    assert len(set_up) == 2
    assert model.network.backend is None
    assert model.trainable_copy().backend is None
    assert str(model).endswith("bfloat16, cpu, compile)")


def test_a_backend_that_is_not_there_is_refused_at_once(network):
    with pytest.raises(ValueError, match="runs on cuda"):
        RIFEModel(network, "small", backend="cudagraphs")
