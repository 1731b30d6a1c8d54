"""Every node that takes frames, with every kind of tensor that other nodes make of them."""

import math
from fractions import Fraction

import pytest
import torch
from rife_video.nodes import NODE_CLASS_MAPPINGS
from rife_video.nodes.host import Folders, Video, use_folders
from rife_video.rife_core.video import VideoReader
from support import moving_square

CLIP = moving_square(frames=12, height=24, width=32)


def interpolated(model, frames):
    return NODE_CLASS_MAPPINGS["InterpolateFrames"]().interpolate(model, frames, 2, 8.0)["result"][
        0
    ]


def decoded(model, frames):
    video = Video(frames, Fraction(8))
    result = NODE_CLASS_MAPPINGS["InterpolateVideo"]().interpolate(model, video, 2, crf=0)
    return torch.stack(list(VideoReader(result["result"][0].frames)))


def compared(model, frames):
    return NODE_CLASS_MAPPINGS["CompareFrames"]().compare(frames, frames)["result"][0]


def flow(model, frames):
    return next(iter(NODE_CLASS_MAPPINGS["EstimateFlow"]().estimate(model, frames)))


def losses(model, frames):
    numbers, names = NODE_CLASS_MAPPINGS["ComputeFlowLoss"](), ("edges", "psnr", "ssim")
    given = numbers.compute(target=frames, model=model, laplacian=False, census=False)
    found = dict(zip(numbers.RETURN_NAMES, given, strict=True))
    return torch.tensor([found[name] for name in names])


def errors(model, frames):
    return list(NODE_CLASS_MAPPINGS["VideoAELoss"]().judge(frames, frames.flip(0)))[2]


def adapted(model, frames):
    _, report = NODE_CLASS_MAPPINGS["AdaptRIFE"]().adapt(model, frames, 1)
    assert "dB" in report
    return torch.zeros(1)  # what it has learned hangs on the last bit


NODES = {
    "InterpolateFrames": interpolated,
    "InterpolateVideo": decoded,
    "CompareFrames": compared,
    "EstimateFlow": flow,
    "ComputeFlowLoss": losses,
    "VideoAELoss": errors,
    "AdaptRIFE": adapted,
}
KINDS = {
    "float16": CLIP.half(),
    "bfloat16": CLIP.bfloat16(),
    "float64": CLIP.double(),
    "uint8": (CLIP * 255).round().byte(),
    "with alpha": torch.cat((CLIP, torch.ones(12, 24, 32, 1)), -1),
    "one of a larger tensor": torch.cat((CLIP, CLIP), 2)[:, :, :32],
}
every_node = pytest.mark.parametrize("node", NODES)


@pytest.fixture(autouse=True)
def _folders(tmp_path, seeded):
    with use_folders(Folders(temp=tmp_path)), torch.inference_mode():
        yield


def test_every_node_that_takes_frames_is_here():
    takes = {
        name
        for name, node in NODE_CLASS_MAPPINGS.items()
        for group in node.INPUT_TYPES().values()
        for kind, _ in group.values()
        if kind in ("IMAGE", "VIDEO")
    }
    assert takes == set(NODES)


@pytest.fixture(scope="module")
def plain():
    """What each node makes of the clip in float32, made once."""
    return {}


@every_node
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_any_kind(model, plain, node, kind):
    if node not in plain:
        plain[node] = NODES[node](model, CLIP).clone()
    found = NODES[node](model, KINDS[kind])
    unit = 255 if found.dtype == torch.uint8 else 1
    found = found[..., :3] if kind == "with alpha" and found.shape[-1] == 4 else found
    # A few steps of 8 bits, of colours at half size in a file; motion hangs on them more.
    tolerance = {"EstimateFlow": 0.1, "ComputeFlowLoss": 0.1}.get(node, 5 / 255)
    torch.testing.assert_close(found.float() / unit, plain[node], rtol=0, atol=tolerance)


@every_node
def test_grey_frames(model, node):
    grey = CLIP[..., :1]
    wanted = NODES[node](model, grey.expand(-1, -1, -1, 3))
    found = NODES[node](model, grey)
    torch.testing.assert_close(found.expand_as(wanted), wanted, rtol=0, atol=2 / 255)


SHOWN = ("InterpolateFrames", "InterpolateVideo", "CompareFrames")


@every_node
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_broken_value_is_seen_where_it_is_or_named(model, node, value):
    broken = CLIP.clone()
    broken[5, 12, 16, 1] = value
    if node not in SHOWN:
        with pytest.raises(ValueError, match=r"Frame [56] of .*NaN or infinite"):
            NODES[node](model, broken)
        return
    found = NODES[node](model, broken)
    if node == "InterpolateFrames":
        assert torch.equal(found[10], broken[5]) or value != value
        assert found.isfinite().sum() == found.numel() - 1, "what is made beside it is whole"
    assert torch.equal(found[:5], NODES[node](model, CLIP)[:5])


@every_node
@pytest.mark.parametrize(
    "frames", [CLIP[:0], CLIP[0], CLIP[0, 0], CLIP[..., :2]], ids=lambda t: str(tuple(t.shape))
)
def test_what_is_no_clip_is_refused_in_a_sentence(model, node, frames):
    with pytest.raises(ValueError, match=r"frames|channels|clip") as error:
        NODES[node](model, frames)
    assert str(error.value).endswith(".")
    assert "rife_" not in str(error.value), "a name of a file that nobody gave"


NEEDED = {"EstimateFlow": 2, "ComputeFlowLoss": 3, "AdaptRIFE": 12}
"""How many frames a node needs, where one is not enough."""


@pytest.mark.parametrize("node", NEEDED)
def test_frames_that_come_one_by_one_are_to_be_joined(model, node):
    """ComfyUI calls a node for each item of a list."""
    for count in range(1, NEEDED[node]):
        said = rf"needs {NEEDED[node]} frames or more; found {count}\."
        with pytest.raises(ValueError, match=said) as error:
            NODES[node](model, CLIP[:count])
        assert ("Rebatch Images" in str(error.value)) == (count == 1)
