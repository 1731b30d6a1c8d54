"""Training the refinement on windows of the samples."""

import torch
import torch.nn.functional as F
from rife_video.rife_core.networks.specs import get_spec, with_channels
from rife_video.rife_core.training import windows
from rife_video.rife_core.training.growth import build_fresh
from rife_video.rife_core.training.scene import SceneSettings
from rife_video.rife_core.training.synthetic import SceneGenerator
from rife_video.rife_core.training.windows import refine_windows, worst_and_other

SPEC = with_channels(get_spec("refined"), (8,) * 6)
SCENES = SceneSettings(size=128, textures=4, texture_size=128)


def test_one_window_lies_where_most_is_wrong_and_the_others_differ():
    error = torch.zeros(5, 1, 96, 96)
    error[..., 40:60, 70:] = 1
    places = worst_and_other(error, 32)
    assert {*places[::2]} == {(32, 64)}
    assert len({*places[1::2]}) == 5
    wide = torch.zeros(2, 1, 32, 160)
    wide[..., 130:] = 1
    assert {top for top, _ in worst_and_other(wide, 32)} == {0}
    assert {*worst_and_other(wide, 32)[::2]} == {(0, 128)}


def test_a_fresh_refinement_gives_the_windows_of_the_blended_frame():
    network = build_fresh(SPEC, 1)
    batch = SceneGenerator(SCENES, seed=2).batch(0, 3)
    output, cut = refine_windows(network, batch, SPEC.scales, 48)
    with torch.no_grad():
        whole = network.forward_train(batch.img0, batch.img1, None, batch.timestep).merged[-1]
    frame = output.merged[-1]
    assert frame.shape == cut.gt.shape == (6, 3, 48, 48)
    assert cut.occluded.shape == (6, 2, 48, 48)
    assert torch.equal(cut.timestep, batch.timestep.repeat_interleave(2))
    for number in range(6):
        sample = number // 2
        top, left = _place(batch.gt[sample], cut.gt[number])
        expected = whole[sample, :, top : top + 48, left : left + 48]
        torch.testing.assert_close(frame[number], expected.clamp(0, 1))


def test_a_window_as_large_as_the_sample_is_the_refined_frame():
    network = build_fresh(SPEC, 1)
    torch.nn.init.normal_(network.unet.conv.weight, std=0.1)
    batch = SceneGenerator(SCENES, seed=2).batch(0, 2)
    output, _ = refine_windows(network, batch, SPEC.scales, 128)
    whole = network.forward_train(batch.img0, batch.img1, None, batch.timestep)
    torch.testing.assert_close(output.merged[-1][::2], whole.merged[-1])
    torch.testing.assert_close(output.estimates[-1].mask[::2], whole.estimates[-1].mask)


def test_context_is_cut_at_the_place_of_the_window(monkeypatch):
    network = build_fresh(SPEC, 1)
    batch = SceneGenerator(SCENES, seed=2).batch(0, 2)
    seen = []

    def correct(unet, images, last, c0, c1):
        seen.extend(zip(images, (list(c0), list(c1)), strict=True))
        return last.blend(), last

    # The levels of a context that is the frame itself, halved again and again.
    halved = [lambda image, level=level: F.avg_pool2d(image, 2**level) for level in (1, 2, 3, 4)]
    monkeypatch.setattr(windows, "correct", correct)

    def halves(image, flow):
        return [halve(image) for halve in halved]

    monkeypatch.setattr(network.contextnet, "forward", halves)
    refine_windows(network, batch, SPEC.scales, 64)
    assert len(seen) == 2
    for image, levels in seen:
        for level, halve in zip(levels, halved, strict=True):
            torch.testing.assert_close(level, halve(image))


def test_gradients_reach_the_refinement_alone():
    network = build_fresh(SPEC, 1)
    torch.nn.init.normal_(network.unet.conv.weight, std=0.1)
    batch = SceneGenerator(SCENES, seed=2).batch(0, 1)
    output, cut = refine_windows(network, batch, SPEC.scales, 32)
    (output.merged[-1] - cut.gt).abs().mean().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.startswith("block"), name


def _place(whole, part):
    """Where a part was cut out of 3 H W."""
    size = part.shape[-1]
    places = [(top, left) for top in range(0, 128, 16) for left in range(0, 128, 16)]
    found = [
        (top, left)
        for top, left in places
        if torch.equal(whole[:, top : top + size, left : left + size], part)
    ]
    return found[0]
