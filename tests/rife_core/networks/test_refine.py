"""Contextnet and Unet against their golden vectors."""

import torch
from rife_video.rife_core.networks.estimate import Estimate
from rife_video.rife_core.networks.ifnet import FlowNetwork
from rife_video.rife_core.networks.refine import Contextnet, Unet
from rife_video.rife_core.networks.specs import get_spec, with_channels
from support import assert_golden, filled_golden_module, golden


def test_contextnet():
    network = filled_golden_module(Contextnet(), "contextnet")
    inputs, expected = golden("contextnet")
    with torch.no_grad():
        levels = network(inputs["x"], inputs["flow"])
    assert_golden({f"f{i}": level for i, level in enumerate(levels, 1)}, expected)


def test_unet():
    network = filled_golden_module(Unet(), "unet")
    inputs, expected = golden("unet")
    contexts = [[inputs[f"{side}.{i}"] for i in range(4)] for side in ("c0", "c1")]
    images = [inputs[name] for name in ("img0", "img1", "warped_img0", "warped_img1")]
    with torch.no_grad():
        residual = network(*images, inputs["mask"], inputs["flow"], *contexts)
    assert_golden({"residual": residual}, expected)


def test_the_bundled_rows_refinement_corrects_mask_and_blend():
    network = FlowNetwork(with_channels(get_spec("refined"), (8,) * 6)).eval()
    torch.nn.init.zeros_(network.unet.conv.weight)
    img0, img1 = torch.rand(2, 1, 3, 128, 128)
    flow, mask = torch.zeros(1, 4, 128, 128), torch.full((1, 1, 128, 128), -1.0)
    pair, last = network._pair(img0, img1, 0.25), Estimate.of(flow, mask, img0, img1)
    with torch.no_grad():
        network.unet.conv.bias.copy_(torch.tensor([0.0, 0.5, -0.5, 2.0]))
        frame, estimate = network.refine(pair, last)
    torch.testing.assert_close(estimate.mask, torch.ones_like(mask))
    share = torch.sigmoid(torch.tensor(1.0))
    residual = 2 * torch.sigmoid(torch.tensor([0.0, 0.5, -0.5])) - 1
    expected = share * img0 + (1 - share) * img1 + residual.reshape(1, 3, 1, 1)
    torch.testing.assert_close(frame, expected.clamp(0, 1), atol=1e-4, rtol=0)
