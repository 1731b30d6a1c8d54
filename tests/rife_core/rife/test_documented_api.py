"""The documented API to the letter: every line of its examples, under its module names."""

import ast
import inspect

import pytest
import rife_video.rife_core as core
import torch
import torch.nn.functional as F
from rife_video.rife_core import (
    Discriminator,
    Discriminator3D,
    Discriminator3DWithfirstframe,
    VideoAutoencoderLoss,
)
from rife_video.rife_core.losses.pretrained import LPIPS_FILE, VGG_FILES, vgg_features
from rife_video.rife_core.rife.IFNet import IFBlock, IFNet
from rife_video.rife_core.rife.IFNet_m import IFNet_m
from rife_video.rife_core.rife.laplacian import LapLoss
from rife_video.rife_core.rife.loss import EPE, SOBEL, MeanShift, Ternary, VGGPerceptualLoss
from rife_video.rife_core.rife.refine import Contextnet, Conv2, Unet, conv, deconv
from rife_video.rife_core.rife.RIFE import Model
from rife_video.rife_core.rife.warplayer import warp
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def test_modules_give_the_names_of_the_package():
    for thing in (IFBlock, IFNet, IFNet_m, LapLoss, EPE, SOBEL, MeanShift, Ternary):
        assert getattr(core, thing.__name__) is thing
    for thing in (VGGPerceptualLoss, Contextnet, Conv2, Unet, conv, deconv, Model, warp):
        assert getattr(core, thing.__name__) is thing


SIGNATURES = {
    EPE: "",
    EPE.forward: "flow, gt, loss_mask",
    Ternary: "",
    Ternary.transform: "img",
    Ternary.rgb2gray: "rgb",
    Ternary.hamming: "t1, t2",
    Ternary.valid_mask: "t, padding",
    Ternary.forward: "img0, img1",
    SOBEL: "",
    SOBEL.forward: "pred, gt",
    MeanShift: "data_mean, data_std, data_range=1, norm=True",
    VGGPerceptualLoss: "rank=0",
    VGGPerceptualLoss.forward: "X, Y, indices=None",
    Model: "local_rank=-1, arbitrary=False",
    Model.train: "",
    Model.eval: "",
    Model.device: "",
    Model.load_model: "path, rank=0",
    Model.save_model: "path, rank=0",
    Model.inference: "img0, img1, scale=1, scale_list=[4, 2, 1], TTA=False, timestep=0.5",
    Model.update: "imgs, gt, learning_rate=0, mul=1, training=True, flow_gt=None",
    conv: "in_planes, out_planes, kernel_size=3, stride=1, padding=1, dilation=1",
    deconv: "in_planes, out_planes, kernel_size=4, stride=2, padding=1",
    Conv2: "in_planes, out_planes, stride=2",
    Conv2.forward: "x",
    Contextnet: "",
    Contextnet.forward: "x, flow",
    Unet: "",
    Unet.forward: "img0, img1, warped_img0, warped_img1, mask, flow, c0, c1",
    IFBlock: "in_planes, c=64",
    IFBlock.forward: "x, flow, scale",
    IFNet: "",
    IFNet.forward: "x, scale=[4, 2, 1], timestep=0.5",
    VideoAutoencoderLoss: (
        "disc_start, perceptual_weight=1, adversarial_loss_weight=0, "
        "multiscale_adversarial_loss_weight=0, grad_penalty_loss_weight=0, "
        "quantizer_aux_loss_weight=0, vgg_weights=None, discr_kwargs=None, discr_3d_kwargs=None"
    ),
    VideoAutoencoderLoss.forward: (
        "inputs, reconstructions, optimizer_idx, global_step, aux_losses=None, last_layer=None, "
        "split='train'"
    ),
}
"""As documented, but for two defaults of the same meaning: None stands for the scales of the
network, and for `VGG16_Weights.DEFAULT`, which need not be imported."""


def documented(signature):
    """Names and defaults of a signature."""
    arguments = ast.parse(f"def call({signature}): pass").body[0].args
    names = [argument.arg for argument in arguments.args]
    defaults = [ast.literal_eval(default) for default in arguments.defaults]
    without = [inspect.Parameter.empty] * (len(names) - len(defaults))
    return dict(zip(names, without + defaults, strict=True))


@pytest.mark.parametrize("call", SIGNATURES, ids=lambda call: call.__qualname__)
def test_signatures(call):
    wanted = documented(SIGNATURES[call])
    found = [
        each
        for each in inspect.signature(call).parameters.values()
        if each.name != "self" and each.kind == each.POSITIONAL_OR_KEYWORD
    ]
    for (name, wanted_default), here in zip(wanted.items(), found, strict=False):
        default = list(here.default) if isinstance(here.default, tuple) else here.default
        same = default == wanted_default or (here.name == "scale" and default is None)
        assert (here.name, same) == (name, True)
    assert len(found) >= len(wanted)
    assert all(each.default is not each.empty for each in found[len(wanted) :])


