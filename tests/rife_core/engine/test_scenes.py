"""Cuts and repeated frames: what is found, what is not, and what is shown then."""

from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from rife_video.rife_core.engine.cuts import likeness, small_picture
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.scenes import (
    SceneReport,
    SceneRules,
    Span,
    closes,
    parse_cuts,
    spans,
)
from rife_video.rife_core.timeline import Timeline
from support import texture

HEIGHT, WIDTH = 120, 180


def pan(seed, frames, speed):
    wide = texture(seed, HEIGHT, WIDTH + frames * speed)
    return [wide[:, k * speed : k * speed + WIDTH] for k in range(frames)]


def sources(clip):
    return ((Fraction(place), SimpleNamespace(frame=frame)) for place, frame in enumerate(clip))


def cuts_found(frames, **rules):
    report = SceneReport()
    found = list(spans(sources(frames), SceneRules(**{"at_cut": "hold", **rules}), report))
    assert [span.start for span in found] == list(range(len(frames) - 1))
    assert [k + 2 for k, span in enumerate(found) if span.is_cut] == report.cuts
    return report.cuts


@pytest.mark.parametrize("speed", [0, 2, 9, 18])
def test_a_pan_is_no_cut(speed):
    assert cuts_found(pan(1, 6, speed)) == []


def test_cuts_are_found():
    frames = pan(1, 4, 4) + pan(2, 3, 4) + pan(3, 5, 4)
    assert cuts_found(frames) == [5, 8]


