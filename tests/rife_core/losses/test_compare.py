"""Measures of a clip against what it should be."""

import pytest
import torch
from rife_video.rife_core.losses.compare import MAPS, MEASURES, compare
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
