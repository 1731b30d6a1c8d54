"""A clock as bytes comes back as it was."""

import dataclasses
from fractions import Fraction

import numpy as np
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
    same = {"ticks": CLOCK.ticks}
    assert dataclasses.replace(found, **same) == CLOCK


def test_an_even_clock_takes_next_to_nothing():
    even = dataclasses.replace(CLOCK, count=10**5, ticks=1001 * np.arange(10**5), keys=())
    assert len(pack_clock(even)) < 3000
