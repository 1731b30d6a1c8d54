"""Scenes: with one moving plane, flow, occlusion and picture can be told by hand."""

import pytest
import torch
from rife_video.rife_core.ops.warp import warp
from rife_video.rife_core.training.scene import Scene, SceneSettings
from rife_video.rife_core.training.textures import Draw, make_texture

PLAIN = {"layers": 0, "turn": 0.0, "zoom": 0.0, "waves": 0.0, "acceleration": 0.0}


def scene(count=3, **settings):
    draw = Draw(torch.Generator().manual_seed(4))
    bank = torch.stack([make_texture(torch.Generator().manual_seed(k), 96) for k in range(3)])
    given = {"size": 48, "speed": (3.0, 6.0), "still_camera": 0.0, **settings}
    return Scene(draw, SceneSettings(**given), count, bank)


def shares_at_all_times(made):
    times = (torch.zeros_like(made.timestep), made.timestep, torch.ones_like(made.timestep))
    return [made.paint(time)[1] for time in times]


def test_a_shifted_plane_has_the_same_flow_everywhere():
    made = scene(**PLAIN)
    flow, occluded = made.truth(shares_at_all_times(made))
    shift, t = made.shift[:, 0, :, None, None], made.timestep.reshape(-1, 1, 1, 1)
    torch.testing.assert_close(flow[:, :2], (-t * shift).expand_as(flow[:, :2]), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        flow[:, 2:], ((1 - t) * shift).expand_as(flow[:, 2:]), atol=1e-4, rtol=0
    )
    # Hidden is what lies outside of the other picture, and nothing else.
    grid = torch.arange(48) - 23.5
    ends = torch.stack(torch.meshgrid(grid, grid, indexing="xy")) + flow[:, :2]
    outside = (ends.abs() > 23.5).any(1)
    assert 0 < outside.float().mean() < 0.5
    assert torch.equal(occluded[:, 0] > 0.99, outside)


@pytest.mark.parametrize("settings", [{}, {"repeats": 1.0}, {"texels": (0.3, 0.5)}], ids=str)
def test_what_is_painted_moves_as_the_flow_says(settings):
    made = scene(**PLAIN, **settings)
    flow, occluded = made.truth(shares_at_all_times(made))
    before, now = (made.paint(time)[0] for time in (0 * made.timestep, made.timestep))
    error = (warp(before, flow[:, :2]) - now).abs().mean(1)
    still = (before - now).abs().mean(1)
    seen = occluded[:, 0] < 0.01
    assert error[seen].mean() < 0.25 * still[seen].mean()


@pytest.mark.parametrize("layers", [0, 2])
def test_shares_of_the_layers_add_up_to_one(layers):
    made = scene(**{**PLAIN, "layers": layers})
    shares = made.paint(made.timestep)[1]
    assert shares.shape == (3, layers + 1, 48, 48)
    torch.testing.assert_close(shares.sum(1), torch.ones(3, 48, 48))


def test_half_of_the_samples_can_be_told_to_be_midpoints():
    middle = scene(count=64, midpoint=0.5).timestep == 0.5
    assert 16 < middle.sum() < 48
    assert bool((scene(count=8, midpoint=1.0).timestep == 0.5).all())


def test_crisp_layers_are_opaque_and_sharp():
    soft, crisp = (scene(count=40, layers=3, crisp=share) for share in (0.0, 1.0))
    assert soft.opacity.min() < 1
    assert soft.softness.max() > 1
    assert crisp.opacity.min() == 1
    assert crisp.softness.max() <= 1
    assert torch.equal(soft.shift, crisp.shift)


def test_textures_repeat_and_are_a_little_lighter_or_darker_each_time():
    plain, repeated = (scene(**PLAIN, repeats=share) for share in (0.0, 1.0))
    for made in (plain, repeated):
        made.texture_axes[:] = 1.25 * torch.eye(2)
    repeated.period[:] = 2 * 1.25 * 12 / repeated.window  # twelve pixels
    pictures = [made.paint(made.timestep)[0] for made in (plain, repeated)]
    steps = [(picture[..., 12:] - picture[..., :-12]).diff(dim=-1).abs() for picture in pictures]
    same = [(step < 1e-4).float().mean() for step in steps]  # all but the seams
    assert same[0] < 0.5 < 0.8 < same[1]
    assert (pictures[1][..., 12:] - pictures[1][..., :-12]).abs().median() > 0.01


def test_small_texels_show_more_of_a_texture():
    wide, narrow = (scene(count=20, texels=(t, t)) for t in (1.5, 0.5))
    assert torch.allclose(wide.texture_axes, 3 * narrow.texture_axes)
