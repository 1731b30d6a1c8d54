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


@pytest.mark.parametrize("shape", [(2, 1, 3, 4), (1, 1, 3, 4), (2, 1, 1, 1), (1, 1, 1, 4)])
def test_masks_are_broadcast(shape):
    flow, gt = torch.randn(2, 2, 2, 3, 4)
    mask = torch.rand(shape)
    assert_close(epe(flow, gt, mask), epe(flow, gt, mask.expand(2, 1, 3, 4)))


@pytest.mark.parametrize(
    "shape", [(2, 2, 3, 4), (3, 1, 3, 4), (1, 3, 4), (2, 1, 4, 3), (2, 1, 3, 4, 1)]
)
def test_masks_of_other_shapes_are_named(shape):
    flow, gt = torch.randn(2, 2, 2, 3, 4)
    with pytest.raises(ValueError, match=r"mask"):
        epe(flow, gt, torch.ones(shape))


def test_nan_counts_where_the_mask_does():
    flow, gt = torch.zeros(1, 2, 2, 2, requires_grad=True), torch.zeros(1, 2, 2, 2)
    gt[..., 0, 0] = float("nan")
    mask = torch.ones(1, 1, 2, 2)
    assert epe(flow, gt, mask).isnan().sum() == 1
    mask[..., 0, 0] = 0
    loss = epe(flow, gt, mask)
    assert loss[0, 0, 0, 0] == 0
    loss.sum().backward()
    assert bool(flow.grad.isfinite().all())
