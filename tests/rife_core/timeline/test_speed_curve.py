"""Speed curves against their integral, and what cannot be read."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.timeline.speed_curve import SpeedCurve

CURVES = [
    "0-2s:1, 2-3s:0.25 ease, 3s-:1",
    "1-2:4 ease, 2-3:0.5 ease, 3-4:2",
    "0.5-1.5s:50%",
    "0-1:3 ease",
]


@pytest.mark.parametrize("text", CURVES)
def test_places_are_the_integral_of_speed(text):
    curve = SpeedCurve.parse(text)
    step = Fraction(1, 512)  # a power of two, or the fractions grow long
    times = [step * number for number in range(8 * 512 + 1)]
    speeds = [float(curve.speed_at(time)) for time in times]
    integral = np.cumsum([0, *(np.array(speeds[1:]) + speeds[:-1]) / 2]) * float(step)
    places = [float(curve.source_at(time)) for time in times]
    assert np.abs(integral - places).max() < 2e-3  # jumps of speed cost a step
    assert (np.diff(places) > 0).all()


def test_an_eased_speed_has_no_jump_and_leaves_its_stretch_where_it_should():
    curve = SpeedCurve.parse("2-3s:0.25 ease")
    times = [Fraction(k, 1000) for k in range(8000)]
    speeds = [curve.speed_at(time) for time in times]
    assert max(abs(a - b) for a, b in pairwise(speeds)) < Fraction(1, 100)
    assert min(speeds) == Fraction(1, 4)
    # Speed is 0.25 for half of the stretch and 0.625 on average for the rest: 1 / 0.4375 s.
    assert curve.source_at(2 + 1 / Fraction(7, 16)) == 3
    assert isinstance(curve.source_at(Fraction(5, 2)), Fraction)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("fast", "'fast' cannot be read"),
        ("2-1:1", "ends before it begins"),
        ("2-2:1", "ends before it begins"),
        ("0-1:100.1", "from 0.001 to 100"),
        ("0-1:0.0009", "from 0.001 to 100"),
        ("0-1:0.09%", "from 0.001 to 100"),
        ("0-1:1 fast", "cannot be read"),
        ("1234567890-:1", "cannot be read"),
        ("0-2:1, 1-3:2", "Two speeds are given for second 1"),
        ("0-:1, 3-4:2", "Two speeds"),
        ("0-1:0", "must be from 0.001 to 100"),
        ("0-1:-1", "cannot be read"),
    ],
)
def test_what_is_no_curve_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        SpeedCurve.parse(text)


@pytest.mark.parametrize("text", CURVES)
def test_a_timeline_shows_the_places_of_the_curve(text):
    curve = SpeedCurve.parse(text)
    timeline = replace(Timeline.multiply(3), speed=curve, second=Fraction(10))
    places = timeline.within(0, 50)
    assert places == [10 * curve.source_at(Fraction(k, 30)) for k in range(len(places))]
    assert 10 * curve.source_at(Fraction(len(places), 30)) >= 50
    spans = [timeline.within(start, start + 1) for start in range(50)]
    assert [place for span in spans for place in span] == places
    assert timeline.count(0, 50) == len(places)


@pytest.mark.parametrize(
    ("text", "stretches"),
    [
        ("0-1:0.001", [(0, 1, Fraction(1, 1000), False)]),
        ("0 - 1.5 s : 100x", [(0, Fraction(3, 2), 100, False)]),
        ("0.25s-:50% EASE", [(Fraction(1, 4), None, Fraction(1, 2), True)]),
        ("1-2:3; 0-1:2\n", [(0, 1, 2, False), (1, 2, 3, False)]),
    ],
)
def test_ways_to_write_a_curve(text, stretches):
    assert list(SpeedCurve.parse(text).stretches) == stretches


@pytest.mark.parametrize(
    ("text", "speeds"),
    [
        ("0-1:3 ease", {0: 3, Fraction(1, 8): 3}),
        ("0-1:4 ease, 1-2:2 ease", {0: 4, Fraction(8, 31): 3}),  # 3.875 on average till then
        ("1-2:3", {Fraction(1, 2): 1, 1: 3, Fraction(5, 4): 3, Fraction(4, 3): 1, 9: 1}),
        ("1-:3 ease", {Fraction(1, 2): 1, 1: 3, 50: 3}),
    ],
)
def test_speeds_of_stretches_and_where_they_meet(text, speeds):
    curve = SpeedCurve.parse(text)
    for time, speed in speeds.items():
        assert curve.speed_at(Fraction(time)) == speed, time


def test_before_the_beginning_the_first_speed_runs_backwards():
    curve = SpeedCurve.parse("0-1:2, 1-:4")
    assert curve.source_at(Fraction(-1)) == -2
    assert curve.speed_at(Fraction(-1)) == 2
    assert curve.source_at(Fraction(2)) == 1 + 4 * Fraction(3, 2)
