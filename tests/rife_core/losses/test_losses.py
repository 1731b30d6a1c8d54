"""RIFE's losses: golden vectors, known answers, gradients, precision, and what is refused."""

import re

import pytest
import torch
from rife_video.rife_core.losses import MeanShift
from rife_video.rife_core.losses.census import Ternary, ternary
from rife_video.rife_core.losses.edges import SOBEL, sobel
from rife_video.rife_core.losses.flow import EPE, epe
from rife_video.rife_core.losses.laplacian import LapLoss, lap_loss
from support import IMAGE, SCALAR, golden
from torch.autograd import gradcheck
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")
IMAGE_LOSSES = {"ternary": Ternary, "sobel": SOBEL, "laploss": LapLoss}
PURE = {"ternary": ternary, "sobel": sobel, "laploss": lap_loss}
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def images(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, *shape, generator=generator, dtype=dtype)


# --- Golden vectors and known answers
@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_golden(name):
    inputs, outputs = golden(name)
    order = {"ternary": ("img0", "img1"), "sobel": ("pred", "gt")}.get(name, ("input", "target"))
    pair = [inputs[key] for key in order]
    tolerance = SCALAR if name == "laploss" else IMAGE
    assert_close(IMAGE_LOSSES[name]()(*pair), outputs["loss"], **tolerance)
    assert_close(PURE[name](*pair), outputs["loss"], **tolerance)


# --- Properties that all of them have
@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_equal_images_cost_nothing(name):
    a, _ = images(2, 3, 33, 40)
    assert PURE[name](a, a).abs().max() == 0


@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_both_sides_count_alike(name):
    a, b = images(2, 3, 33, 40)
    assert_close(PURE[name](a, b), PURE[name](b, a))


@pytest.mark.long
@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_gradients(name):
    size = 34 if name == "laploss" else 9
    a, b = images(1, 3, size, size, dtype=torch.float64)
    a.requires_grad_()
    crop = a[..., :4, :4].detach().clone().requires_grad_()

    def loss(corner):  # a corner is enough, and there are not thousands of entries to check
        whole = a.detach().clone()
        whole[..., :4, :4] = corner
        return PURE[name](whole, b).sum()

    assert gradcheck(loss, (crop,))


