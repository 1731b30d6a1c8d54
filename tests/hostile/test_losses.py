"""Losses: what is told not to count does not reach the total; odd arguments are named."""

import inspect
import math
import pkgutil
from importlib import import_module

import pytest
import torch
from rife_video.rife_core import losses
from rife_video.rife_core.losses.discriminators import (
    Discriminator,
    Discriminator3D,
    Discriminator3DWithfirstframe,
)
from rife_video.rife_core.losses.metrics import psnr, ssim
from rife_video.rife_core.losses.pretrained import USED_LAYERS, vgg_features
from rife_video.rife_core.losses.video_autoencoder import VideoAutoencoderLoss
from rife_video.rife_core.training.config import parse_config
from rife_video.rife_core.training.objective import LossWeights, objective
from rife_video.rife_core.training.synthetic import SceneBatch
from support import TINY_TRAINING
from torch import nn

NAN = float("nan")


def video_loss(**options):
    return VideoAutoencoderLoss(disc_start=0, **{"perceptual_weight": 0, **options})


def test_a_term_of_weight_0_is_not_in_the_total():
    """NaN times 0 is NaN."""
    loss = video_loss()
    video = torch.zeros(1, 3, 4, 16, 16)
    made = (video + 0.1).requires_grad_()
    total, log = loss(video, made, 0, 0, aux_losses=torch.tensor(NAN))
    total.backward()
    torch.testing.assert_close(total.detach(), torch.tensor(0.01))
    assert made.grad.isfinite().all()
    assert log["train/aux_losses"].isnan()  # but it is told


class _Spoiled(nn.Module):
    """Says NaN to everything."""

    def forward(self, x):
        return x.flatten(1).sum(1) * NAN


@pytest.mark.parametrize("weight", ["perceptual_weight", "adversarial_loss_weight"])
def test_weights_that_are_set_to_0_later(weight, monkeypatch):
    """Schedules change the attributes; a network that is there is not asked then."""
    size = {"dim": 4, "image_size": 16, "frame_num": 4, "max_dim": 8}
    loss = video_loss(adversarial_loss_weight=1, discr_3d_kwargs=size)
    monkeypatch.setattr(type(loss.discriminator_3d), "forward", _Spoiled.forward)
    loss.perceptual_model = lambda a, b: (a - b).mean() * NAN
    for name in ("perceptual_weight", "adversarial_loss_weight"):
        setattr(loss, name, 0)
    video = torch.rand(1, 3, 4, 16, 16)
    total, _ = loss(video, video + 0.1, 0, 0)
    torch.testing.assert_close(total, torch.tensor(0.01))
    setattr(loss, weight, 1)
    assert loss(video, video + 0.1, 0, 0)[0].isnan()


def test_the_gradient_penalty_of_weight_0_is_not_in_the_total(monkeypatch):
    size = {"dim": 4, "image_size": 16, "frame_num": 4, "max_dim": 8}
    loss = video_loss(discr_3d_kwargs=size)
    monkeypatch.setattr(
        "rife_video.rife_core.losses.video_autoencoder.gradient_penalty",
        lambda *_: torch.tensor(NAN),
    )
    video = torch.rand(1, 3, 4, 16, 16)
    assert loss(video, video, 1, 0)[0].isfinite()
    loss.grad_penalty_loss_weight = 1.0
    assert loss(video, video, 1, 0)[0].isnan()


def test_pixels_that_do_not_count_are_not_in_a_loss():
    """Flow that nobody knows is often NaN; a border is not compared."""
    gt = torch.zeros(1, 2, 3, 3)
    gt[..., 0] = NAN
    mask = torch.ones(1, 1, 3, 3)
    mask[..., 0] = 0
    flow = torch.ones(1, 2, 3, 3, requires_grad=True)
    error = losses.EPE()(flow, gt, mask)
    error.sum().backward()
    assert error[..., 0].eq(0).all()
    assert error.isfinite().all()
    assert flow.grad.isfinite().all()
    assert flow.grad[..., 0].eq(0).all()
    image = torch.rand(1, 3, 30, 30)
    spoiled = image.clone()
    spoiled[..., 0, 0] = NAN
    distance = losses.Ternary()(image, spoiled)
    assert distance[..., 0, :].eq(0).all()
    assert distance[..., 1, 1].isnan()


