"""What ComfyUI's own loader gives."""

from types import SimpleNamespace

import pytest
import torch
from rife_video.nodes.convert_model import ConvertInterpolationModel
from rife_video.rife_core.inference.rife import build_network
from support import fill
from torch import nn

convert = ConvertInterpolationModel().convert


def as_comfyui_holds_it(network):
    """A stand-in for its patcher and module: blocks in a list, nothing but what it runs."""
    module = nn.Module()
    module.blocks = nn.ModuleList([getattr(network, f"block{index}") for index in range(5)])
    module.encode = network.encode
    return SimpleNamespace(model=module)


@pytest.mark.parametrize("version", ["4.25", "4.26.heavy"])
def test_the_same_network(version):
    network = fill(build_network(version), [("lastconv", 0.2)]).eval()
    (model,) = convert(as_comfyui_holds_it(network), "fp32", "eager")
    assert "the frame interpolation model" in str(model)
    img0, img1 = torch.rand(2, 1, 3, 32, 32)
    assert torch.equal(model.network.inference(img0, img1), network.inference(img0, img1))
    model.network.block0.conv0[0][0].weight.data.zero_()
    assert bool(network.block0.conv0[0][0].weight.any()), "the weights are a copy"


def test_half_precision_becomes_float32():
    network = fill(build_network("4.25"))
    held = as_comfyui_holds_it(network)
    held.model.half()
    (model,) = convert(held, "fp32", "eager")
    assert {each.dtype for each in model.network.parameters()} == {torch.float32}


def test_other_models_are_refused():
    film = SimpleNamespace(model=nn.Sequential(nn.Conv2d(3, 4, 3)))
    with pytest.raises(ValueError, match="the frame interpolation model holds no RIFE network"):
        convert(film)
    with pytest.raises(ValueError, match=r"interp_model is str.*Load RIFE"):
        convert("rife.pth")
