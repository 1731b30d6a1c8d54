"""EstimateFlow: flow as data and as colours."""

import pytest
import torch
from rife_video.nodes import NODE_CLASS_MAPPINGS
from rife_video.rife_core.inference.flow import estimate_flow
from support import moving_square
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def call(node_id, **inputs):
    """A node's outputs by name, run as ComfyUI runs it."""
    node = NODE_CLASS_MAPPINGS[node_id]
    with torch.inference_mode():
        outputs = getattr(node(), node.FUNCTION)(**inputs)
    return dict(zip(node.RETURN_NAMES, outputs, strict=True))


def test_estimated_flow_can_be_judged(model):
    clip = moving_square(3)
    out = call("EstimateFlow", model=model, frames=clip)
    assert_close(out["flow"], estimate_flow(model.network, clip))
    assert out["picture"].shape == (2, 36, 52, 3)
    assert out["report"].startswith("2 pairs at timestep 0.5.")
    judged = call("ComputeFlowLoss", predicted_flow=out["flow"], true_flow=out["flow"])
    assert judged["flow_error"] == pytest.approx(0.001)


def test_the_picture_shows_what_is_asked_for(model):
    clip = moving_square(2)
    there = call("EstimateFlow", model=model, frames=clip)
    back = call("EstimateFlow", model=model, frames=clip, show="to the previous frame")
    pale = call("EstimateFlow", model=model, frames=clip, full_colour_at=1000.0)
    assert torch.equal(there["flow"], back["flow"])
    assert not torch.equal(there["picture"], back["picture"])
    assert pale["picture"].mean() > there["picture"].mean()


def test_the_report_counts_from_one(model, monkeypatch):
    """As schedules and cuts do; the pair that is named is the one that moves most."""
    out = call("EstimateFlow", model=model, frames=moving_square(2))
    assert out["report"].startswith("1 pair at timestep 0.5.")
    assert out["report"].endswith("(pair 1).")
    flow = torch.zeros(3, 4, 36, 52)
    flow[1] = 5.0
    monkeypatch.setattr("rife_video.nodes.estimate_flow.estimate_flow", lambda *_: flow)
    out = call("EstimateFlow", model=model, frames=moving_square(4))
    assert out["report"].endswith("(pair 2).")


def test_one_frame_has_no_flow(model):
    with pytest.raises(ValueError, match="needs 2 frames or more; found 1"):
        call("EstimateFlow", model=model, frames=moving_square(1))