@pytest.fixture
def pretrained(monkeypatch, tmp_path):
    """Random weights where torch.hub keeps the published ones."""
    folder = tmp_path / "hub/checkpoints"
    folder.mkdir(parents=True)
    for depth, file in VGG_FILES.items():
        layers = vgg_features(depth).state_dict()
        torch.save({f"features.{name}": t for name, t in layers.items()}, folder / file)
    widths = (64, 128, 256, 512, 512)
    linear = {f"lin{n}.model.1.weight": torch.rand(1, c, 1, 1) for n, c in enumerate(widths)}
    torch.save(linear, folder / LPIPS_FILE)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


@pytest.mark.usefixtures("pretrained")
def test_losses():
    epe = EPE()
    pred_flow = torch.randn(2, 2, 64, 64)
    gt_flow = torch.randn(2, 2, 64, 64)
    mask = torch.ones(2, 1, 64, 64)
    flow_loss = epe(pred_flow, gt_flow, mask)
    assert flow_loss.shape == (2, 1, 64, 64)

    ternary = Ternary()
    img0 = torch.randn(2, 3, 64, 64)
    img1 = torch.randn(2, 3, 64, 64)
    census_loss = ternary(img0, img1)
    assert census_loss.shape == (2, 1, 64, 64)

    sobel = SOBEL()
    edge_loss = sobel(img0, img1)
    assert edge_loss.shape == (6, 1, 64, 64)

    img0 = torch.randn(2, 3, 32, 32)
    img1 = torch.randn(2, 3, 32, 32)
    vgg_loss_fn = VGGPerceptualLoss(rank=0)
    perceptual_loss = vgg_loss_fn(img0, img1)
    assert perceptual_loss.shape == ()
    assert torch.equal(vgg_loss_fn(img0, img1, indices=[2, 7, 12, 21, 30]), perceptual_loss)


def test_what_is_said_of_the_losses():
    pred, gt, mask = torch.randn(1, 2, 8, 8), torch.randn(1, 2, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., 3:] = 1
    gt.requires_grad_()
    distance = (pred - gt).square().sum(1, keepdim=True).sqrt() * mask
    assert not EPE()(pred, gt, mask).requires_grad, "the ground truth is detached"
    assert_close(EPE()(pred, gt, mask), distance.detach(), atol=1e-3, rtol=1e-3)

    img0, img1 = torch.rand(2, 1, 3, 16, 16)
    ternary = Ternary()
    assert ternary.transform(ternary.rgb2gray(img0)).shape == (1, 49, 16, 16)
    border = ternary(img0, img1).clone()
    assert border[..., 1:-1, 1:-1].all()
    border[..., 1:-1, 1:-1] = 0
    assert not border.any(), "border pixels are excluded"
    assert (ternary.valid_mask(img0, 1) == ternary.valid_mask(img1, 1)).all()

    kernel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
    both = [
        F.conv2d((img0 - img1).movedim(1, 0), k[None, None], padding=1).abs()
        for k in (kernel, kernel.T)
    ]
    assert_close(SOBEL()(img0, img1), sum(both))

    statistics = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    there, back = (MeanShift(*statistics, norm=norm) for norm in (True, False))
    assert isinstance(there, torch.nn.Conv2d)
    assert_close(back(there(img0)), img0)


def test_model(tmp_path):
    Model().save_model(tmp_path, rank=0)
    model = Model(local_rank=-1, arbitrary=False)
    model.load_model(str(tmp_path) + "/", rank=0)
    model.eval()
    model.device()
    img0 = torch.rand(1, 3, 48, 64)
    img1 = torch.rand(1, 3, 48, 64)
    with torch.no_grad():
        result = model.inference(img0, img1, scale=1, TTA=False, timestep=0.5)
    assert result.shape == (1, 3, 48, 64)
    with torch.no_grad():
        result_tta = model.inference(img0, img1, TTA=True)
    assert result_tta.shape == result.shape
    assert 0 <= result.min() <= result.max() <= 1
    assert not torch.equal(result, result_tta)
    quarter = Model(arbitrary=True).inference(img0, img1, 1, [4, 2, 1], False, 0.25)
    assert quarter.shape == result.shape
    model.train()
    merged, info = model.update(torch.cat((img0, img1), 1), img0, learning_rate=1e-6)
    assert merged.shape == (1, 3, 48, 64)
    assert list(info) == [
        *("merged_tea", "mask", "mask_tea", "flow", "flow_tea"),
        *("loss_l1", "loss_tea", "loss_distill"),
    ]


