"""A clock as bytes comes back as it was."""

import dataclasses
import random
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from rife_video.rife_core.video.clock import Clock, KeyFrame, Shift
from rife_video.rife_core.video.clock_file import pack_clock, unpack_clock

CLOCK = Clock(
    4,
    False,
    Fraction(24000, 1001),
    np.array([0, 1001, 2002, 9000], np.int64),
    Fraction(1, 24000),
    Fraction(10001, 24000),
    6,
    dealt=True,
    seams=(2,),
    shifts={1: [Shift(3, Fraction(1, 3))], 0: [Shift(0, Fraction(-2)), Shift(5, Fraction(7))]},
    damage="after frame 4: broken",
    keys=(KeyFrame(0, 0, False), KeyFrame(3, 4, True)),
)


def test_everything_comes_back():
    found = unpack_clock(pack_clock(CLOCK))
    assert found.ticks.tolist() == CLOCK.ticks.tolist()
    assert found.ticks.dtype == np.int64
    # Python 3.13 compares arrays by value even where they are the same one.
    rest = [{**vars(clock), "ticks": None} for clock in (found, CLOCK)]
    assert rest[0] == rest[1]


def test_an_even_clock_takes_next_to_nothing():
    even = dataclasses.replace(CLOCK, count=10**5, ticks=1001 * np.arange(10**5), keys=())
    assert len(pack_clock(even)) < 3000


def test_what_was_changed_is_refused():
    """Or it is a clock all the same, where a checksum does not cover what was changed."""
    whole = pack_clock(CLOCK)
    for content in (b"", b"x" * 1000, whole[:-30], whole[:50], whole.replace(b"keys", b"kays")):
        with pytest.raises(ValueError, match="damaged"):
            unpack_clock(content)
    for seed in range(300):
        draw, content = random.Random(seed), bytearray(whole)
        for _ in range(draw.choice((1, 4))):
            content[draw.randrange(len(content))] = draw.randrange(256)
        with suppress(ValueError):
            assert isinstance(unpack_clock(bytes(content)), Clock)