def test_gradients_of_epe_and_mean_shift():
    flow, gt = (10 * x for x in images(1, 2, 3, 4, dtype=torch.float64))
    mask = torch.ones(1, 1, 3, 4, dtype=torch.float64)
    assert gradcheck(lambda f: epe(f, gt, mask), (flow.requires_grad_(),))
    assert gradcheck(lambda f: epe(f, f.detach(), mask), (flow,)) is True
    x = torch.rand(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(MeanShift(*IMAGENET).double(), (x,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_half_precision_images(name, dtype):
    a, b = (x.to(dtype) for x in images(1, 3, 33, 40))
    loss = IMAGE_LOSSES[name]()(a, b)
    assert loss.dtype == torch.float32
    assert_close(loss, PURE[name](a.float(), b.float()))


@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_autocast_changes_nothing(name):
    a, b = images(1, 3, 33, 40)
    with torch.autocast("cpu", torch.bfloat16):
        inside = IMAGE_LOSSES[name]()(a, b)
    assert_close(inside, PURE[name](a, b), rtol=0, atol=0)


@pytest.mark.parametrize("module", [LapLoss(), SOBEL(), Ternary(), EPE(), MeanShift(*IMAGENET)])
def test_buffers_move_with_the_module(module):
    module.to("meta")
    x = torch.empty(2, 3, 40, 40, device="meta")
    args = (x,) if isinstance(module, MeanShift) else (x, x)
    if isinstance(module, EPE):
        args = (*args, x[:, :1])
    assert module(*args).device.type == "meta"


@pytest.mark.parametrize("module", [LapLoss(), SOBEL(), Ternary(), EPE()])
def test_nothing_to_save(module):
    assert not module.state_dict()


def test_a_nan_stays_where_it_is():
    a, b = images(1, 3, 33, 40)
    a[0, 0, 20, 20] = float("nan")
    for name, reach in {"ternary": 3, "sobel": 1}.items():
        bad = PURE[name](a, b).isnan().flatten(0, 1).any(0)
        rows, columns = bad.nonzero(as_tuple=True)
        assert (rows.min(), rows.max()) == (20 - reach, 20 + reach)
        assert (columns.min(), columns.max()) == (20 - reach, 20 + reach)
    assert lap_loss(a, b).isnan()


# --- What is refused, and how it is said
def zeros(*shape, dtype=torch.float32):
    return torch.zeros(shape, dtype=dtype)


RGB = zeros(1, 3, 40, 40)
REFUSED = {
    "ternary, other size": (ternary, (RGB, zeros(1, 3, 40, 41)), "(1, 3, 40, 41); they must"),
    "ternary, grey": (ternary, (RGB[:, :1], RGB[:, :1]), "expected (B, 3, H, W)"),
    "ternary, no batch": (ternary, (RGB[0], RGB[0]), "shape (3, 40, 40), expected (B, 3, H, W)"),
    "ternary, one pixel": (ternary, (zeros(1, 3, 1, 1),) * 2, "1 x 1 pixels is too small"),
    "ternary, bytes": (ternary, (RGB.byte(), RGB.byte()), "torch.uint8, expected floating point"),
    "ternary, empty": (ternary, (RGB[:0], RGB[:0]), "is empty"),
    "sobel, other size": (sobel, (RGB, zeros(1, 3, 40, 41)), "(1, 3, 40, 41); they must"),
    "sobel, empty": (sobel, (RGB[..., :0], RGB[..., :0]), "is empty"),
    "sobel, clip": (sobel, (RGB[None], RGB[None]), "expected (B, C, H, W)"),
    "sobel, bytes": (sobel, (RGB.byte(), RGB.byte()), "Divide 8-bit images by 255"),
    "lap, other size": (lap_loss, (RGB, zeros(1, 3, 40, 41)), "(1, 3, 40, 41); they must"),
    "lap, too small": (lap_loss, (RGB[..., :32], RGB[..., :32]), "found 32. Use larger images"),
    "lap, one pixel": (lap_loss, (zeros(1, 3, 1, 1),) * 2, "found 1. Use larger images"),
    "lap, no level": (lap_loss, (RGB, RGB, 0), "max_levels is 0; it must be a whole number"),
    "lap, empty": (lap_loss, (RGB[:0], RGB[:0]), "is empty"),
    "lap, not RGB": (LapLoss(), (RGB[:, :2], RGB[:, :2]), "expected (B, 3, H, W)"),
    "epe, other size": (epe, (RGB, RGB[..., 1:], RGB[:, :1]), "must be the same"),
    "epe, mask size": (epe, (RGB, RGB, RGB[:, :1, 1:]), "needs a mask of shape (1, 1, 40, 40)"),
    "epe, mask without channel": (epe, (RGB, RGB, RGB[:, 0]), "needs a mask of shape"),
    "epe, empty": (epe, (RGB[:0], RGB[:0], RGB[:0, :1]), "is empty"),
    "epe, whole numbers": (epe, (RGB.long(), RGB.long(), RGB), "torch.int64, expected floating"),
    "mean shift, uneven": (MeanShift, ([0.5], [1.0, 1.0]), "one mean and one positive"),
    "mean shift, nothing": (MeanShift, ([], []), "one mean and one positive"),
    "mean shift, zero": (MeanShift, ([0.5], [0.0]), "one mean and one positive"),
    "rgb2gray, grey": (Ternary().rgb2gray, (RGB[:, :1],), "expected (B, 3, H, W)"),
    "valid_mask, all border": (Ternary().valid_mask, (RGB, 20), "at least 41"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    call, args, message = REFUSED[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        call(*args)


SMALL_AND_RIGHT = {
    "sobel, one pixel": (sobel, (zeros(1, 3, 1, 1), zeros(1, 3, 1, 1) + 1), 0.0),
    "epe, one pixel": (
        epe,
        (zeros(1, 2, 1, 1) + 1, zeros(1, 2, 1, 1), zeros(1, 1, 1, 1) + 1),
        2**0.5,
    ),
    "mean shift, one pixel": (MeanShift([0.5], [0.5]), (zeros(1, 1, 1, 1) + 1,), 1.0),
    "ternary, three pixels": (ternary, (zeros(1, 3, 3, 3), zeros(1, 3, 3, 3)), 0.0),
}


@pytest.mark.parametrize("case", SMALL_AND_RIGHT)
def test_smallest_images(case):
    call, args, expected = SMALL_AND_RIGHT[case]
    assert call(*args).mean().item() == pytest.approx(expected, abs=1e-5)
