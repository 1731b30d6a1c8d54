"""IFBlock against its golden vectors, and what they do not reach."""

from typing import get_args

import pytest
import torch
from rife_video.rife_core.networks.block import IFBlock
from rife_video.rife_core.networks.specs import Output, Trunk
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


TRUNKS, OUTPUTS = get_args(Trunk), get_args(Output)


@torch.no_grad()
@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(("size", "scale"), [((32, 64), 4), ((20, 36), 4), ((16, 16), 0.5)])
def test_every_form_gives_flow_and_mask_of_the_inputs_size(trunk, output, size, scale):
    block = IFBlock(3, 4, trunk=trunk, depth=2, output=output)
    flow, mask = block(torch.rand(2, 3, *size), None, scale)
    assert flow.shape == (2, 4, *size)
    assert mask.shape == (2, 1, *size)
    assert bool(mask.any()) == (output != "flow"), "without a mask both sides count the same"


@torch.no_grad()
@pytest.mark.parametrize("unit", [1, 4])
@pytest.mark.parametrize("output", OUTPUTS)
def test_flow_is_in_pixels_of_the_image_on_both_ways(output, unit):
    """Inside it is in pixels of what the block reads; or of the image, at the scale of its unit."""
    block = IFBlock(7, 4, output=output, flow_unit=unit)
    part, flow = torch.rand(1, 3, 8, 8), torch.randn(1, 4, 8, 8)
    assert_close(block.stem([part], flow, 4), block.stem([part], flow * unit / 4, unit))
    stem = torch.rand(1, 2, 8, 8)
    inside = block.body(stem, unit / block.growth)
    outside = block.body(stem, 4)
    assert_close(outside[:, :4], inside[:, :4] * 4 * block.growth / unit)
    assert torch.equal(outside[:, 4:], inside[:, 4:])
    assert_close(inside, block._output(block._trunk(block.conv0[1](stem)), None))


@torch.no_grad()
@pytest.mark.parametrize("output", ["half", "shuffle"])
def test_what_is_not_wanted_is_not_made(output):
    block, stem = IFBlock(3, 4, output=output, planes=13), torch.rand(1, 2, 8, 8)
    whole, some = block.body(stem, 2), block.body(stem, 2, 5)
    assert whole.shape[1] == 13
    assert some.shape[1] in (5, 13)
    assert_close(some[:, :5], whole[:, :5])


@torch.no_grad()
@pytest.mark.parametrize("trunk", TRUNKS)
def test_a_trunk_that_has_learnt_nothing_passes_on_what_it_skips(trunk):
    block, x = IFBlock(3, 4, trunk=trunk, depth=2), torch.rand(1, 4, 8, 8)
    for name, parameter in block.named_parameters():
        if name.startswith("convblock"):
            parameter.zero_()
    skips = trunk not in ("plain", "plain_prelu")
    assert_close(block._trunk(x), x if skips else torch.zeros_like(x))


@torch.no_grad()
def test_a_part_that_is_the_same_everywhere_may_be_given_as_one_pixel():
    block, image, time = IFBlock(4, 4), torch.rand(2, 3, 16, 32), torch.rand(2, 1, 1, 1)
    whole = block.update([image, time.expand(2, 1, 16, 32)], None, 2)
    assert_close(block.update([image, time], None, 2), whole)


@pytest.mark.parametrize(
    ("sizes", "name"),
    [
        ({"in_planes": 0}, "in_planes"),
        ({"in_planes": 4097}, "in_planes"),
        ({"c": 1}, "c"),
        ({"c": 4097}, "c"),
        ({"depth": -1}, "depth"),
        ({"depth": 65}, "depth"),
        ({"planes": 4}, "planes"),
        ({"planes": 4097}, "planes"),
        ({"groups": 0}, "groups"),
        ({"c": 4, "groups": 5}, "groups"),
        ({"in_planes": 1.5}, "in_planes"),
        ({"trunk": "other"}, "trunk"),
        ({"output": "other"}, "output"),
    ],
)
def test_sizes_that_no_block_can_have(sizes, name):
    with pytest.raises(ValueError, match=f"^{name} "), torch.device("meta"):
        IFBlock(**{"in_planes": 3, **sizes})


def test_the_smallest_and_the_largest_block():
    with torch.device("meta"):
        IFBlock(1, 2, depth=0, planes=5)
        block = IFBlock(1, 2, depth=64, trunk="beta", groups=2)
    assert len(block.convblock) == 64


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