@pytest.mark.parametrize("base", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("contrast", [0.5, 0.15, 0.08])
def test_cuts_between_dark_or_flat_scenes_are_found(contrast, base):
    """As stored in 8 bits, with the noise of a camera."""
    generator = torch.Generator().manual_seed(0)

    def flat(frame):
        noise = torch.randn(frame.shape, generator=generator) / 255
        return ((base + contrast * frame + noise).clamp(0, 1) * 255).round() / 255

    scenes = [[flat(frame) for frame in pan(seed, 4, 4)] for seed in (1, 2, 3, 4)]
    assert cuts_found([frame for scene in scenes for frame in scene]) == [5, 9, 13]
    assert cuts_found([flat(frame) for frame in pan(1, 8, 9)]) == []


def blurred_pan(seed, frames, speed, cells):
    """A small picture of soft blobs, H W 3, that moves by so many pixels a frame."""
    generator = torch.Generator().manual_seed(seed)
    wide = torch.rand(1, 3, cells * 3 // 4, cells, generator=generator)
    wide = torch.nn.functional.interpolate(wide, (48, 64 + frames * speed), mode="bicubic")
    wide = (0.5 + 0.2 * (wide - wide.mean()) / wide.std()).clamp(0, 1)[0].permute(1, 2, 0)
    return [wide[:, k * speed : k * speed + 64] for k in range(frames)]


@pytest.mark.parametrize("cells", [6, 8, 12])
def test_cuts_between_smooth_scenes_are_found(cells):
    scenes = [blurred_pan(seed, 3, 2, cells) for seed in range(12)]
    found = cuts_found([frame for scene in scenes for frame in scene])
    assert set(found) <= set(range(4, 37, 3))
    assert len(found) >= 10


@pytest.mark.parametrize("seed", range(4))
def test_smooth_scenes_that_move_fade_flicker_and_dissolve_have_no_cuts(seed):
    assert cuts_found(blurred_pan(seed, 6, 8, 8)) == []
    frames = blurred_pan(seed, 9, 2, 8)
    assert cuts_found([frame * (1 - k / 8) for k, frame in enumerate(frames)]) == []
    assert cuts_found([frame * (0.5 + 0.5 * (k % 2)) for k, frame in enumerate(frames)]) == []
    other = blurred_pan(seed + 10, 9, 2, 8)
    dissolved = zip(frames, other, strict=True)
    assert cuts_found([torch.lerp(*two, k / 8) for k, two in enumerate(dissolved)]) == []
    zoomed = [
        torch.nn.functional.interpolate(
            frames[0][k : 48 - k, k : 64 - k].permute(2, 0, 1)[None], (48, 64), mode="bilinear"
        )[0].permute(1, 2, 0)
        for k in (0, 3, 6, 9)
    ]
    assert cuts_found(zoomed) == []


def test_noise_fades_and_flicker_in_the_dark_are_no_cuts():
    generator = torch.Generator().manual_seed(0)
    black = [
        (torch.randn(HEIGHT, WIDTH, 3, generator=generator) / 128).clamp(0, 1) for _ in range(5)
    ]
    assert cuts_found(black) == []
    frames = [0.1 * frame for frame in pan(4, 9, 3)]
    assert cuts_found([frame * (1 - k / 8) for k, frame in enumerate(frames)]) == []
    assert cuts_found([frame * (0.6 + 0.4 * (k % 2)) for k, frame in enumerate(frames)]) == []


def grey(picture):
    return picture.mean(2, keepdim=True).expand(-1, -1, 3)


def tinted(picture, *colour):
    return picture * torch.tensor(colour)


@pytest.mark.parametrize("contrast", [1.0, 0.15])
def test_cuts_between_equally_bright_scenes_of_other_colours_are_found(contrast):
    """As stored in 8 bits; luminance has nothing to be told by."""

    def equally_bright(frame):
        return (255 * (0.5 + contrast * (frame - grey(frame)) / 2)).round() / 255

    scenes = [[equally_bright(frame) for frame in pan(seed, 4, 4)] for seed in (1, 2, 3)]
    assert cuts_found([frame for scene in scenes for frame in scene]) == [5, 9]


def test_a_cut_from_a_blue_title_to_an_orange_one_is_found():
    white = torch.ones(HEIGHT, WIDTH, 3)
    assert cuts_found([tinted(white, 0.2, 0.3, 0.9)] * 3 + [tinted(white, 0.9, 0.4, 0.1)] * 3) == [
        4
    ]


def test_a_cut_to_the_same_texture_in_another_colour_is_found():
    frames = [grey(frame) for frame in pan(1, 6, 2)]
    red = [tinted(frame, 0.9, 0.1, 0.2) for frame in frames[:3]]
    assert cuts_found(red + [tinted(frame, 0.1, 0.9, 0.2) for frame in frames[3:]]) == [4]


LIGHTS = [(1, 0.9, 0.7), (0.5, 0.7, 1), (1, 0.5, 0.5), (0.6, 1, 0.6)]


@pytest.mark.parametrize("seed", range(3))
def test_coloured_light_grading_and_compressed_colours_are_no_cuts(seed):
    frames = pan(seed, 8, 3)
    assert cuts_found([tinted(frame, *LIGHTS[k % 4]) for k, frame in enumerate(frames)]) == []
    to_red = [torch.lerp(f, tinted(f, 1, 0, 0), k / 7) for k, f in enumerate(frames)]
    assert cuts_found(to_red) == []

    pale = [torch.lerp(grey(frame), frame, 0.4) for frame in frames]
    graded = [frame ** torch.tensor([0.6, 1, 1.6]) for frame in pale[4:]]
    assert cuts_found(pale[:4] + graded) == []
    assert cuts_found(pale[:4] + [grey(frame) for frame in pale[4:]]) == []

    generator = torch.Generator().manual_seed(seed)

    def compressed(picture):
        """Colours of large cells, in steps that differ from frame to frame."""
        colours = (picture - grey(picture)).unfold(0, 20, 20).unfold(1, 20, 20).mean((3, 4))
        steps = ((colours + 0.04 * torch.rand(3, generator=generator)) / 0.05).round() * 0.05
        return grey(picture) + steps.repeat_interleave(20, 0).repeat_interleave(20, 1)

    assert cuts_found([compressed(frame) for frame in pale]) == []


def test_colour_that_flashes_is_no_cut():
    frames = pan(7, 7, 3)
    frames[3] = tinted(grey(frames[3]), 1, 0, 0)
    assert cuts_found(frames) == []


def test_noise_in_the_colours_of_grey_pictures_is_no_cut():
    generator = torch.Generator().manual_seed(0)

    def noisy(picture):
        noise = torch.randn(picture.shape, generator=generator)
        return grey(picture) + 0.04 * (noise - grey(noise))

    assert cuts_found([noisy(f) for f in pan(2, 5, 4)]) == []
    assert cuts_found([noisy(torch.full((HEIGHT, WIDTH, 3), 0.5)) for _ in range(4)]) == []


def test_a_scene_of_one_frame_has_two_cuts():
    assert cuts_found([*pan(1, 3, 4), texture(9), *pan(3, 3, 4)]) == [4, 5]


def test_a_fade_is_no_cut():
    frames = pan(4, 9, 3)
    assert cuts_found([frame * (1 - k / 8) for k, frame in enumerate(frames)]) == []


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_cut_to_an_empty_picture_is_found(level):
    empty = torch.full((HEIGHT, WIDTH, 3), level)
    assert cuts_found(pan(1, 3, 4) + [empty] * 3 + pan(2, 3, 4)) == [4, 7]


def test_a_dissolve_is_no_cut():
    a, b = texture(5), texture(6)
    assert cuts_found([torch.lerp(a, b, k / 12) for k in range(13)]) == []


@pytest.mark.parametrize("flash", [lambda f: (f * 1.6 + 0.3).clamp(max=1), torch.ones_like])
def test_a_flash_is_no_cut(flash):
    frames = pan(7, 7, 3)
    frames[3] = flash(frames[3])
    assert cuts_found(frames) == []


def test_a_cut_behind_a_flash_is_found():
    frames = pan(7, 6, 3) + pan(8, 4, 3)
    frames[2] = torch.ones_like(frames[2])
    assert cuts_found(frames) == [7]


def test_noise_and_flat_pictures():
    flat = [torch.full((HEIGHT, WIDTH, 3), 0.5)] * 3
    assert cuts_found(flat) == []
    grain = [texture(1) + 0.03 * torch.randn(HEIGHT, WIDTH, 3) for _ in range(4)]
    assert cuts_found(grain) == []


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (1080, 1920)])
def test_any_size(size):
    a, b = torch.rand(2, *size, 3)
    assert 0 <= likeness(small_picture(a), small_picture(b)) <= 1


