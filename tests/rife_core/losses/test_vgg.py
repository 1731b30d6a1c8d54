"""MeanShift and VGGPerceptualLoss: golden vectors, gradients, and what is refused."""

import re

import pytest
import torch
from rife_video.rife_core.losses import MeanShift, mean_shift
from rife_video.rife_core.losses.vgg import VGGPerceptualLoss
from support import IMAGE, SCALAR, golden, manifest
from torch.testing import assert_close

REFUSED = {
    "other size": (torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 17), "must be the same"),
    "too small": (torch.rand(1, 3, 15, 20),) * 2 + ("both sides must have at least 16",),
    "one pixel": (torch.rand(1, 3, 1, 1),) * 2 + ("1 x 1 pixels is too small",),
    "grey": (torch.rand(1, 1, 16, 16),) * 2 + ("expected (B, 3, H, W)",),
    "empty": (torch.rand(0, 3, 16, 16),) * 2 + ("is empty",),
    "bytes": (torch.zeros(1, 3, 16, 16, dtype=torch.uint8),) * 2 + ("torch.uint8",),
}


pytestmark = pytest.mark.usefixtures("seeded")


IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


@pytest.mark.parametrize("norm", [True, False])
def test_golden_mean_shift(norm):
    inputs, outputs = golden("meanshift")
    args = manifest()["meanshift"]["args"]
    expected = outputs["norm" if norm else "denorm"]
    assert_close(MeanShift(**args, norm=norm)(inputs["x"]), expected, **IMAGE)
    assert_close(mean_shift(inputs["x"], **args, norm=norm), expected, **IMAGE)


@pytest.mark.parametrize("data_range", [1, 255])
def test_mean_shift_undoes_itself(data_range):
    x = torch.rand(2, 3, 5, 7) * data_range
    there = MeanShift(*IMAGENET, data_range=data_range)(x)
    back = MeanShift(*IMAGENET, data_range=data_range, norm=False)(there)
    assert_close(back, x, atol=1e-5 * data_range, rtol=0)


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ([], []),
        ([0.5], [0.2, 0.2]),
        ([0.5, 0.5], [0.2]),
        ([0.5], [0.0]),
        ([0.5], [-1]),
        ([0.5], [float("inf")]),
        ([float("nan")], [0.2]),
        (["a"], [0.2]),
        (0.5, 0.2),
    ],
)
def test_statistics_that_are_none(mean, std):
    for build in (MeanShift, lambda *given: mean_shift(torch.rand(1, 1, 2, 2), *given)):
        with pytest.raises(ValueError, match="needs one mean and one positive standard deviation"):
            build(mean, std)


def test_mean_shift_is_frozen():
    assert not any(p.requires_grad for p in MeanShift(*IMAGENET).parameters())


def test_golden_vgg(vgg19):
    inputs, outputs = golden("vgg_perceptual")
    loss = VGGPerceptualLoss(rank=0, weights=vgg19)
    assert_close(loss(inputs["X"], inputs["Y"]), outputs["loss"], **SCALAR)
    assert_close(loss(inputs["X"], inputs["Y"], indices=[2]), outputs["loss"], **SCALAR)


def test_gradients_go_to_the_prediction_alone(vgg19):
    x, y = (torch.rand(1, 3, 16, 16, requires_grad=True) for _ in range(2))
    VGGPerceptualLoss(weights=vgg19)(x, y).backward()
    assert x.grad.abs().sum() > 0
    assert y.grad is None


@pytest.mark.parametrize("kind", ["vgg", "lpips"])
def test_gradients_by_difference(kind, vgg19, lpips):
    loss = (VGGPerceptualLoss(weights=vgg19) if kind == "vgg" else lpips).double()
    x, y, step = torch.rand(
        3, 1, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    x.requires_grad_()
    (grad,) = torch.autograd.grad(loss(x, y).sum(), x)
    with torch.no_grad():
        slope = (loss(x + 1e-7 * step, y) - loss(x - 1e-7 * step, y)).sum() / 2e-7
    assert (grad * step).sum().item() == pytest.approx(slope.item(), rel=1e-3)


def test_lower_precision(vgg19, lpips):
    x, y = torch.rand(2, 1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for loss in (VGGPerceptualLoss(weights=vgg19), lpips):
        expected = loss(x, y)
        assert_close(loss(x.bfloat16(), y.bfloat16()), expected, rtol=0.05, atol=0)
        with torch.autocast("cpu", torch.bfloat16):
            found = loss(x, y)
        assert found.dtype == torch.float32
        assert_close(found, expected, rtol=0.05, atol=0)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_images(case, vgg19, lpips):
    a, b, message = REFUSED[case]
    for loss in (VGGPerceptualLoss(weights=vgg19), lpips):
        with pytest.raises(ValueError, match=re.escape(message)):
            loss(a, b)


def test_the_callers_tensors_stay_trainable(vgg19):
    mine = {name: tensor.clone().requires_grad_() for name, tensor in vgg19.items()}
    VGGPerceptualLoss(weights=mine)
    assert all(tensor.requires_grad for tensor in mine.values())
