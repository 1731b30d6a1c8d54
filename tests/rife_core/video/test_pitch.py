"""Sound in its own pitch: clicks at known times, pitch and level of tones, both channels."""

from fractions import Fraction

import numpy as np
import pytest
from rife_video.rife_core.timeline.speed_curve import SpeedCurve
from rife_video.rife_core.video.pitch import pieces_in_pitch
from rife_video.rife_core.video.reel import Reel
from rife_video.rife_core.video.stretched_sound import _along

RATE = 24000
CLICKS = (0.1, 0.5, 0.93, 1.31, 1.8)
SECONDS = 2
CURVES = [
    *("0-:1", "0-:0.25", "0-:1.7", "0-:4", "0-:0.05"),
    *("0.4-0.6:0.25, 1-:2", "0.3-1.5s:0.3 ease, 1.5-:4 ease"),
]
TIME = np.arange(SECONDS * RATE) / RATE
BEDS = {
    "silence": 0 * TIME,
    "tone": 0.1 * np.sin(2 * np.pi * 220 * TIME),
    "noise": np.random.default_rng(7).uniform(-0.05, 0.05, TIME.shape),
}


def heard(wave, text):
    """What C N become along a curve."""
    curve = SpeedCurve.parse(text)

    def along(samples):
        places, speeds = _along(curve, samples / RATE)
        return places * RATE, speeds

    reel = Reel(iter(np.array_split(wave, 7, axis=1)), len(wave))
    return np.concatenate(list(pieces_in_pitch(reel, along, RATE)), axis=1)


def moment_of(text, place):
    """When a second of the source is heard, by bisection of the exact curve."""
    curve, low, high = SpeedCurve.parse(text), Fraction(0), Fraction(4096)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if curve.source_at(middle) < place else (low, middle)
    return float(low)


@pytest.mark.parametrize("bed", BEDS)
@pytest.mark.parametrize("text", CURVES)
def test_each_click_is_heard_once_and_at_its_moment(text, bed):
    """Within a millisecond; and nothing else is as loud."""
    wave = BEDS[bed][None].copy()
    wave[0, [round(click * RATE) for click in CLICKS]] = 0.9
    found = heard(wave, text)
    (clicks,) = np.nonzero(found[0] > 0.5)
    due = [moment_of(text, Fraction(round(click * RATE), RATE)) for click in CLICKS]
    assert clicks / RATE == pytest.approx(due, abs=1e-3)
    assert found.shape[1] / RATE == pytest.approx(moment_of(text, SECONDS), abs=1e-4)


def test_a_beat_that_swells_is_heard_when_it_is_loudest():
    times = (0.2, 0.61, 0.9, 1.2)
    wave = sum(np.exp(-(((TIME - time) / 2e-3) ** 2)) for time in times)
    wave = 0.8 * wave * np.sin(2 * np.pi * 3000 * TIME)
    found = heard(wave[None], "0-:0.5")[0] ** 2
    heard_at = np.arange(len(found)) / RATE
    for time in times:
        near = np.abs(heard_at - 2 * time) < 0.03
        middle = (found[near] * heard_at[near]).sum() / found[near].sum()
        assert middle == pytest.approx(2 * time, abs=1e-3)


@pytest.mark.parametrize("pitch", [60, 440, 3000])
@pytest.mark.parametrize("speed", [0.25, 0.8, 2])
def test_pitch_and_level_are_kept(pitch, speed):
    wave = np.stack((0.5 * np.sin(2 * np.pi * pitch * TIME), np.full(TIME.shape, 0.1)))
    found = heard(wave, f"0-:{speed}")[:, 2000:-2000]
    spectrum = np.abs(np.fft.rfft(found[0] * np.hanning(found.shape[1]))) ** 2
    band = np.abs(np.fft.rfftfreq(found.shape[1], 1 / RATE) - pitch) < 10
    assert spectrum[band].sum() > 0.99 * spectrum.sum()
    assert np.sqrt((found[0] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    assert np.allclose(found[1], 0.1, atol=1e-9)


def test_both_channels_move_together():
    wave = np.random.default_rng(2).uniform(-0.5, 0.5, (1, 20000))
    found = heard(np.concatenate((wave, -wave)), "0-:0.6")
    assert np.allclose(found[0], -found[1], atol=1e-9)
    assert found[0].std() > 0.9 * wave.std()


def test_at_speed_1_the_very_samples_come_out():
    wave = np.random.default_rng(3).uniform(-0.9, 0.9, (2, 9000))
    assert np.allclose(heard(wave, "0-:1"), wave, atol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_any_sound_along_any_curve_is_as_long_as_it_should_and_no_louder(seed):
    random = np.random.default_rng(seed)
    wave = random.uniform(-0.3, 0.3, (2, int(random.choice([1, 50, 999, RATE // 2]))))
    wave[:, random.integers(0, wave.shape[1], 20)] = 0.9
    speeds = random.choice(["0.02", "0.3 ease", "0.9", "1", "3 ease", "100"], 3)
    text = ", ".join(f"{k / 7:.3f}-{(k + 1) / 7:.3f}:{speed}" for k, speed in enumerate(speeds))
    found = heard(wave, text)
    assert np.abs(found).max() <= np.abs(wave).max() + 1e-9
    stops = [SpeedCurve.parse(text).source_at(Fraction(found.shape[1] - k, RATE)) for k in (1, 0)]
    assert stops[0] * RATE < wave.shape[1] + 1e-3
    assert stops[1] * RATE > wave.shape[1] - 1e-3
