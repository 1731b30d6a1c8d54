"""Uneven pacing: timesteps of painted motion against the truth, and where there is none to tell."""

from fractions import Fraction
from itertools import pairwise
from math import cos, pi
from types import SimpleNamespace

import pytest
import torch
from rife_video.rife_core.checkpoints.rife import DEFAULT, find_weights, load_rife
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.pacing import Pace, motion, paced
from rife_video.rife_core.engine.scenes import SceneReport, SceneRules, Span, spans
from rife_video.rife_core.timeline import Rhythm, Timeline
from support import drawn_disc, texture

DRAWN = (0, 2, 5, 7, 10, 13, 15, 18, 20, 23)
"""Frames at which a new drawing begins: on twos and threes."""
MOVES = {
    "eases in and out": lambda time: 60 * (1 - cos(pi * time / 23)) / 2,
    "speeds up": lambda time: 60 * (time / 23) ** 2,
    "slows down": lambda time: 60 * (1 - (1 - time / 30) ** 2),
    "moves evenly": lambda time: 60 * time / 23,
}


def clip_of(move):
    """24 frames; each drawing is where the object is when it begins."""
    shown = [max(start for start in DRAWN if start <= frame) for frame in range(24)]
    return [drawn_disc(move(start)) for start in shown]


def timing_error(found, move):
    """How far what is shown is from the truth, in pixels, in the mean over all moments between."""
    errors = []
    for span in found:
        left, right = move(float(span.start)), move(float(span.stop))
        for step in range(1, 8):
            timestep = Fraction(step, 8)
            way = span.pace.at(timestep) if span.pace else timestep
            truth = move(float(span.start + timestep * (span.stop - span.start)))
            errors.append(abs(left + float(way) * (right - left) - truth))
    return sum(errors) / len(errors)


def spans_of(clip):
    sources = ((Fraction(k), SimpleNamespace(frame=frame)) for k, frame in enumerate(clip))
    return list(spans(sources, SceneRules(repeats="retime"), SceneReport()))


@pytest.fixture(scope="module")
def measure():
    return motion(load_rife(find_weights(DEFAULT, ())).eval())


@pytest.mark.parametrize("name", MOVES)
def test_timing_is_nearer_to_the_truth_than_even_spacing(measure, name):
    """Motion is measured by the bundled network; even motion stays within a quarter pixel."""
    move = MOVES[name]
    even = spans_of(clip_of(move))
    assert [span.start for span in even] == list(DRAWN[:-1])
    found = list(paced(even, measure, None))
    before, after = timing_error(even, move), timing_error(found, move)
    if name == "moves evenly":
        assert before < 1e-9
        assert after < 0.25
    else:
        assert after < 0.6 * before


def test_even_acceleration_is_met_exactly():
    """With known distances, within what the fractions can tell."""
    move = MOVES["speeds up"]
    even = [
        Span(SimpleNamespace(frame=a), SimpleNamespace(frame=b), Fraction(a), Fraction(b), False)
        for a, b in pairwise(DRAWN)
    ]
    found = list(paced(even, lambda a, b: move(b) - move(a), None))
    assert timing_error(found[1:-1], move) < 0.01
    assert all(span.start == other.start for span, other in zip(even, found, strict=True))


@pytest.mark.parametrize("pace", [Pace(1, 1), Pace(0, 3), Pace(3, 3), Pace(3, 0), Pace(0, 0)])
def test_no_pace_runs_backwards_or_leaves_its_span(pace):
    ways = [pace.at(Fraction(k, 64)) for k in range(1, 64)]
    assert ways == sorted(ways)
    assert ways[0] > 0
    assert ways[-1] < 1


def span(start, stop, *, is_cut=False):
    still = SimpleNamespace(frame=torch.zeros(1, 1, 3))
    return Span(still, still, Fraction(start), Fraction(stop), is_cut)


