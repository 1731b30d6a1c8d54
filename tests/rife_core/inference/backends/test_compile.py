"""torch.compile sees one graph."""

import copy

import pytest
import torch
from rife_video.rife_core.inference.backends.checked import InferenceStep
from support import moving_square
from torch.testing import assert_close

CLIP = moving_square(frames=3, height=34, width=50)


@pytest.fixture
def own(network):
    """A network of the test's own, eager at first."""
    return copy.deepcopy(network)


def test_compilers_see_a_step_as_one_graph(own):
    """Without the compiler proper, which takes minutes."""
    image0, image1 = (own.prepare(each.permute(2, 0, 1)[None]).planes.detach() for each in CLIP[:2])
    inputs = image0, image1, torch.full((1, 1, 1, 1), 0.25)
    step = InferenceStep(own, 1.0)
    with torch.no_grad():
        whole = torch.compile(step, backend="eager", fullgraph=True, dynamic=False)
        assert_close(whole(*inputs), step(*inputs), atol=1e-5, rtol=0)
