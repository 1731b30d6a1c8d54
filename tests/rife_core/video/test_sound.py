"""Sound that is encoded: gapless, in step, in a codec of the file type."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from rife_video.rife_core.video.sound import in_step, sound_of, ways_to_encode

RATE = 8000


def packet(samples, begin):
    """A packet of PCM that counts up from `begin`."""
    decoder = av.CodecContext.create("pcm_s16le", "r")
    decoder.sample_rate, decoder.layout = RATE, "mono"
    made = av.Packet(np.arange(begin, begin + samples).astype("<i2").tobytes())
    made.pts, made.time_base = begin, Fraction(1, RATE)

    class Sent:
        def decode(self):
            return decoder.decode(made)

    return Sent()


def heard(packets, start=0, stop=None, shown=RATE, told=None):
    times = (Fraction(start, RATE), stop and Fraction(stop, RATE), Fraction(shown, RATE))
    notes = []
    frames = list(in_step(packets, RATE, *times, notes.append))
    assert notes == ([] if told is None else [told])
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).tolist()


def test_a_gap_is_silent_and_what_follows_is_in_step():
    samples = heard([packet(1000, 0), packet(1000, 3000)])
    assert samples == [*range(1000), *[0] * 2000, *range(3000, 4000)]


def test_a_wrong_time_makes_no_years_of_silence():
    told = "What {name} plays from 8.00 s on is left out: the picture ends at 0.19 s."
    packets = [packet(1000, 0), packet(1000, 1000), packet(9, 8 * RATE)]
    assert heard(packets, shown=1500, told=told) == [*range(2000)]


def test_sound_before_the_picture_is_named():
    told = "What {name} plays before the first picture is left out."
    samples = heard([packet(1000, 0)], start=700, told=told)
    assert samples == [*range(700, 1000)]


def test_sound_that_cannot_be_decoded_is_silent_and_named():
    class Broken:
        def decode(self):
            raise av.error.InvalidDataError(1, "broken")

    packets = [packet(1000, 0), Broken(), packet(1000, 3000)]
    told = "Some of {name} cannot be decoded and is silent."
    assert heard(packets, told=told) == [*range(1000), *[0] * 2000, *range(3000, 4000)]


def test_sound_begins_with_the_picture_and_ends_with_the_part():
    assert heard([packet(1000, 0), packet(1000, 1000)], start=700, stop=500) == [*range(700, 1200)]


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"), [(".mp4", "aac", 22050), (".webm", "libopus", 48000)]
)
def test_a_waveform_gets_the_codec_and_a_rate_of_the_file_type(suffix, codec, rate):
    wave = {"waveform": torch.rand(1, 6, 3000), "sample_rate": 22050}
    sound, frames = sound_of(wave, suffix)
    assert sound == (codec, rate, "5.1")
    assert sum(frame.samples for frame in frames) == 3000


def test_channels_are_kept_first_and_given_up_last(tmp_path):
    with av.open(tmp_path / "a.mkv", "w") as container:
        stream = container.add_stream("flac", rate=44100)
        stream.layout = "5.1"
        ways = ways_to_encode(stream, ".mkv")
    assert [(way.codec, way.layout) for way in ways] == [
        *(("flac", "5.1"), ("flac", "stereo")),
        *(("aac", "5.1"), ("aac", "stereo")),
    ]