def test_cuts_stills_and_holds_are_ends():
    """Nothing is learned from the other side of a cut, nor from what stands still."""
    distances = iter([1.0, 4.0, 0.0, 2.0, 5.0])
    found = [span(0, 1), span(1, 2), span(2, 3), span(3, 4), span(4, 5, is_cut=True), span(5, 6)]
    result = list(paced(found, lambda a, b: next(distances), None))
    assert result[0].pace == Pace(1, 2.5)
    assert result[1].pace == Pace(0.625, 1)
    assert result[2].pace is None
    assert result[3].pace == Pace(1, 1)
    assert result[4].pace is None
    assert result[5].pace == Pace(1, 1)


def test_the_speed_where_two_spans_meet_is_that_of_a_parabola():
    """Through 0 at 0, 1 at 1 and 5 at 3: its slope at 1 is 4/3; the spans' are 1 and 2."""
    distances = iter([1.0, 4.0])
    found = paced([span(0, 1), span(1, 3)], lambda a, b: next(distances), None)
    assert [each.pace for each in found] == [
        Pace(1, pytest.approx(4 / 3)),
        Pace(pytest.approx(2 / 3), 1),
    ]


def test_no_speed_is_above_three_times_the_mean():
    distances = iter([1.0, 10.0])
    found = paced([span(0, 1), span(1, 2)], lambda a, b: next(distances), None)
    assert [each.pace for each in found] == [Pace(1, 3), Pace(pytest.approx(0.55), 1)]


@pytest.mark.parametrize(("slow", "entry"), [(0.51, 0.5255), (0.49, 1)])
def test_what_moves_less_than_a_twentieth_as_far_stands_still(slow, entry):
    distances = iter([slow, 10.0])
    _, fast = paced([span(0, 1), span(1, 2)], lambda a, b: next(distances), None)
    assert fast.pace == Pace(pytest.approx(entry), 1)


def test_no_span_and_one_span_have_no_neighbours():
    assert list(paced([], lambda a, b: 1.0, None)) == []
    (only,) = paced([span(0, 1)], lambda a, b: 1.0, None)
    assert only.pace == Pace(1, 1)


def test_motion_is_measured_on_frames_of_256_pixels(measure):
    """A pan, by pixels of them; of one channel, of bytes, and with values that are none."""
    wide = texture(1, 48, 268)
    left, right = wide[:, :256], wide[:, 8:264]
    assert measure(left, right) == pytest.approx(8, rel=0.1)
    assert measure(left, left) == pytest.approx(0, abs=0.4)
    large = [each.repeat_interleave(2, 0).repeat_interleave(2, 1) for each in (left, right)]
    assert measure(*large) == pytest.approx(measure(left, right), rel=0.01)
    assert measure(left[:, ::4], right[:, ::4]) == pytest.approx(2, rel=0.25)
    grey = [each[..., :1] for each in (left, right)]
    assert measure(*grey) == measure(*(each.expand(-1, -1, 3) for each in grey))
    in_bytes = [(each * 255).round().byte() for each in (left, right)]
    assert measure(*in_bytes) == pytest.approx(measure(left, right), rel=0.05)
    broken = left.clone()
    broken[0, 0] = float("nan")
    assert measure(broken, right) == pytest.approx(measure(left, right), rel=0.1)


def test_a_long_hold_moves_in_its_last_interval():
    distances = iter([1.0, 1.0, 1.0])
    found = [span(0, 1), span(1, 21), span(21, 22)]
    rhythm = Rhythm(Fraction(1), Fraction(1))
    result = list(paced(found, lambda a, b: next(distances), rhythm))
    assert [each.pace for each in result] == [Pace(1, 1)] * 3


@pytest.mark.long
def test_the_engine_follows_the_pace(measure):
    """Frames of an accelerating disc are nearer to it than those of even steps."""
    network = load_rife(find_weights(DEFAULT, ())).eval()
    move = MOVES["eases in and out"]
    clip = torch.stack(clip_of(move))
    truth = torch.stack([drawn_disc(move(frame)) for frame in range(24)])
    error = {}
    for pacing in ("even", "eased"):
        rules = SceneRules(repeats="retime", pacing=pacing)
        output = interpolate(network, clip, Timeline.multiply(1), scenes=rules, scale=1.0)
        error[pacing] = float((output - truth)[:21].square().mean())
    assert error["eased"] < 0.98 * error["even"]
