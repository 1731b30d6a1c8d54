"""Contextnet and Unet against their golden vectors."""

import torch
from rife_video.rife_core.networks.refine import Contextnet, Unet
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
