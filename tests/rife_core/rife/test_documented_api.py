"""The documented API to the letter: every line of its examples, under its module names."""

import inspect

import pytest
import rife_video.rife_core as core
import torch
from rife_video.rife_core import (
    Discriminator,
    Discriminator3D,
    Discriminator3DWithfirstframe,
    VideoAutoencoderLoss,
)
from rife_video.rife_core.rife.IFNet import IFBlock, IFNet
from rife_video.rife_core.rife.IFNet_m import IFNet_m
from rife_video.rife_core.rife.laplacian import LapLoss
from rife_video.rife_core.rife.loss import EPE, SOBEL, MeanShift, Ternary, VGGPerceptualLoss
from rife_video.rife_core.rife.refine import Contextnet, Conv2, Unet, conv, deconv
from rife_video.rife_core.rife.RIFE import Model
from rife_video.rife_core.rife.warplayer import warp

pytestmark = pytest.mark.usefixtures("seeded")


def test_modules_give_the_names_of_the_package():
    for thing in (IFBlock, IFNet, IFNet_m, LapLoss, EPE, SOBEL, MeanShift, Ternary):
        assert getattr(core, thing.__name__) is thing
    for thing in (VGGPerceptualLoss, Contextnet, Conv2, Unet, conv, deconv, Model, warp):
        assert getattr(core, thing.__name__) is thing


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (EPE.forward, ["flow", "gt", "loss_mask"]),
        (Ternary.transform, ["img"]),
        (Ternary.rgb2gray, ["rgb"]),
        (Ternary.hamming, ["t1", "t2"]),
        (Ternary.valid_mask, ["t", "padding"]),
        (Ternary.forward, ["img0", "img1"]),
        (SOBEL.forward, ["pred", "gt"]),
        (MeanShift, ["data_mean", "data_std", "data_range", "norm"]),
        (VGGPerceptualLoss.forward, ["X", "Y", "indices"]),
        (Model, ["local_rank", "arbitrary"]),
        (Model.load_model, ["path", "rank"]),
        (Model.save_model, ["path", "rank"]),
        (Model.inference, ["img0", "img1", "scale", "scale_list", "TTA", "timestep"]),
        (Model.update, ["imgs", "gt", "learning_rate", "mul", "training", "flow_gt"]),
        (conv, ["in_planes", "out_planes", "kernel_size", "stride", "padding", "dilation"]),
        (deconv, ["in_planes", "out_planes", "kernel_size", "stride", "padding"]),
        (Conv2, ["in_planes", "out_planes", "stride"]),
        (Contextnet.forward, ["x", "flow"]),
        (
            Unet.forward,
            ["img0", "img1", "warped_img0", "warped_img1", "mask", "flow", "c0", "c1"],
        ),
        (IFBlock, ["in_planes", "c"]),
        (IFBlock.forward, ["x", "flow", "scale"]),
        (IFNet.forward, ["x", "scale", "timestep"]),
        (
            VideoAutoencoderLoss,
            [
                *("disc_start", "perceptual_weight", "adversarial_loss_weight"),
                *("multiscale_adversarial_loss_weight", "grad_penalty_loss_weight"),
                *("quantizer_aux_loss_weight", "vgg_weights", "discr_kwargs", "discr_3d_kwargs"),
            ],
        ),
        (
            VideoAutoencoderLoss.forward,
            [
                *("inputs", "reconstructions", "optimizer_idx", "global_step"),
                *("aux_losses", "last_layer", "split"),
            ],
        ),
    ],
)
def test_signatures(call, names):
    found = [name for name in inspect.signature(call).parameters if name != "self"]
    assert found[: len(names)] == names


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


def test_video_autoencoder_loss():
    loss_fn = VideoAutoencoderLoss(
        disc_start=0,
        perceptual_weight=0,
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