def test_the_users_own_list():
    assert cuts_found(pan(1, 6, 4), cuts=parse_cuts("3, 5")) == [3, 5]
    assert parse_cuts(" ") is None
    with pytest.raises(ValueError, match="'2, x' cannot be read"):
        parse_cuts("2, x")
    with pytest.raises(ValueError, match="'1' cannot be read"):
        parse_cuts("1")


def test_rules_after_some_frames_count_from_there():
    """The first frame that is left begins no scene; nor is it, or the last one, made anew."""
    numbers = frozenset({9, 11, 12, 20})
    rules = SceneRules("hold", numbers, seams=numbers, replaced=numbers)
    rest = rules.after(10)
    assert rest.cuts == rest.seams == rest.replaced == {2, 10}
    assert rules.after(10, 10).replaced == {2}
    assert rules.after(10, 11).replaced == {2, 10}
    assert rules.after(10, 10).cuts == {2, 10}
    assert SceneRules().after(10).cuts is None


@pytest.mark.parametrize(
    ("clip", "back"), [((1, 2, 1), True), ((1, 2, 3), False), ((1, 1, 1), False)]
)
def test_a_loop_closes_where_it_is_back_and_has_moved(clip, back):
    frames = [SimpleNamespace(frame=texture(seed)) for seed in clip]
    last = Span(frames[1], frames[2], Fraction(1), Fraction(2), False)
    assert closes(last, frames[0], SceneRules()) is back


@pytest.mark.long
@pytest.mark.parametrize(
    ("at_cut", "shown"),
    [
        ("hold", lambda a, b: [a, a, a]),
        ("nearest", lambda a, b: [a, b, b]),
        ("blend", lambda a, b: [torch.lerp(a, b, t) for t in (0.25, 0.5, 0.75)]),
    ],
)
def test_what_is_shown_at_a_cut(network, at_cut, shown):
    clip = torch.stack([*pan(1, 2, 4), *pan(2, 2, 4)])
    report = Report()
    rules = SceneRules(at_cut=at_cut)
    output = interpolate(network, clip, Timeline.multiply(4), scenes=rules, report=report)
    assert report.scenes.cuts == [3]
    assert report.made == 6
    assert torch.equal(output[::4], clip)
    for found, expected in zip(output[5:8], shown(clip[1], clip[2]), strict=True):
        assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.long
def test_animation_on_twos_is_retimed(network):
    drawings = pan(1, 4, 6)
    clip = torch.stack([drawing for drawing in drawings for _ in range(2)])
    report = Report()
    rules = SceneRules(repeats="retime")
    output = interpolate(network, clip, Timeline.multiply(2), scenes=rules, report=report)
    plain = interpolate(network, torch.stack(drawings), Timeline.multiply(4))
    assert report.scenes.runs == [(1, 2), (3, 4), (5, 6), (7, 8)]
    assert torch.allclose(output[:13], plain, atol=1e-6)
    assert torch.equal(output[13], clip[-1]) or torch.allclose(output[13], clip[-1], atol=0.2)
    assert torch.equal(output[::4], torch.stack(drawings)[: len(output[::4])])


@pytest.mark.long
def test_a_still_stretch_is_no_stutter(network):
    still = texture(1)
    clip = torch.stack([still] * 9 + pan(1, 3, 6)[1:])
    rules = SceneRules(repeats="retime")
    output = interpolate(network, clip, Timeline.multiply(2), scenes=rules)
    assert torch.equal(output[::2], clip)


@pytest.mark.parametrize(
    ("noise", "threshold", "runs"),
    [(2, 1.0, []), (2, 3.0, [(1, 3), (4, 6)]), (0, 0.0, [(1, 3), (4, 6)]), (1, 0.0, [])],
)
def test_how_alike_repeats_are_can_be_said(noise, threshold, runs):
    """Drawings on threes, in 8 bits, of which each picture but the first is brighter by steps."""
    clip = [(1 + 150 * texture(seed)).byte() for seed in (1, 1, 1, 2, 2, 2)]
    clip = [frame + noise * (index % 3) for index, frame in enumerate(clip)]
    report = SceneReport()
    rules = SceneRules(repeats="retime", repeat_threshold=threshold)
    list(spans(sources(clip), rules, report))
    assert report.runs == runs


@pytest.mark.parametrize(("longest", "stretches"), [(4, [4, 1]), (3, [1, 1, 1, 1, 1]), (9, [4, 1])])
def test_how_long_a_repeat_may_be_can_be_said(longest, stretches):
    clip = [texture(1)] * 4 + [texture(2), texture(3)]
    rules = SceneRules(repeats="retime", longest_repeat=longest)
    found = list(spans(sources(clip), rules, SceneReport()))
    assert [span.stop - span.start for span in found] == stretches


def test_rules_are_checked():
    with pytest.raises(ValueError, match=r"at_cut is 'morph'.*hold, nearest, blend"):
        SceneRules(at_cut="morph")
    with pytest.raises(ValueError, match="repeats is 'drop'"):
        SceneRules(repeats="drop")