def _batch(**changes):
    img = torch.rand(1, 3, 64, 64)
    known = {
        "flow": torch.zeros(1, 4, 64, 64),
        "occluded": torch.zeros(1, 2, 64, 64),
        "weight": torch.ones(1, 1, 64, 64),
    }
    parts = {"img0": img, "img1": img, "gt": img, "timestep": torch.full((1, 1, 1, 1), 0.5)}
    return SceneBatch(**{**parts, **known, **changes})


def test_the_objective_leaves_out_what_does_not_count(network):
    """Each weight at 0 in turn with its own material spoiled."""
    batch = _batch(flow=torch.full((1, 4, 64, 64), NAN))
    scales = [8, 4, 2, 1]
    weights = LossWeights(flow=0, mask=1, frame=1, squared=1, census=1)
    asked = []

    def perceptual(frame, gt):
        asked.append(frame)
        return (frame - gt).mean() * NAN

    loss, figures = objective(network, batch, scales, weights, False, {"vgg": perceptual})
    assert loss.isfinite()
    assert not asked
    assert "flow" not in figures
    spoiled = objective(network, batch, scales, LossWeights(flow=1), False)[0]
    assert spoiled.isnan()


@pytest.mark.parametrize("value", [-1, NAN, math.inf, "1", None, [1.0], True])
def test_weights_of_the_objective_are_numbers(value):
    with pytest.raises(ValueError, match="census is"):
        LossWeights(census=value)
    stages = [{**TINY_TRAINING["stages"][1], "weights": {"census": value}}]
    with pytest.raises(ValueError, match="census is"):
        parse_config({**TINY_TRAINING, "stages": stages})


