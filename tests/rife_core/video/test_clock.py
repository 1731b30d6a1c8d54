"""Clocks from times that packets tell: known answers, without files."""

from fractions import Fraction

import numpy as np
import pytest
from rife_video.rife_core.video.clock import Clock, KeyFrame, Scan, Shift, clock_of, shifted

NO_TIME = -(2**63)
FILM = Fraction(24000, 1001)


def seen(pts, tick=Fraction(1, 1000), dts=None, keys=(0,), duration=0):
    pts = np.array(pts, np.int64)
    is_key = np.zeros(len(pts), np.bool_)
    is_key[list(keys)] = True
    dts = pts if dts is None else np.array(dts, np.int64)
    return Scan(tick, pts, dts, is_key, [0], duration, {}, None)


def clock(scan, *rates, **options):
    return clock_of(scan, None, None, rates or (Fraction(25),), **options)


def test_rounded_times_of_an_even_beat_are_even():
    times = [round(1000 * n / FILM) for n in range(50)]
    found = clock(seen(times), FILM)
    assert (found.count, found.constant, found.fps) == (50, True, FILM)
    assert found.end == found.time(49) + 1 / FILM


def test_a_rate_that_the_file_states_wrongly_is_not_believed():
    assert clock(seen(range(0, 1000, 40)), Fraction(30)).fps == 25


def test_a_picture_that_stays_is_held():
    found = clock(seen([0, 40, 80, 120, 2120, 2160]))
    assert (found.constant, found.fps) == (False, 25)
    assert [found.time(n) for n in (3, 4)] == [Fraction(12, 100), Fraction(212, 100)]
    last = clock(seen([0, 40, 80], duration=5000))
    assert (last.constant, last.end) == (False, Fraction(508, 100))


def test_frames_are_shown_in_the_order_of_their_times():
    """Coded I P B B: the open key frame at 120 ms is coded before a frame shown earlier."""
    found = clock(seen([0, 40, 120, 80, 160], keys=(0, 2)))
    assert found.ticks.tolist() == [0, 40, 80, 120, 160]
    assert found.keys == (KeyFrame(0, 0, False), KeyFrame(3, 2, True))
    assert [key.frame for key in found.starts_before(4)] == [0]  # one key frame earlier
    assert [key.frame for key in found.starts_before(2)] == [0]


def test_without_times_they_are_dealt_out():
    found = clock(seen([NO_TIME] * 4, dts=[NO_TIME] * 4), Fraction(50))
    assert (found.count, found.dealt, found.fps) == (4, True, 50)
    assert found.time(3) == Fraction(3, 50)
    by_decoding = clock(seen([NO_TIME] * 4, dts=[0, 20, 40, 60]))
    assert (by_decoding.dealt, by_decoding.fps) == (True, 50)


@pytest.mark.parametrize("count", [0, 1])
def test_one_frame_and_none_keep_the_stated_rate(count):
    found = clock(seen(range(count), keys=()), Fraction(30))
    assert (found.count, found.fps, found.end) == (count, 30, Fraction(count, 30))


def test_frames_that_cannot_be_decoded_do_not_count():
    found = clock_of(seen([0, 40, 80, 120]), None, 80, (Fraction(25),))
    assert (found.count, found.time(1)) == (2, Fraction(4, 100))


def test_packets_after_a_seam_come_later():
    class Packet:
        size, time_base = 1, Fraction(1, 10)

        def __init__(self, pts):
            self.pts = self.dts = pts

    packets = [Packet(time) for time in (0, 1, 0, 1)]
    moved = shifted(packets, [Shift(2, Fraction(3, 10))])
    assert [(packet.pts, packet.dts) for packet in moved] == [(0, 0), (1, 1), (3, 3), (4, 4)]


def test_the_interval_is_that_of_the_rate():
    ticks = np.arange(3)
    assert Clock(3, True, FILM, ticks, 1 / FILM, 3 / FILM, 3).interval == Fraction(1001, 24000)