def test_refinement():
    contextnet = Contextnet()
    unet = Unet()
    img0, img1 = torch.rand(2, 1, 3, 32, 48)
    estimated_flow, mask = torch.randn(1, 4, 32, 48), torch.rand(1, 1, 32, 48)
    flow_01 = estimated_flow[:, :2]
    flow_10 = estimated_flow[:, 2:]
    c0 = contextnet(img0, flow_01)
    c1 = contextnet(img1, flow_10)
    assert [tuple(level.shape[1:]) for level in c0] == [
        *((16, 16, 24), (32, 8, 12), (64, 4, 6), (128, 2, 3)),
    ]
    warped_img0, warped_img1 = warp(img0, flow_01), warp(img1, flow_10)
    residual = unet(img0, img1, warped_img0, warped_img1, mask, estimated_flow, c0, c1)
    assert residual.shape == (1, 3, 32, 48)
    assert (residual >= 0).all()
    assert (residual <= 1).all()
    assert Conv2(3, 8)(img0).shape == (1, 8, 16, 24)
    assert deconv(3, 8)(conv(3, 3, 3, 1, 1)(img0)).shape == (1, 8, 64, 96)


def test_network():
    model = IFNet()
    model.eval()
    img0 = torch.randn(1, 3, 64, 64)
    img1 = torch.randn(1, 3, 64, 64)
    x = torch.cat((img0, img1), dim=1)
    with torch.no_grad():
        flow_list, mask, merged, flow_teacher, merged_teacher, loss_distill = model(x)
        interpolated_frame = merged[2]
        again = model(x, scale=[4, 2, 1], timestep=0.5)[2][2]
    assert interpolated_frame.shape == (1, 3, 64, 64)
    assert torch.equal(again, interpolated_frame)
    assert [flow.shape for flow in flow_list] == [(1, 4, 64, 64)] * 3
    assert mask.shape == (1, 1, 64, 64)
    assert flow_teacher is merged_teacher is None
    assert loss_distill == 0
    *_, flow_teacher, merged_teacher, loss_distill = model(torch.cat((x, img0), 1))
    assert flow_teacher.shape == (1, 4, 64, 64)
    assert merged_teacher.shape == (1, 3, 64, 64)
    assert loss_distill.ndim == 0
    flow, mask = IFBlock(6, c=16)(x, None, 4)
    assert (flow.shape, mask.shape) == ((1, 4, 64, 64), (1, 1, 64, 64))


@pytest.mark.usefixtures("pretrained")
def test_video_autoencoder_loss():
    loss_fn = VideoAutoencoderLoss(
        disc_start=0,
        perceptual_weight=1.0,
        adversarial_loss_weight=0.5,
        grad_penalty_loss_weight=10.0,
        quantizer_aux_loss_weight=1.0,
        vgg_weights="VGG16_Weights.DEFAULT",
        discr_3d_kwargs={
            "target": "sgm.modules.autoencoding.losses.video_loss.Discriminator3D",
            "params": {"dim": 2, "image_size": 16, "frame_num": 4, "max_dim": 8},
        },
    )
    video_batch = torch.rand(1, 3, 4, 16, 16)
    last_layer = torch.nn.Parameter(torch.ones(1))
    recon_video = video_batch * last_layer
    gen_loss, gen_log = loss_fn(
        inputs=video_batch,
        reconstructions=recon_video,
        optimizer_idx=0,
        global_step=1,
        aux_losses=0.25,
        last_layer=last_layer,
    )
    disc_loss, disc_log = loss_fn(
        inputs=video_batch, reconstructions=recon_video, optimizer_idx=1, global_step=1
    )
    assert gen_loss.ndim == disc_loss.ndim == 0
    assert gen_log["train/aux_losses"] == 0.25
    assert {name.partition("/")[0] for name in (*gen_log, *disc_log)} == {"train"}
    told = {name.removeprefix("train/") for name in (*gen_log, *disc_log)}
    assert told == {
        *("total_loss", "recon_loss", "perceptual_loss", "gen_loss", "aux_losses"),
        *("adaptive_weight", "total_disc_loss", "discr_loss", "grad_penalty_loss"),
        *("logits_real", "logits_fake"),
    }
    assert not any(value.requires_grad for value in (*gen_log.values(), *disc_log.values()))


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (Discriminator, {}),
        (Discriminator3D, {"frame_num": 4}),
        (Discriminator3DWithfirstframe, {"frame_num": 4}),
    ],
)
def test_discriminators_take_the_published_arguments(kind, size):
    judge = kind(
        dim=2,
        image_size=16,
        channels=3,
        max_dim=8,
        attn_heads=8,
        attn_dim_head=32,
        linear_attn_dim_head=8,
        linear_attn_heads=16,
        ff_mult=4,
        antialiased_downsample=False,
        **size,
    )
    assert isinstance(judge, torch.nn.Module)
