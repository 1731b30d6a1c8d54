"""Frames in memory as a clip: times, parts, sound, and what is said of them."""

from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.video import ColorTags, MemoryReader, Part, PixelKind, excerpt
from support import moving_square

FPS = Fraction(24000, 1001)


def sound(seconds, rate=8000):
    return {
        "waveform": torch.arange(round(seconds * rate))[None, None].float(),
        "sample_rate": rate,
    }


def test_frames_come_with_their_times():
    clip = moving_square(5)
    reader = MemoryReader(clip, FPS, depth=10, color=ColorTags(9, 9, 16, 1))
    assert (reader.width, reader.height, reader.clock.count) == (52, 36, 5)
    assert reader.kind == PixelKind(ColorTags(9, 9, 16, 1), 10, source_chroma="444")
    times, frames = zip(*reader.timed(2), strict=True)
    assert times == (2 / FPS, 3 / FPS, 4 / FPS)
    assert torch.equal(torch.stack(frames), clip[2:])
    assert reader.identity() is None


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_frames(channels):
    reader = MemoryReader(torch.rand(2, 6, 8, channels), 8)
    assert reader.has_alpha == (channels == 4)
    assert reader.channels == 3
    assert next(reader.timed())[1].shape[2] == min(channels, 3)


def test_a_part_has_its_own_sound():
    clip = moving_square(6)
    part = excerpt(MemoryReader(clip, 12, audio=sound(0.5)), Part("2f", "4f"))
    assert torch.equal(torch.stack([frame for _, frame in part.timed()]), clip[1:4])
    assert [time for time, _ in part.timed()] == [0, Fraction(1, 12), Fraction(1, 6)]
    heard = part.audio["waveform"][0, 0]
    assert (heard[0], heard[-1] + 1) == (-(-8000 // 12), -(-4 * 8000 // 12))
    late = excerpt(MemoryReader(clip, 12), Part("0.1"))  # frame 2 is shown before
    assert torch.equal(next(late.timed())[1], clip[2])
    assert part.audio_codecs == ["pcm"]
    assert part.beside == ["audio (pcm)"]


def test_sound_lasts_no_longer_than_the_frames_and_the_rest_is_named():
    reader = MemoryReader(moving_square(3), 12, audio=sound(1))
    assert reader.audio["waveform"].shape[-1] == 2000
    assert reader.notes() == ["Sound goes on for 0.75 s after the last frame; that is left out."]
    assert MemoryReader(moving_square(3), 12, audio=sound(0.26)).notes() == []
    assert MemoryReader(moving_square(3), 12).audio is None
