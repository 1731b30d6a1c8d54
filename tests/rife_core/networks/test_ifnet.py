"""The pyramid of blocks in training: who learns from which estimate."""

from dataclasses import replace

import pytest
import torch
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.networks.specs import get_spec
from support import fill

pytestmark = pytest.mark.usefixtures("seeded")


def narrow(version):
    spec = get_spec(version)
    return fill(RIFE(replace(spec, channels=tuple(8 for _ in spec.channels)))).train()


def gradients(network, estimate, parameters):
    loss = estimate.flow.square().mean() + estimate.mask.square().mean()
    return torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("version", ["rife_m", "hdv3", "4.6", "4.10"])
def test_with_detach_an_estimate_teaches_its_own_block_alone(version, detach):
    network = narrow(version)
    estimates = network.flow_pyramid(*torch.rand(2, 1, 3, 64, 64), detach=detach)
    first_layers = [next(block.parameters()) for block in network.blocks]
    for index, estimate in enumerate(estimates):
        found = gradients(network, estimate, first_layers)
        reached = [i for i, grad in enumerate(found) if grad is not None and bool(grad.any())]
        assert reached == ([index] if detach else list(range(index + 1)))


def test_carried_features_are_taught_by_the_block_that_reads_them():
    """With `detach` too: nothing else could teach them."""
    network = narrow("4.25")
    estimates = network.flow_pyramid(*torch.rand(2, 1, 3, 64, 64), detach=True)
    last_layer = network.blocks[0].lastconv[0].weight
    (grad,) = gradients(network, estimates[1], [last_layer])
    flow_and_mask = 4 * 5  # each channel has four places before the shuffle
    assert not grad[:, :flow_and_mask].any()
    assert grad[:, flow_and_mask : 4 * 13].any()
