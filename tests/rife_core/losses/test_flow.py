"""EPE: the endpoint error of a flow."""

import pytest
import torch
from rife_video.rife_core.losses.flow import EPE, epe
from support import IMAGE, golden
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def test_golden_epe():
    inputs, outputs = golden("epe")
    assert_close(EPE()(**inputs), outputs["loss"], **IMAGE)
    assert_close(epe(**inputs), outputs["loss"], **IMAGE)


def test_epe_counts_only_what_the_mask_allows():
    flow, gt = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    flow[:, :, 1, 2] = torch.tensor([[3.0, 4.0]])
    mask = torch.zeros(1, 1, 4, 4)
    assert epe(flow, gt, mask).sum() == 0
    mask[..., 1, 2] = 1
    assert epe(flow, gt, mask).sum().item() == pytest.approx(5)


def test_epe_gives_no_gradient_to_the_truth():
    flow, gt = (torch.zeros(1, 2, 4, 4, requires_grad=True) for _ in range(2))
    epe(flow, gt, torch.ones(1, 1, 4, 4)).sum().backward()
    assert flow.grad is not None
    assert gt.grad is None
