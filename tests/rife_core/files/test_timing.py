"""Options of time as plain values."""

from dataclasses import fields
from fractions import Fraction
from types import SimpleNamespace

import pytest
from rife_video.rife_core.files.jobs import Recipe
from rife_video.rife_core.files.timing import Timing
from rife_video.rife_core.timeline import Timeline

RATE = Fraction(24)


def test_what_is_asked_becomes_timeline_and_rules():
    asked = Timing(fps="60", speed="0-1s:0.5", blur=180.0, exposures=4, cuts="9", pacing="eased")
    timeline, scenes = asked.timeline(RATE), asked.scenes
    assert (timeline.step, timeline.exposures) == (Fraction(2, 5), 4)
    assert timeline.speed.source_at(Fraction(2)) == 1
    assert (scenes.cuts, scenes.pacing, scenes.replaced) == ({9}, "eased", frozenset())


def test_frames_to_replace_are_named_or_found():
    named, found = Timing(replace="3-4"), Timing(replace=" auto ")
    assert (named.finds_frames, named.scenes.replaced) == (False, {3, 4})
    assert (found.finds_frames, found.scenes.replaced) == (True, frozenset())
    assert (named.scenes.repeats, found.scenes.repeats) == ("keep", "retime")
    assert named.timeline(RATE) == Timeline.multiply(1)
    assert Timing(replace="3", multiplier="5/2").timeline(RATE) == Timeline.multiply("5/2")
    assert Timing().timeline(RATE) == Timeline.multiply(2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fps": "60", "schedule": "1:4"}, "--fps goes with neither"),
        ({"speed": "0-1:2", "slow_motion": True}, "both say how fast"),
        ({"speed": "0-1:2", "schedule": "1:4"}, "exclude each other"),
        ({"blur": 180.0, "replace": "3"}, "averages every frame"),
        ({"blur": 400.0}, "up to 360"),
        ({"multiplier": 0}, "from 1 to 1024"),
        ({"speed": "fast"}, "cannot be read"),
        ({"replace": "all"}, "cannot be read"),
        ({"cuts": "one"}, "cannot be read"),
        ({"longest_repeat": 1}, "from 2 to 240"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options, words):
    with pytest.raises(ValueError, match=words):
        Timing(**options)


def test_a_recipe_has_them_all():
    names = {field.name for field in fields(Timing)}
    assert names < {field.name for field in fields(Recipe)}
    asked = Timing(multiplier=3, speed="1-2:0.5", at_cut="nearest", repeats="retime")
    assert Timing.of(SimpleNamespace(**vars(asked))) == asked
    assert Recipe("weights", **vars(asked)).timing == asked
