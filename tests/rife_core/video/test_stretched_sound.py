"""Sound along a curve of speed: markers at known times, levels, pitch, and every sample format."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from rife_video.rife_core.timeline.speed_curve import SpeedCurve, SpeedStretch
from rife_video.rife_core.video.stretched_sound import Stretch, stretched

RATE = 24000
MARKERS = (0.1, 0.5, 0.93, 1.31, 1.8)
MS = 1e-3


def frames_of(wave, kind="fltp", layout="stereo"):
    """C N in [-1, 1] as frames of uneven lengths."""
    scale, dtype, zero = {
        "fltp": (1, np.float32, 0),
        "s16": (32767, np.int16, 0),
        "s32p": (2**31 - 1, np.int32, 0),
        "u8": (127, np.uint8, 128),
        "dbl": (1, np.float64, 0),
    }[kind]
    for part in np.split(wave, [700, 1024, 5000, 5001], axis=1):
        if not part.size:
            continue
        values = (part * scale + zero).astype(dtype)
        if not kind.endswith("p"):
            values = values.T.reshape(1, -1)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(values), format=kind, layout=layout)
        frame.sample_rate = RATE
        yield frame


def markers(length=2.0):
    """Short clicks, on the right upside down."""
    wave = np.zeros((2, round(length * RATE)), np.float32)
    for time in MARKERS:
        wave[:, round(time * RATE)] = 0.9, -0.9
    return wave


def heard(wave, curve, keeps_pitch=False, **kind):
    frames = list(stretched(frames_of(wave, **kind), Stretch(curve, keeps_pitch)))
    assert {(frame.sample_rate, frame.format.name) for frame in frames} == {(RATE, "fltp")}
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1)


def moment_of(curve, place):
    """When a second of the source is heard, by bisection of the exact curve."""
    low, high = Fraction(0), Fraction(4096)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if curve.source_at(middle) < place else (low, middle)
    return float(low)


CURVES = ["0-:1", "0-:0.25", "0-:1.7", "0.4-0.6:0.25, 1-:2", "0.3-1.5s:0.3 ease, 1.5-:4 ease"]


@pytest.mark.parametrize("text", CURVES)
def test_markers_are_in_step_on_a_tape(text):
    curve = SpeedCurve.parse(text)
    found = heard(markers(), curve)
    assert np.allclose(found[0], -found[1], atol=1e-6)
    for time in MARKERS:
        due = moment_of(curve, Fraction(round(time * RATE), RATE))
        near = slice(max(0, round((due - 0.02) * RATE)), round((due + 0.02) * RATE))
        energy = found[0, near] ** 2
        times = np.arange(near.start, near.start + len(energy)) / RATE
        assert energy.max() > 0.01
        assert abs((energy * times).sum() / energy.sum() - due) < 0.1 * MS
    assert found.shape[1] / RATE == pytest.approx(moment_of(curve, 2), abs=0.1 * MS)


@pytest.mark.parametrize("keeps_pitch", [True, False])
def test_at_speed_1_the_very_samples_come_out(keeps_pitch):
    wave = np.random.default_rng(3).uniform(-0.9, 0.9, (2, 9000)).astype(np.float32)
    found = heard(wave, SpeedCurve.parse("0-:1"), keeps_pitch=keeps_pitch)
    assert np.allclose(found, wave, atol=1e-6)


@pytest.mark.parametrize("kind", ["fltp", "s16", "s32p", "u8", "dbl"])
def test_every_sample_format_keeps_level_and_channels(kind):
    time = np.arange(12000) / RATE
    wave = np.stack((0.5 * np.sin(2 * np.pi * 400 * time), 0.1 * np.ones_like(time)))
    found = heard(wave, SpeedCurve.parse("0-:0.5"), kind=kind)
    middle = found[:, 2000:-2000]
    assert middle[0].max() == pytest.approx(0.5, abs=0.01)
    assert np.allclose(middle[1], 0.1, atol=0.01)
    spectrum = np.abs(np.fft.rfft(middle[0]))
    assert spectrum.argmax() * RATE / middle.shape[1] == pytest.approx(200, abs=2)


def test_what_gets_too_high_to_be_heard_does_not_come_back_lower():
    time = np.arange(48000) / RATE
    wave = np.stack((np.sin(2 * np.pi * 8000 * time),) * 2)  # 24 kHz at three times the speed
    middle = heard(wave, SpeedCurve.parse("0-:3"))[0, 500:-500]
    assert np.abs(middle).max() < 0.02


@pytest.mark.parametrize("keeps_pitch", [True, False])
def test_nothing_is_nothing_and_a_constant_speed_may_be_any(keeps_pitch):
    curve = SpeedCurve((SpeedStretch(Fraction(0), None, Fraction(1, 1024)),))
    assert list(stretched(iter(()), Stretch(curve, keeps_pitch))) == []
    wave = np.ones((2, 30), np.float32)
    frames = frames_of(wave[:, :30])
    count = sum(frame.samples for frame in stretched(frames, Stretch(curve, keeps_pitch)))
    assert count == 30 * 1024


def test_mono_stays_mono():
    frame = AudioFrame.from_ndarray(np.ones((1, 50), np.float32), format="fltp", layout="mono")
    frame.sample_rate = RATE
    (out,) = stretched(iter([frame]), Stretch(SpeedCurve.parse("0-:1")))
    assert out.layout.name == "mono"
    assert isinstance(out, av.AudioFrame)
