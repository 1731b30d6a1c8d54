"""IFBlock against its golden vectors, and what they do not reach."""

import pytest
import torch
from rife_video.rife_core.networks.block import IFBlock
from support import FLOW, IMAGE, SCALAR, filled_golden_module, golden
from torch.testing import assert_close


def assert_golden(found, expected):
    assert expected
    for name, tensor in expected.items():
        tolerance = SCALAR if "loss" in name else FLOW if "flow" in name else IMAGE
        assert_close(
            found[name], tensor, **tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize(
    ("name", "planes", "c", "scale"), [("ifblock_first", 6, 60, 4), ("ifblock_scale2", 17, 90, 2)]
)
def test_ifblock(name, planes, c, scale):
    block = filled_golden_module(IFBlock(planes, c), name)
    inputs, expected = golden(name)
    with torch.no_grad():
        flow, mask = block(inputs["x"], inputs.get("flow"), scale)
    assert_golden({"flow": flow, "mask": mask}, expected)
