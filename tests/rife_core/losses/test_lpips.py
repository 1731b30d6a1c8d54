"""LPIPS: golden vectors and gradients."""

import pytest
import torch
from support import SCALAR, golden, manifest
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def test_golden_lpips(lpips):
    inputs, outputs = golden("lpips_vgg16")
    shapes = {n: list(t.shape) for n, t in lpips.state_dict().items()}
    assert shapes == manifest()["lpips_vgg16"]["keys"]
    assert_close(lpips(inputs["input"], inputs["target"]), outputs["loss"], **SCALAR)


def test_lpips_is_the_same_in_training(lpips):
    a, b = torch.rand(2, 1, 3, 16, 16) * 2 - 1
    calm = lpips.eval()(a, b)
    assert all(torch.equal(lpips.train()(a, b), calm) for _ in range(3))
    assert not any(p.requires_grad for p in lpips.parameters())
    assert lpips(a, a) == 0


def test_lpips_gradient_is_finite_where_features_vanish(lpips):
    dead = torch.full((1, 3, 16, 16), -50.0, requires_grad=True)
    lpips(dead, torch.zeros(1, 3, 16, 16)).sum().backward()
    assert dead.grad.isfinite().all()
