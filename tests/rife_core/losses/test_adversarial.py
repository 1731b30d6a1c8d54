"""Hinge losses, the penalty on the slope, the ratio of two gradients."""

import pytest
import torch
from rife_video.rife_core.losses.adversarial import (
    adaptive_weight,
    gradient_penalty,
    hinge_discr_loss,
    hinge_gen_loss,
)
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def test_hinges():
    assert hinge_gen_loss(torch.tensor([1.0, 3.0])).item() == -2
    sure, unsure = torch.tensor([-2.0]), torch.tensor([2.0])
    assert hinge_discr_loss(fake=sure, real=unsure).item() == 0
    assert hinge_discr_loss(fake=unsure, real=sure).item() == 6


def test_gradient_penalty_is_0_at_slope_1_and_can_be_trained_on():
    x = torch.randn(3, 4, requires_grad=True)
    slope = torch.tensor([3.0, 0, 4, 0], requires_grad=True)
    assert gradient_penalty(x, x @ (slope / 5)).item() == pytest.approx(0, abs=1e-10)
    penalty = gradient_penalty(x, x @ slope)
    assert penalty.item() == pytest.approx(16)
    penalty.backward()
    assert_close(slope.grad, 8 * slope.detach() / 5)


def test_adaptive_weight_is_a_clamped_ratio():
    layer = torch.tensor([1.0, 1.0], requires_grad=True)
    assert adaptive_weight(6 * layer[0], 2 * layer[1], layer).item() == pytest.approx(3)
    assert adaptive_weight(6 * layer[0], 1e-9 * layer[1], layer).item() == 1000
    assert adaptive_weight(0 * layer[0], 2 * layer[1], layer).item() == 0
    broken = torch.tensor([float("nan")]) * layer[0]
    assert adaptive_weight(broken.sum(), 2 * layer[1], layer).item() == 1


def test_both_losses_can_be_trained_on_after_their_weight_is_known():
    layer = torch.tensor([1.0, 2.0], requires_grad=True)
    perceptual, verdict = layer.square().sum(), layer.square().sum() / 2
    assert adaptive_weight(perceptual, verdict, layer).item() == pytest.approx(2)
    assert not adaptive_weight(perceptual, verdict, layer).requires_grad
    (perceptual + verdict).backward()
    assert_close(layer.grad, 3 * layer.detach())


def test_a_layer_that_took_no_part_is_refused():
    layer, other = (torch.ones(2, requires_grad=True) for _ in range(2))
    with pytest.raises(ValueError, match="took no part"):
        adaptive_weight(layer.sum(), other.sum(), layer)
    with pytest.raises(ValueError, match="does not require grad"):
        adaptive_weight(layer.sum(), layer.sum(), layer.detach())
