"""Tied blocks and transplanted weights compute what they computed before."""

from dataclasses import replace

import pytest
import torch
from rife_video.rife_core.networks.specs import get_spec
from rife_video.rife_core.training.growth import build_fresh, build_tied, transplant


@pytest.fixture
def images():
    return torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def last(network, images):
    with torch.no_grad():
        return network.eval().flow_pyramid(*images, 0.25)[-1]


@pytest.mark.parametrize("channels", [(8, 8, 8, 8), (24, 16, 12, 8)])
def test_untying_and_widening_keep_the_function(images, channels):
    spec = replace(get_spec("4.6"), channels=channels)
    tied = build_tied(spec, 0, 8, spec.scales)
    wide = build_fresh(spec, 1)
    assert not torch.allclose(last(tied, images).flow, last(wide, images).flow, atol=1e-3)
    transplant(tied, wide)
    for name in ("flow", "mask"):
        torch.testing.assert_close(
            getattr(last(tied, images), name),
            getattr(last(wide, images), name),
            atol=1e-4,
            rtol=1e-4,
        )


def test_the_new_channels_can_learn(images):
    spec = replace(get_spec("4.6"), channels=(8, 8, 8, 12))
    wide = build_fresh(spec, 1)
    transplant(build_tied(spec, 0, 8, spec.scales), wide)
    wide.flow_pyramid(*images, 0.5)[-1].flow.abs().mean().backward()
    assert wide.blocks[3].lastconv[0].weight.grad[8:].abs().max() > 0


def test_tied_blocks_share_their_weights():
    network = build_tied(get_spec("4.6"), 0, 8, (4, 2, 1))
    assert len(network.blocks) == 3
    assert network.blocks[0] is network.blocks[2]


def test_a_row_whose_blocks_differ_cannot_be_tied():
    with pytest.raises(ValueError, match="tied = false"):
        build_tied(get_spec("4.25"), 0, 8, (1,))


def test_a_deeper_network_takes_its_ends_from_the_source():
    """Block 1 stands for the new blocks, which work beside it at coarser scales."""
    source = build_fresh(replace(get_spec("4.6"), channels=(8, 8, 8, 8)), 0)
    target = build_fresh(replace(get_spec("deep"), channels=(8,) * 6), 1)
    transplant(source, target)
    for block, given in zip(target.blocks, (0, 1, 1, 1, 2, 3), strict=True):
        theirs = source.blocks[given].state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in block.state_dict().items())
