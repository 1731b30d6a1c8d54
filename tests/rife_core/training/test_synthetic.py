"""Synthetic scenes: their flow is exact, their occlusion true, their seed decides all."""

from dataclasses import replace

import pytest
import torch
from rife_video.rife_core.ops.warp import warp
from rife_video.rife_core.training.scene import SceneSettings
from rife_video.rife_core.training.synthetic import SceneGenerator

CLEAN = SceneSettings(
    size=96,
    speed=(2.0, 8.0),
    object_speed=(2.0, 8.0),
    noise=0.0,
    exposure=0.0,
    blur=0.0,
    blocks=0.0,
    midpoint=0.3,
    textures=8,
    texture_size=128,
)


@pytest.fixture(scope="module")
def clean():
    return SceneGenerator(CLEAN, seed=5).batch(0, 8)


@pytest.fixture(scope="module")
def embossed():
    return SceneGenerator(replace(CLEAN, relief=0.5), seed=5).batch(0, 8)


def test_relief_varies_the_motion_and_the_flow_knows_it(clean, embossed):
    """Sampled twice, the frames are a little softer; with the plain flow they do not fit."""
    assert torch.equal(embossed.gt, clean.gt)
    visible = embossed.occluded[:, :1] < 0.05

    def error(flow):
        warped = warp(embossed.img0, flow[:, :2])
        return (warped - embossed.gt).abs().mean(1, keepdim=True)[visible].mean()

    still = (embossed.img0 - embossed.gt).abs().mean(1, keepdim=True)[visible].mean()
    assert error(embossed.flow) < 0.25 * still
    assert error(embossed.flow) < 0.75 * error(clean.flow)


def test_wobble_moves_the_frames_and_leaves_the_flow_alone(clean):
    shaken = SceneGenerator(replace(CLEAN, wobble=0.5), seed=5).batch(0, 8)
    assert torch.equal(shaken.flow, clean.flow)
    assert torch.equal(shaken.gt, clean.gt)
    assert not torch.allclose(shaken.img0, clean.img0, atol=0.02)


@pytest.mark.parametrize("side", [0, 1])
def test_exact_flow_gives_the_middle_frame_where_visible(clean, side):
    img = (clean.img0, clean.img1)[side]
    warped = warp(img, clean.flow[:, 2 * side : 2 * side + 2])
    error = (warped - clean.gt).abs().mean(1, keepdim=True)
    visible = clean.occluded[:, side : side + 1] < 0.05
    assert 0.5 < visible.float().mean() < 0.99
    still = (img - clean.gt).abs().mean(1, keepdim=True)
    # What is left is the softness of sampling between pixels.
    assert error[visible].mean() < 0.2 * still[visible].mean()
    assert error[~visible].mean() > 5 * error[visible].mean()


def test_wrong_flow_is_noticed(clean):
    """The check above has teeth: half a pixel off shows."""
    visible = clean.occluded[:, :1] < 0.05

    def error(flow):
        return (warp(clean.img0, flow) - clean.gt).abs().mean(1, keepdim=True)[visible].mean()

    assert error(clean.flow[:, :2] + 0.5) > 1.5 * error(clean.flow[:, :2])


def test_flow_scales_with_time():
    """Without acceleration the two flows are opposite, in the ratio of the times."""
    settings = replace(CLEAN, acceleration=0.0, turn=0.0, zoom=0.0, midpoint=0.0)
    batch = SceneGenerator(settings, seed=2).batch(0, 4)
    t = batch.timestep.reshape(-1, 1, 1, 1)
    assert len(set(batch.timestep.tolist())) == 4
    torch.testing.assert_close(
        batch.flow[:, :2] * (1 - t), -batch.flow[:, 2:] * t, atol=1e-3, rtol=1e-3
    )


def test_a_batch_depends_on_seed_and_index_alone():
    settings = replace(CLEAN, size=32, blur=0.5, blocks=0.5, noise=0.02, renewed=2, texture_size=64)
    one, other = SceneGenerator(settings, seed=1), SceneGenerator(settings, seed=1)
    for index in range(6):
        other.batch(index, 2)
    again = other.batch(4, 2)
    for name in ("img0", "img1", "gt", "flow", "occluded", "timestep"):
        assert torch.equal(getattr(one.batch(4, 2), name), getattr(again, name)), name
    assert not torch.equal(SceneGenerator(settings, seed=9).batch(4, 2).gt, again.gt)
    assert not torch.equal(one.batch(5, 2).gt, again.gt)


def test_everything_is_in_range():
    batch = SceneGenerator(replace(CLEAN, size=64, blocks=1.0, noise=0.05), seed=3).batch(0, 4)
    for image in (batch.img0, batch.img1, batch.gt, batch.occluded):
        assert image.min() >= 0
        assert image.max() <= 1
    assert torch.isfinite(batch.flow).all()