IMAGES = torch.rand(1, 3, 48, 48)
VIDEO = torch.rand(1, 3, 4, 16, 16)
NO_IMAGES = {
    "None": None,
    "text": "x",
    "a list": [[1.0]],
    "an array": IMAGES.numpy(),
    "sparse": IMAGES.to_sparse(),
    "a number": torch.tensor(1.0),
    "three dimensions": IMAGES[0],
    "seven dimensions": IMAGES[None, None, None],
    "no height": IMAGES[:, :, :0],
    "no channels": IMAGES[:, :0],
    "no images": IMAGES[:0],
    "bytes": (255 * IMAGES).byte(),
    "whole numbers": (255 * IMAGES).int(),
    "truths": IMAGES > 0.5,
    "complex": IMAGES.to(torch.complex64),
}
_SIZE = {"dim": 4, "image_size": 16, "max_dim": 8}
CALLS = {
    "laplacian": (losses.lap_loss, IMAGES, IMAGES),
    "census": (losses.ternary, IMAGES, IMAGES),
    "edges": (losses.sobel, IMAGES, IMAGES),
    "psnr": (psnr, IMAGES, IMAGES),
    "ssim": (ssim, IMAGES, IMAGES),
    "epe": (losses.epe, IMAGES[:, :2], IMAGES[:, :2], IMAGES[:, :1]),
    "video autoencoder": (lambda a, b: video_loss()(a, b, 0, 0), VIDEO, VIDEO),
    "video autoencoder's discriminator": (
        lambda a, b: video_loss(discr_3d_kwargs={**_SIZE, "frame_num": 4})(a, b, 1, 0),
        *(VIDEO, VIDEO),
    ),
    "discriminator": (Discriminator(**_SIZE), VIDEO[:, :, 0]),
    "discriminator of clips": (Discriminator3D(**_SIZE, frame_num=4), VIDEO),
    "discriminator of first frames": (Discriminator3DWithfirstframe(**_SIZE, frame_num=4), VIDEO),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_image_is_named(name, tally):
    """In place of each argument in turn."""
    call, *good = CALLS[name]
    with torch.no_grad():
        call(*good)
        for odd, value in NO_IMAGES.items():
            for place in range(len(good)):
                given = [value if at == place else each for at, each in enumerate(good)]
                if name == "epe" and place == 2 and odd in ("whole numbers", "truths", "bytes"):
                    continue  # as good as 0.0 and 1.0
                with tally.one(f"{name}: {odd}"):
                    with pytest.raises(ValueError) as error:  # noqa: PT011
                        call(*given)
                    assert 20 < len(str(error.value)) < 300


# --- Constructors

SIZES = (0, -1, 2.5, "3", None, NAN, True, [3], torch.ones(2), 10**400 * -1)
NUMBERS = (-1, NAN, math.inf, -math.inf, "1", None, [1.0], 1j, True, torch.ones(2))
POSITIVE = (0, *NUMBERS)
SWITCHES = ("no", None, 2, -1, NAN, [])
FOLDERS = ("models", b"models", 3, None, [3], [None])
WEIGHTS = (3, NAN, ["a.pth"], object())
IMAGE_SIZES = (
    0,
    -16,
    16.5,
    "16",
    None,
    NAN,
    True,
    (16,),
    (16, 16, 16),
    (16, 0),
    (0, 16),
    [16, None],
)
STATISTICS = ((), (NAN,), (math.inf,), ("x",), (None,), 3, None, (0.5, 0.5))
KWARGS = (
    3,
    "Discriminator",
    [],
    {"target": "os.system", "params": {}},
    {"dim": 0, "image_size": 16},
)

_DISCRIMINATOR = {
    "dim": SIZES,
    "image_size": IMAGE_SIZES,
    "channels": SIZES,
    "max_dim": SIZES,
    "attn_heads": SIZES,
    "attn_dim_head": SIZES,
    "linear_attn_dim_head": SIZES,
    "linear_attn_heads": SIZES,
    "ff_mult": POSITIVE,
    "antialiased_downsample": SWITCHES,
}
_CLIPS = {**_DISCRIMINATOR, "frame_num": SIZES}
_SMALL = {"dim": 4, "image_size": 16, "max_dim": 8}
_BLOCK = {"input_channels": SIZES, "filters": SIZES, "antialiased_downsample": SWITCHES}
_TWO = {"channels": 2, "filters": 2}

CONSTRUCTORS = {
    "EPE": ({}, {}),
    "Ternary": ({}, {}),
    "SOBEL": ({}, {}),
    "LapLoss": ({}, {"max_levels": SIZES, "channels": SIZES}),
    "MeanShift": (
        {"data_mean": [0.5], "data_std": [0.5]},
        {
            "data_mean": STATISTICS,
            "data_std": (*STATISTICS, (0,), (-1,)),
            "data_range": POSITIVE,
            "norm": SWITCHES,
        },
    ),
    "VGGPerceptualLoss": (None, {"weights": WEIGHTS, "folders": FOLDERS}),
    "LPIPS": (None, {"weights": WEIGHTS, "folders": FOLDERS}),
    "LPIPSAlex": (None, {"weights": WEIGHTS, "folders": FOLDERS}),
    "Discriminator": (_SMALL, _DISCRIMINATOR),
    "Discriminator3D": ({**_SMALL, "frame_num": 2}, _CLIPS),
    "Discriminator3DWithfirstframe": ({**_SMALL, "frame_num": 2}, _CLIPS),
    "VideoAutoencoderLoss": (
        {"disc_start": 0, "perceptual_weight": 0},
        {
            "disc_start": (-1, NAN, "0", None, [0]),
            "perceptual_weight": NUMBERS,
            "adversarial_loss_weight": NUMBERS,
            "multiscale_adversarial_loss_weight": NUMBERS,
            "grad_penalty_loss_weight": NUMBERS,
            "quantizer_aux_loss_weight": NUMBERS,
            "vgg_weights": (3, [], NAN),
            "discr_kwargs": (*KWARGS, nn.Identity()),
            "discr_3d_kwargs": (*KWARGS, nn.Identity(), {"target": "Discriminator3D", "params": 3}),
            "adaptive": SWITCHES,
            "folders": FOLDERS,
        },
    ),
    "DiscriminatorBlock": (
        {"input_channels": 2, "filters": 2},
        {**_BLOCK, "downsample": SWITCHES},
    ),
    "DiscriminatorBlock3D": ({"input_channels": 2, "filters": 2}, _BLOCK),
    "DiscriminatorBlock3DWithfirstframe": ({"input_channels": 2, "filters": 2}, _BLOCK),
    "Blur": ({}, {}),
    "FeedForward": ({"dim": 4, "mult": 4}, {"dim": SIZES, "mult": POSITIVE}),
    "Fold": ({"channels": 2, "dims": 2}, {"channels": SIZES, "dims": (0, 1, 4, "2", None)}),
    "CausalConv3d": (_TWO, {"channels": SIZES, "filters": SIZES}),
    "DownSample3D": (_TWO, {"channels": SIZES, "filters": SIZES}),
    "RMSNorm": ({"dim": 4, "axis": 1}, {"dim": SIZES, "axis": (0, 2, "1", None, NAN)}),
    "TaylorAttention": (
        {"dim": 4, "dim_head": 2, "heads": 2},
        {"dim": SIZES, "dim_head": SIZES, "heads": SIZES},
    ),
    "LinearSpaceAttention": (
        {"dim": 4, "dim_head": 2, "heads": 2},
        {"dim": SIZES, "dim_head": SIZES, "heads": SIZES},
    ),
}
"""Arguments that are right (None: it needs trained weights), and values that none of them takes."""

UNCHECKED = {
    "Residual": "takes a function",
    "Level": "is what the blocks are made of, which check for it",
}
TAKEN_FOR_OLD_CALLERS = {"rank"}
OF_ONE_KIND = {"linear_weights": "weights", "lpips_weights": "weights"}


def _classes():
    """Every public module of the losses, by name."""
    for found in pkgutil.walk_packages(losses.__path__, losses.__name__ + "."):
        for name, kind in vars(import_module(found.name)).items():
            own = inspect.isclass(kind) and kind.__module__ == found.name
            if own and issubclass(kind, nn.Module) and not name.startswith("_"):
                yield name, kind


CLASSES = dict(_classes())


def test_every_class_and_argument_is_tried():
    assert CONSTRUCTORS.keys() | UNCHECKED.keys() == CLASSES.keys()
    for name, (_, bad) in CONSTRUCTORS.items():
        kind = CLASSES[name]
        arguments = inspect.signature(kind.__init__).parameters
        if name in ("Discriminator", "Discriminator3D", "Discriminator3DWithfirstframe"):
            arguments = inspect.signature(CLASSES["Discriminator3D"].__init__).parameters
            bad = {"frame_num": (), **bad}  # frames have none
        named = {each for each in arguments if each not in ("self", "size", "args", "kwargs")}
        assert named - TAKEN_FOR_OLD_CALLERS - OF_ONE_KIND.keys() <= bad.keys(), name


@pytest.mark.parametrize("name", [name for name, (_, bad) in CONSTRUCTORS.items() if bad])
def test_arguments_that_do_not_fit_are_named(name, tally, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    good, table = CONSTRUCTORS[name]
    if good is not None:
        assert isinstance(CLASSES[name](**good), nn.Module)
    for argument, values in table.items():
        for value in values:
            with tally.one(f"{name}({argument}={value!r})"):
                with pytest.raises(ValueError) as error:  # noqa: PT011
                    CLASSES[name](**{**(good or {}), argument: value})
                assert 20 < len(str(error.value)) < 700
                words = (argument, "standard deviation", "dim", "halved")
                assert any(word in str(error.value) for word in words)


@pytest.mark.parametrize("value", [0, -1, 2.5, "5", None, NAN])
def test_the_functions_check_as_the_classes_do(value):
    images = torch.rand(2, 1, 3, 64, 64)
    with pytest.raises(ValueError, match="max_levels"):
        losses.lap_loss(*images, max_levels=value)
    if value != 2.5:
        with pytest.raises(ValueError, match="data_range"):
            losses.mean_shift(images[0], [0.5] * 3, [0.2] * 3, data_range=value)


def test_what_is_right_stays_right():
    """Numbers of NumPy and of PyTorch are numbers, lists of paths may be tuples."""
    numpy = pytest.importorskip("numpy")
    assert losses.LapLoss(numpy.int64(3), torch.tensor(3)).max_levels == 3
    losses.MeanShift(numpy.array([0.5]), torch.tensor([0.5]), numpy.float32(255), norm=0)
    loss = VideoAutoencoderLoss(numpy.float64(10), 0, folders=("a", "b"), vgg_weights="DEFAULT")
    video = torch.zeros(1, 3, 2, 16, 16)
    loss(video, video, 0, torch.tensor(3), aux_losses=[0.5, 1.5])
    assert len(vgg_features(19)[:USED_LAYERS]) == USED_LAYERS


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"aux_losses": "x"}, "aux_losses"),
        ({"aux_losses": torch.zeros(0)}, "aux_losses"),
        ({"last_layer": "conv_out"}, "last_layer"),
        ({"global_step": NAN}, "global_step"),
        ({"global_step": None}, "global_step"),
        ({"optimizer_idx": 2}, "optimizer_idx"),
    ],
)
def test_odd_calls_are_named(options, words):
    video = torch.zeros(1, 3, 2, 16, 16)
    with pytest.raises(ValueError, match=words):
        video_loss()(video, video, **{"optimizer_idx": 0, "global_step": 0, **options})
