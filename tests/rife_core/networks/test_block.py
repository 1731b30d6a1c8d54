"""IFBlock against its golden vectors, and what they do not reach."""

import pytest
import torch
from rife_video.rife_core.networks.block import IFBlock
from support import assert_golden, filled_golden_module, golden
from torch.testing import assert_close


@pytest.mark.parametrize(
    ("name", "planes", "c", "scale"), [("ifblock_first", 6, 60, 4), ("ifblock_scale2", 17, 90, 2)]
)
def test_ifblock(name, planes, c, scale):
    block = filled_golden_module(IFBlock(planes, c), name)
    inputs, expected = golden(name)
    with torch.no_grad():
        flow, mask = block(inputs["x"], inputs.get("flow"), scale)
    assert_golden({"flow": flow, "mask": mask}, expected)


@torch.no_grad()
def test_bfloat16_reads_the_flow_in_two_halves():
    """At 60 pixels bfloat16 knows quarters of one; a block must still see a slope of 0.05."""
    block = IFBlock(8, 8).bfloat16()
    first = block.conv0[0][0]
    first.weight.zero_()
    first.bias.zero_()
    first.weight[:, 4, 1, 1], first.weight[:, 4, 1, 2] = 1, -1  # the flow's own slope
    flow = (60 + 0.05 * torch.arange(32.0)).expand(1, 4, 32, 32)
    seen = block.stem([torch.rand(1, 4, 32, 32)], flow, 1).float()
    slope = -0.05 * 0.25  # by the slope of PReLU
    assert_close(seen[..., :-1], torch.full((1, 4, 16, 15), slope), rtol=0, atol=4e-3)
