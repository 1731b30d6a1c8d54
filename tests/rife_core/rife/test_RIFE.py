"""Model: the documented class against its golden vectors, and its files."""

import pytest
import torch
from rife_video.rife_core.checkpoints.rife import load_rife, save_rife
from rife_video.rife_core.checkpoints.tensor_files import CheckpointError
from rife_video.rife_core.inference.rife import IFNet_m, build_network
from rife_video.rife_core.rife.RIFE import Model
from support import FLOW, IMAGE, fill, golden, manifest
from torch.testing import assert_close


@pytest.mark.parametrize(
    ("name", "arbitrary"), [("model_inference", False), ("model_inference_arbitrary", True)]
)
def test_inference(name, arbitrary):
    model = Model(arbitrary=arbitrary)
    fill(model.network, manifest()[name]["gains"])
    model.eval()
    inputs, expected = golden(name)
    scale_list = [4, 2, 1]
    options = {"timestep": manifest()[name]["args"]["timestep"], "scale_list": scale_list}
    with torch.no_grad():
        for key, more in {"plain": {}, "tta": {"TTA": True}, "scale_half": {"scale": 0.5}}.items():
            made = model.inference(**inputs, **options, **more)
            assert_close(made, expected[key], **IMAGE)
    assert scale_list == [4, 2, 1]


def test_update_takes_the_published_steps():
    model = Model()
    fill(model.network, manifest()["model_update"]["gains"])
    inputs, expected = golden("model_update")
    compared = set()
    for step in range(3):
        merged, info = model.update(**inputs, learning_rate=1e-4)
        for name, found in {**info, "merged": merged}.items():
            key = f"{name}.{step}"
            if key in expected:
                scalar = {"atol": 0, "rtol": 1e-3}
                tolerance = scalar if "loss" in name else FLOW if "flow" in name else IMAGE
                assert_close(found, expected[key], **tolerance)
                compared.add(key)
    assert compared == set(expected)
    assert set(info) == {
        *("merged_tea", "mask", "mask_tea", "flow", "flow_tea"),
        *("loss_l1", "loss_tea", "loss_distill"),
    }


def test_measuring_changes_nothing():
    model = Model()
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    inputs, _ = golden("model_update")
    _, measured = model.update(**inputs, learning_rate=1.0, training=False)
    assert not model.flownet.training
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, before[name])
    _, trained = model.update(**inputs, learning_rate=1e-4)
    assert_close(measured["loss_l1"], trained["loss_l1"])


@pytest.mark.parametrize("name", ["", "flownet.pkl", "mine.pth", "mine.safetensors"])
def test_files(tmp_path, name):
    source, target = Model(), Model()
    path = tmp_path / "run" / name if name else tmp_path / "run"
    source.save_model(path)
    written = path if name else path / "flownet.pkl"
    assert [file.name for file in (tmp_path / "run").iterdir()] == [written.name]
    target.load_model(path)
    for one, other in zip(source.network.parameters(), target.network.parameters(), strict=True):
        assert torch.equal(one, other)
    assert load_rife(written).spec.version == "rife"


def test_only_the_first_process_writes_and_reads(tmp_path):
    Model().save_model(tmp_path / "run", rank=1)
    assert not (tmp_path / "run").exists()
    Model().load_model(tmp_path / "missing", rank=1)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_files_of_distributed_training(tmp_path, prefix):
    state = IFNet_m().state_dict()
    torch.save({prefix + name: tensor for name, tensor in state.items()}, tmp_path / "flownet.pkl")
    model = Model(arbitrary=True)
    model.load_model(tmp_path)
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, state[name])


def test_another_network_is_refused_and_changes_nothing(tmp_path):
    save_rife(build_network("4.25.lite"), tmp_path / "other.safetensors")
    model = Model()
    before = next(model.network.parameters()).clone()
    with pytest.raises(CheckpointError, match=r"'4\.25\.lite', but this model is 'rife'"):
        model.load_model(tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match=r"flownet\.pkl"):
        model.load_model(tmp_path / "nowhere")
    assert torch.equal(next(model.network.parameters()), before)


@pytest.mark.parametrize(("height", "width"), [(48, 80), (64, 80), (16, 16)])
@pytest.mark.parametrize("arbitrary", [False, True])
def test_forward_takes_every_size_that_the_published_code_takes(height, width, arbitrary):
    network = Model(arbitrary=arbitrary).network.eval()
    flows, mask, merged, *_ = network(torch.rand(1, 6, height, width))
    assert merged[2].shape == (1, 3, height, width)
    assert flows[2].shape == (1, 4, height, width)
    assert mask.shape == (1, 1, height, width)
    with pytest.raises(ValueError, match="multiples of 16"):
        network(torch.rand(1, 6, height + 8, width))


def test_without_training_the_flow_of_the_teacher_is_the_students():
    model = Model()
    imgs, gt = torch.rand(1, 6, 48, 48), torch.rand(1, 3, 48, 48)
    _, info = model.update(imgs, gt, training=False)
    assert torch.equal(info["flow_tea"][:, :2], info["flow"])
    assert info["flow_tea"].shape == (1, 4, 48, 48)


def test_update_refuses_nan_before_harm():
    model = Model()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    imgs, gt = torch.rand(1, 6, 48, 48), torch.rand(1, 3, 48, 48)
    imgs[0, 0, 3, 3] = torch.nan
    with pytest.raises(ValueError, match="imgs hold NaN or infinite values"):
        model.update(imgs, gt, learning_rate=1e-3)
    after = model.network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
