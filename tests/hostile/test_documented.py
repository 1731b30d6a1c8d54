"""RIFE's documented names, called with anything: the project's own error, or a right answer."""

import pytest
import torch
from rife_video.rife_core import (
    Contextnet,
    Conv2,
    IFBlock,
    IFNet,
    IFNet_m,
    Model,
    Unet,
    conv,
    deconv,
    resolve_precision,
    warp,
)
from rife_video.wan2gp import TemporalUpsampler

from .test_arguments import FULLY, INF, NAN, ODD, _try

IMAGE = torch.rand(1, 3, 48, 48)
PAIR = torch.rand(1, 6, 48, 48)
FLOW = torch.zeros(1, 2, 48, 48)
CLIP = (255 * torch.rand(3, 2, 16, 16)).byte()


def _kinds(image):
    """An image in every form that it should not have, and in some that it may have."""
    return {
        **{"bytes": (255 * image).byte(), "whole numbers": image.int(), "truths": image > 0},
        **{"complex": image.to(torch.complex64), "sparse": image.to_sparse()},
        **{"meta": image.to("meta"), "float8": image.to(torch.float8_e4m3fn)},
        **{
            "half": image.half(),
            "double": image.double(),
            "learnt": image.clone().requires_grad_(),
        },
        **{"two": image.repeat(2, 1, 1, 1), "none": image[:0], "a channel": image[:, :1]},
        **{"four channels": image.repeat(1, 2, 1, 1)[:, :4], "no height": image[:, :, :0]},
        **{"wider": torch.cat((image, image), 3), "of an odd size": image[:, :, :31, :29]},
        **{"a pixel": image[:, :, :1, :1], "one frame": image[0], "clips": image[None]},
        **{"a list": image.tolist(), "an array": image.numpy(), "shown as one": image[:, :, :1]},
    }


SCALES = {"few": (4,), "many": (4,) * 7, "text": ("4", "2", "1"), "below 0": (-4, 2, 1)}
SCALES |= {"zeros": (0, 0, 0), "NaN": (NAN,) * 3, "infinite": (INF,) * 3, "huge": (1e9, 2, 1)}
IMAGES, PAIRS, FLOWS = _kinds(IMAGE), _kinds(PAIR), _kinds(FLOW)
CLIPS = {name: value.movedim(0, 1) for name, value in IMAGES.items() if hasattr(value, "movedim")}


@pytest.fixture
def calls():
    """By name: what is called, arguments that are right, and more values for some of them."""
    model, any_time, handler = Model(), Model(arbitrary=True), TemporalUpsampler()
    images = {"img0": IMAGE, "img1": IMAGE}
    kinds = {"img0": IMAGES, "img1": IMAGES, "scale_list": SCALES}
    between = {"scale": 1.0, "scale_list": (4, 2, 1), "TTA": False, "timestep": 0.5}
    step = {"imgs": PAIR, "gt": IMAGE, "training": True, "learning_rate": 1e-6}
    clip = {"value": "video_rife2", "sample": CLIP, "previous_last_frame": None, "fps": 8.0}
    return {
        "Model": (Model, {"local_rank": -1, "arbitrary": False}, {}),
        "Model.inference": (model.inference, {**images, **between}, kinds),
        "Model.inference at any time": (any_time.inference, {**images, "timestep": 0.5}, {}),
        "Model.update": (model.update, step, {"imgs": PAIRS, "gt": IMAGES}),
        "Model.device": (model.device, {"device": "cpu"}, {}),
        "Model.load_model": (model.load_model, {"path": "saved", "rank": 0}, {}),
        "Model.save_model": (model.save_model, {"path": "saved", "rank": 0}, {}),
        "IFNet": (
            IFNet(),
            {"x": PAIR, "scale": (4, 2, 1), "timestep": 0.5, "returnflow": False},
            {"x": PAIRS, "scale": SCALES},
        ),
        "IFNet_m": (IFNet_m(), {"x": PAIR, "timestep": 0.5}, {}),
        "IFBlock": (IFBlock, {"in_planes": 6, "c": 16, "trunk": "plain", "depth": 1}, {}),
        "Contextnet": (Contextnet, {"c": 4, "planes": 3}, {}),
        "Unet": (Unet, {"c": 4, "planes": 17}, {}),
        "Conv2": (Conv2, {"in_planes": 3, "out_planes": 4, "stride": 2}, {}),
        "conv": (conv, {"in_planes": 3, "out_planes": 4, "stride": 1, "dilation": 1}, {}),
        "deconv": (deconv, {"in_planes": 3, "out_planes": 4, "kernel_size": 4, "padding": 1}, {}),
        "warp": (
            warp,
            {"input": IMAGE, "flow": FLOW, "mode": "bilinear"},
            {"input": IMAGES, "flow": FLOWS},
        ),
        "resolve_precision": (resolve_precision, {"name": "auto", "device": "cpu"}, {}),
        "Wan2GP": (
            lambda **given: handler.temporal_upsample(
                **{**clip, "processing_device": "cpu", **given}
            ),
            {**clip, "processing_device": "cpu"},
            {"sample": CLIPS, "previous_last_frame": CLIPS},
        ),
        "Wan2GP's settings": (
            lambda model: TemporalUpsampler(
                {"temporal_upsamplers": {"video_rife": {"model": model}}}
            ).temporal_upsample(**clip, processing_device="cpu"),
            {"model": "default"},
            {},
        ),
    }


@FULLY
@pytest.mark.filterwarnings("ignore")
def test_documented_names_are_called_with_anything(calls, odd, tally, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, (function, good, more) in calls.items():
        function(**good) if name != "Model.load_model" else None  # nothing is saved there yet
        for argument in good:

            def call(value, function=function, good=good, argument=argument):
                return function(**{**good, argument: value})

            kinds = list(more.get(argument, {}).items())
            _try(
                tally, f"{name}({argument})", call, {**odd, **dict(kinds[:: len(ODD) // len(odd)])}
            )


def test_a_step_without_a_number_for_its_rate_spoils_no_weights():
    model = Model()
    for rate in (NAN, INF, -1):
        with pytest.raises(ValueError, match="learning_rate is"):
            model.update(PAIR, IMAGE, learning_rate=rate)
    assert all(weights.isfinite().all() for weights in model.network.parameters())


def test_8_bit_images_are_not_taken_for_white(network):
    with pytest.raises(ValueError, match=r"img0 holds uint8; .*divided by 255"):
        network.inference((255 * IMAGE).byte(), (255 * IMAGE).byte())


@pytest.mark.parametrize("device", ["meta", "cuda:99", "xpu:99", "x", "\ud800"])
def test_devices_that_are_not_here(device):
    with pytest.raises(ValueError, match="no device"):
        Model().device(device)
