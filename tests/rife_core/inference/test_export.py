"""ONNX files: the frames of PyTorch, at sizes that they were not written at."""

import copy

import pytest
import torch
from rife_video.rife_core.checkpoints.rife import BUNDLED, load_rife
from rife_video.rife_core.cli import main
from rife_video.rife_core.inference import export
from rife_video.rife_core.inference.export import OneStep, example, export_onnx, input_names
from rife_video.rife_core.inference.rife import build_network
from support import GAINS, fill


@pytest.fixture
def runtime():
    pytest.importorskip("onnx", reason="the extra rife-video[onnx] is not installed")
    return pytest.importorskip("onnxruntime", reason="the extra rife-video[onnx] is not installed")


@pytest.mark.parametrize("version", ["3.1", "hdv3", "4.6", "4.26"])
def test_another_size_gives_the_frames_of_inference(runtime, version, tmp_path):
    gains = [*GAINS, ("conv1.weight", 0.1), ("conv1.bias", 0.1)]  # 3.1: of its blocks alone
    network = fill(build_network(version), gains).eval()
    least = export_onnx(network, tmp_path / "network.onnx")
    assert least >= 60
    session = runtime.InferenceSession(
        str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"]
    )
    spec = network.spec
    assert session.get_modelmeta().custom_metadata_map["align"] == str(spec.align)
    inputs = example(spec, 1, 4)
    named = dict(zip(input_names(spec), (each.numpy() for each in inputs), strict=True))
    (made,) = session.run(None, named)
    right = network.inference(*inputs[:2])
    assert (torch.from_numpy(made) - right).square().mean() < 1e-6
    assert not list(tmp_path.glob(".*"))


def test_trained_weights_agree_on_pictures(runtime, tmp_path):
    assert export_onnx(load_rife(BUNDLED), tmp_path / "network.onnx") > 100


def test_timesteps_are_an_input(runtime, tmp_path):
    network = fill(build_network("4.6"), GAINS).eval()
    export_onnx(network, tmp_path / "network.onnx")
    session = runtime.InferenceSession(
        str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"]
    )
    img0, img1, _ = example(network.spec, 2, 2)
    for time in (0.25, 0.8):
        given = {"img0": img0.numpy(), "img1": img1.numpy()}
        given["timestep"] = torch.tensor([time]).numpy()
        made = torch.from_numpy(session.run(None, given)[0])
        assert (made - network.inference(img0, img1, time)).square().mean() < 1e-6


def test_a_file_that_is_wrong_is_not_left(runtime, tmp_path, monkeypatch, network):
    (tmp_path / "network.onnx").write_text("before")
    monkeypatch.setattr(export, "_compare", lambda *_: 20.0)
    with pytest.raises(RuntimeError, match=r"20\.0 dB from PyTorch's"):
        export_onnx(network, tmp_path / "network.onnx")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_the_network_stays_as_it_is(runtime, tmp_path, network):
    before = copy.deepcopy(network.state_dict())
    export_onnx(network, tmp_path / "network.onnx")
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_without_the_package_one_sentence_says_how(monkeypatch, network, tmp_path):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"rife-video\[onnx\]"):
        export_onnx(network, tmp_path / "network.onnx")


@torch.no_grad()
def test_one_step_is_inference_without_padding(network):
    img0, img1, time = example(network.spec, 1, 2)
    made = OneStep(network)(img0 * 2 - 0.5, img1, time)
    assert torch.allclose(made, network.inference(img0 * 2 - 0.5, img1), atol=1e-4)


def test_the_command_names_another_suffix(capsys, tmp_path):
    assert main(["export", "default", str(tmp_path / "network.pt")]) == 1
    assert ".onnx" in capsys.readouterr().err
