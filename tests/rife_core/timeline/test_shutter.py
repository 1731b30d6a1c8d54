"""Shutters: the moments of exposures, and timelines that have one."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rife_video.rife_core.timeline import ENDS, Timeline
from rife_video.rife_core.timeline.shutter import Shutter

rates = st.fractions(min_value=Fraction(1, 3), max_value=240, max_denominator=1001)
shutters = st.builds(Shutter, st.fractions(1, 360, max_denominator=7), st.integers(2, 9))


@pytest.mark.long
@example(Fraction(347, 3), Fraction(6154, 149), Shutter(Fraction(1), 2), 15, "last_frame")
@given(rates, rates, shutters, st.integers(2, 30), st.sampled_from(ENDS))
def test_each_frame_is_exposed_from_its_own_moment_on(source, target, shutter, count, end):
    """The same frames as without a shutter, and so many places for each but the last."""
    plain = Timeline.retime(source, target, end)
    exposed = replace(plain, shutter=shutter)
    assert exposed.output_count(count) == plain.output_count(count)
    places = [step.pair + step.timestep for step in exposed.steps(count)]
    groups = [places[i : i + shutter.exposures] for i in range(0, len(places), shutter.exposures)]
    assert len(groups) == plain.output_count(count)
    bases = [step.pair + step.timestep for step in plain.steps(count)]
    assert [group[0] for group in groups] == bases
    open_for = plain.step * shutter.angle / 360
    for base, group in zip(bases, groups[:-1], strict=False):
        if group[-1] < count - 1:  # what is shown after the last source frame is that frame
            due = [base + open_for * k / shutter.exposures for k in range(shutter.exposures)]
            assert group == due


@pytest.mark.long
@given(shutters, st.integers(1, 4), st.integers(2, 9))
def test_a_schedule_and_a_part_are_exposed_too(shutter, multiplier, count):
    text = f"2-3:{multiplier}, rest 2"
    plain = Timeline.multiply(2, schedule=text)
    exposed = replace(plain, shutter=shutter)
    assert exposed.output_count(count) == plain.output_count(count)
    assert exposed.within(0, count)[:: shutter.exposures] == plain.within(0, count)
    parts = Timeline.retime(24, 60)
    whole = len(list(replace(parts, shutter=shutter).places(0, count)))
    assert whole == replace(parts, shutter=shutter).count(0, count)


@pytest.mark.parametrize(
    ("angle", "exposures", "words"),
    [
        (0, 8, "angle is 0"),
        (-1, 8, "angle is -1"),
        (361, 8, "up to 360"),
        (180, 1, "the mean of 2 to 256"),
        (180, 257, "257 exposures"),
    ],
)
def test_impossible_shutters(angle, exposures, words):
    with pytest.raises(ValueError, match=words):
        Shutter(Fraction(angle), exposures)


@pytest.mark.parametrize("shutter", [Shutter(Fraction(1, 7), 2), Shutter.of(360, 256)])
def test_shutters_at_the_bounds(shutter):
    assert shutter.moment(0) == 0
    assert shutter.moment(1) == shutter.angle / 360 / shutter.exposures
    assert shutter.moment(shutter.exposures) == 1


@pytest.mark.parametrize("degrees", [float("inf"), 0.0, -0.5, 360.5])
def test_an_angle_may_be_no_finite_number(degrees):
    with pytest.raises(ValueError, match=r"^The shutter angle is .*above 0 and up to 360 degrees"):
        Shutter.of(degrees)


@given(shutters, st.fractions(0, 5, max_denominator=60))
def test_the_first_exposure_from_a_moment_on(shutter, moment):
    index = shutter.index(moment)
    assert shutter.moment(index) >= moment
    assert index == 0 or shutter.moment(index - 1) < moment


def test_reports_name_angle_and_exposures():
    assert str(Shutter(Fraction(361, 2), 4)).startswith("the shutter is open for 180.5 degrees;")
    assert "the mean of 4 exposures" in str(Shutter(Fraction(180), 4))
