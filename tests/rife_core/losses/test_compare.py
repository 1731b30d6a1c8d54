"""Measures of a clip against what it should be."""

import pytest
import torch
from rife_video.rife_core.losses.compare import (
    MAPS,
    MEASURES,
    _lpips,
    check_same_clip,
    compare,
)
from rife_video.rife_core.losses.metrics import psnr
from torch.testing import assert_close

CHOSEN = [name for name, measure in MEASURES.items() if measure.chosen]


def clip(seed=0):
    return torch.rand(3, 48, 40, 3, generator=torch.Generator().manual_seed(seed))


def test_outputs_of_nodes_are_only_appended():
    """Saved workflows know the outputs of Compute Flow Loss by their place."""
    released = ["laplacian", "census", "edges", "vgg", "lpips", "psnr", "ssim"]
    assert list(MEASURES)[: len(released)] == released


def test_each_frame_gets_its_own_figure():
    target = clip()
    prediction = target.clone()
    prediction[1] += 0.1
    figures, errors = compare(prediction, target, ["psnr", "edges"], MAPS["absolute difference"])
    assert figures["psnr"][1] == pytest.approx(20, abs=1e-3)
    assert figures["psnr"][0] == figures["psnr"][2] == float("inf")
    assert_close(errors, (prediction - target).mean(3)[:, None], atol=1e-6, rtol=0)


def test_the_direction_of_better_is_right():
    target = clip()
    near, far = (target + amount * (clip(1) - 0.5) for amount in (0.02, 0.2))
    good, _ = compare(near.clamp(0, 1), target, CHOSEN, MAPS["census"])
    bad, _ = compare(far.clamp(0, 1), target, CHOSEN, MAPS["census"])
    for name in CHOSEN:
        smaller = sum(good[name]) < sum(bad[name])
        assert smaller == (MEASURES[name].better == "lower"), name


@pytest.mark.parametrize("name", MAPS)
def test_maps_have_one_value_a_pixel_and_none_where_nothing_differs(name):
    frames = clip().permute(0, 3, 1, 2)
    other = frames.clone()
    other[..., 20:28, 16:24] = 1 - other[..., 20:28, 16:24]
    errors = MAPS[name](frames, other)
    assert errors.shape == (3, 1, 48, 40)
    assert errors[..., 18:30, 14:26].sum() > 0
    assert errors[..., :12, :].abs().max() < 1e-5


def test_lpips_is_given_images_from_minus_1_to_1():
    given = []

    class Network(torch.nn.Module):
        def __init__(self, folders):
            super().__init__()
            self.folders = folders

        def forward(self, a, b):
            given.extend((a, b))

    judge = _lpips(Network, torch.device("cpu"), ["here"])
    judge(torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.25]))
    assert [each.tolist() for each in given] == [[-1, 0, 1], [-0.5]]


def test_what_needs_weights_or_a_package_is_not_chosen_and_what_came_late_is_last():
    assert CHOSEN == ["laplacian", "census", "edges", "psnr", "ssim"]
    assert [name for name, measure in MEASURES.items() if measure.late] == list(MEASURES)[7:]
    higher = {name for name, measure in MEASURES.items() if measure.better == "higher"}
    assert higher == {"psnr", "ssim", "ssimulacra2"}


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (clip()[0], r"gt has shape \(48, 40, 3\); expected frames of 3 channels"),
        (clip()[None], "expected frames of 3 channels"),
        (clip()[..., :2], "expected frames of 3 channels"),
        (clip()[:0], "at least one"),
        (clip().where(clip() < 0.999, torch.nan), "Frame 1 of gt, counted from 1, holds values"),
        (clip().index_fill(0, torch.tensor([1]), torch.inf), "Frame 2 of gt, counted from 1"),
    ],
)
def test_clips_that_are_none(frames, words):
    with pytest.raises(ValueError, match=words):
        check_same_clip(prediction=clip(), gt=frames)


def test_progress_reaches_the_number_of_frames():
    told = []
    compare(clip(), clip(1), ["psnr"], MAPS["edges"], progress=lambda *done: told.append(done))
    assert told[-1] == (3, 3)
    assert psnr(clip().permute(0, 3, 1, 2), clip(1).permute(0, 3, 1, 2)).shape == (3,)


@pytest.mark.parametrize(
    ("prediction", "names", "message"),
    [(clip()[:2], ["psnr"], "must"), (clip(), [], "No measure")],
)
def test_refused(prediction, names, message):
    with pytest.raises(ValueError, match=message):
        compare(prediction, clip(), names, MAPS["census"])
