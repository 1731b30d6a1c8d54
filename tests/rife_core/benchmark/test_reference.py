"""The published way of running a network equals the network."""

from dataclasses import replace

import pytest
import torch
from rife_video.rife_core.benchmark import reference
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.networks.specs import distinct_specs, get_spec
from support import FLOWS, narrow
from torch import nn
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")
FLOWS_OF = {
    "separate_half": ("conv1.0.", "conv2.weight", "conv2.bias"),
    "flow": ("conv1.weight", "conv1.bias", "unet.conv."),
}


def pair():
    noise = nn.functional.interpolate(torch.rand(1, 3, 20, 30), (100, 150), mode="bicubic")
    return noise.clamp(0, 1), noise.roll(4, -1).clamp(0, 1)


@pytest.mark.parametrize("spec", distinct_specs(), ids=lambda spec: spec.version)
def test_reference_equals_every_network(spec):
    network = narrow(spec, flows=FLOWS_OF.get(spec.output, FLOWS))
    img0, img1 = pair()
    made = reference.between(network, img0, img1, 4)
    assert len(made) == 3
    for step, frame in enumerate(made, 1):
        assert_close(frame, network.inference(img0, img1, step / 4), atol=1e-5, rtol=0)


def test_reference_runs_again_where_the_network_does():
    network = narrow(get_spec("4.0"), gain=2)
    img0, img1 = pair()
    expected = network.inference(img0, img1, 0.5)
    assert_close(reference.middle(network, img0, img1), expected, atol=1e-4, rtol=0)
    still = RIFE(replace(network.spec, rerun_above=None), teacher=False).eval()
    still.load_state_dict(network.state_dict())
    assert (reference.middle(still, img0, img1) - expected).abs().max() > 0.01
