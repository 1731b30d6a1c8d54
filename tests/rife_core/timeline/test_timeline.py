"""Timelines: counts, durations, order and exactness for any rate."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rife_video.rife_core.timeline import (
    ENDS,
    EVEN,
    LONGEST_STEP,
    WHOLE,
    Rhythm,
    Timeline,
    as_fraction,
)

rates = st.fractions(min_value=Fraction(1, 3), max_value=240, max_denominator=1001)


@pytest.mark.parametrize(
    ("timeline", "count", "expected"),
    [
        (Timeline.multiply(2), 49, 97),
        (Timeline.multiply(2, "keep_duration"), 49, 98),
        (Timeline.multiply(1), 49, 49),
        (Timeline.multiply(5, "keep_duration"), 2, 10),
        (Timeline.multiply(3), 1, 1),
        (Timeline.multiply(3), 0, 0),
        (Timeline.multiply(1024, schedule="1:1024"), 2, 1025),
        (Timeline.multiply(1, schedule="300-301:2, 300-302:3"), 304, 300 + 2 + 2 + 3 + 1),
        (Timeline.retime(24, 60), 25, 61),
        (Timeline.retime("24000/1001", "60000/1001", "keep_duration"), 24, 60),
        (Timeline.retime(30, 24), 31, 25),
        (Timeline.retime(Fraction(347, 3), Fraction(6154, 149)), 15, 5),  # a hair after the last
    ],
)
def test_counts(timeline, count, expected):
    assert timeline.output_count(count) == expected
    assert len(list(timeline.steps(count))) == expected


@given(st.fractions(1, 40, max_denominator=60), st.integers(2, 30), st.sampled_from(ENDS))
def test_fractional_multipliers_are_exact(multiplier, count, end):
    written = Timeline.multiply(str(multiplier), end)
    assert written == Timeline.multiply(multiplier, end)
    assert written.output_fps(24) == 24 * multiplier
    assert len(list(written.steps(count))) == written.output_count(count)
    places = [step.pair + step.timestep for step in written.steps(count)]
    moving = [place for place in places if place < count - 1 or end == "loop"]
    assert moving == [index / multiplier for index in range(len(moving))]


@given(rates, rates, st.integers(0, 40), st.sampled_from(ENDS))
def test_properties(source, target, count, end):
    timeline = Timeline.retime(source, target, end)
    steps = list(timeline.steps(count))
    assert len(steps) == timeline.output_count(count)
    assert timeline.output_fps(source) == target
    positions = [step.pair + step.timestep for step in steps]
    assert positions == sorted(positions)
    assert all(0 <= step.timestep < 1 for step in steps)
    if count > 1:
        assert positions[0] == 0
        assert positions[-1] < count if end == "loop" else positions[-1] <= count - 1
        duration = len(steps) / target
        if end == "last_frame":
            assert 0 <= (count - 1) / source - (len(steps) - 1) / target < 1 / target
        else:
            assert 0 <= duration - count / source < 1 / target
    moving = [p for p in positions if p < count - 1 or end == "loop"]
    assert moving == [k * timeline.step for k in range(len(moving))]


@given(st.integers(1, 12), st.integers(2, 30))
def test_a_multiplier_keeps_every_source_frame(multiplier, count):
    for end in ENDS:
        steps = list(Timeline.multiply(multiplier, end).steps(count))
        sources = {step.pair for step in steps if step.timestep == 0}
        assert sources == set(range(count))
        if end == "last_frame":
            assert steps[-1] == (count - 1, 0)


schedules = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4), st.integers(1, 6)), max_size=3)


@given(schedules, st.integers(1, 4), st.integers(2, 14), st.sampled_from(ENDS))
def test_schedules(entries, rest, count, end):
    text = ", ".join([f"{a}-{a + more}:{m}" for a, more, m in entries] + [f"rest {rest}"])
    timeline = Timeline.multiply(7, end, text)

    def multiplier(pair):
        chosen = (m for a, more, m in entries if a <= pair + 1 <= a + more)
        return next(chosen, rest)

    steps = list(timeline.steps(count))
    assert len(steps) == timeline.output_count(count)
    for pair in range(count - 1):
        m = multiplier(pair)
        assert [s.timestep for s in steps if s.pair == pair] == [Fraction(k, m) for k in range(m)]
    last = [s for s in steps if s.pair == count - 1]
    m = multiplier(count - 1)
    assert len(last) == (1 if end == "last_frame" else m)
    assert [s.timestep * m for s in last] == (list(range(m)) if end == "loop" else [0] * len(last))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1-10", "'1-10' cannot be read"),
        ("5:2, fast", "'fast' cannot be read"),
        ("0:2", "names no pair"),
        ("4-2:2", "names no pair"),
        ("1:0", "multiplier is 0"),
        ("rest 5000", "multiplier is 5000"),
    ],
)
def test_schedules_that_cannot_be_read(text, message):
    with pytest.raises(ValueError, match=message):
        Timeline.multiply(2, schedule=text)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (23.976, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (float(Fraction(30000, 1001)), Fraction(30000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        (119.88, Fraction(120000, 1001)),
        (8.0, 8),
        (24, 24),
        (12.5, Fraction(25, 2)),
        (7.99, Fraction(799, 100)),
        (1 / 3, Fraction(1, 3)),
        (999, 999),
        ("24000/1001", Fraction(24000, 1001)),
        ("59939/1000", Fraction(59939, 1000)),
        (Fraction(123456, 5000), Fraction(123456, 5000)),
    ],
)
def test_frame_rates_are_read_as_meant(written, meant):
    assert as_fraction(written) == meant


@pytest.mark.parametrize("fps", [0.001, "1/1000", 10**6, 1e6])
def test_the_slowest_and_the_fastest_rate(fps):
    assert as_fraction(fps) == Fraction(str(fps))


@pytest.mark.parametrize(
    "fps",
    [0, -24, 0.000999, "1/1001", 10**6 + 1, float("nan"), float("inf"), "fast", "24/0", None],
)
def test_impossible_frame_rates(fps):
    with pytest.raises(ValueError, match="must be a positive number"):
        as_fraction(fps)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Timeline.multiply(0), "multiplier is 0"),
        (lambda: Timeline.multiply(0.5), "multiplier is 0.5"),
        (lambda: Timeline.multiply(1025), "multiplier is 1025; it must be from 1 to 1024"),
        (lambda: Timeline.multiply(2, schedule="1:1025"), "multiplier is 1025"),
        (lambda: Timeline.multiply("1e99999999"), "multiplier is '1e99999999'"),
        (lambda: Timeline.multiply("fast"), "multiplier is 'fast'"),
        (lambda: Timeline.multiply(2.5, schedule="1:4"), "needs a whole multiplier"),
        (lambda: Timeline.multiply(2, "never"), "last_frame, keep_duration, loop"),
        (lambda: Timeline(Fraction(0)), "step is 0"),
        (
            lambda: Timeline(
                Fraction(2, 5), schedule=Timeline.multiply(2, schedule="1:2").schedule
            ),
            "exclude each other",
        ),
    ],
)
def test_impossible_timelines(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("stop", "begins"),
    [(1, 0), (LONGEST_STEP, 0), (LONGEST_STEP + 1, LONGEST_STEP), (60, 59)],
)
def test_motion_is_spread_over_a_few_intervals_and_a_longer_hold_stands_still(stop, begins):
    """At 24 frames a second and from any start."""
    interval, start = Fraction(1, 24), Fraction(7, 3)
    rhythm = Rhythm(interval, interval)
    assert rhythm.moves_from(start, start + stop * interval) == start + begins * interval


def test_numbered_frames_are_one_apart_and_a_whole_clip_begins_before_all_of_them():
    assert EVEN == (1, 1, LONGEST_STEP)
    assert WHOLE.start < 0
    assert WHOLE.stop is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (Fraction(5, 2**31 - 1), Fraction(5, 2**31 - 1)),
        (Fraction(2**31 - 1, 2**31 - 3), Fraction(2**31 - 1, 2**31 - 3)),
        (Fraction(3, 2**31), Fraction(2, 1431655765)),
    ],
)
def test_rates_fit_the_fractions_of_video_files(written, meant):
    """Two 32-bit integers; a finer rate becomes the nearest one that fits."""
    found = as_fraction(written)
    assert found == meant
    assert max(found.numerator, found.denominator) < 2**31
