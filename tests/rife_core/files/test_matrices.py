"""Each kind of sound and of pixels in each file type: kept, or changed with a note."""

import av
import matrices
import pytest
import torch
from rife_video.rife_core.video import VideoReader

pytestmark = pytest.mark.slow
STATED = matrices.stated()
LARGEST_DIFFERENCE = 4  # of 255, on average: what lossy encoders and halved colour leave


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    return {name: matrices.write_sound(folder, name) for name in matrices.SOUNDS}


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pixels")
    return {name: matrices.write_pixels(folder, name) for name in matrices.PIXELS}


def heard(path):
    """How loud each channel of the first sound track is, and when it ends in seconds."""
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        resampler = av.AudioResampler("fltp", track.layout, track.rate)
        frames = list(container.decode(track))
        chunks = [
            torch.from_numpy(chunk.to_ndarray())
            for frame in [*frames, None]
            for chunk in resampler.resample(frame)
        ]
        wave = torch.cat(chunks, dim=1)
        start = float(frames[0].pts * frames[0].time_base) - container.start_time / av.time_base
        return wave.square().mean(1).sqrt(), start + wave.shape[1] / track.rate


@pytest.mark.parametrize("suffix", matrices.SOUND_TYPES)
@pytest.mark.parametrize("name", matrices.SOUNDS)
def test_sound_is_kept_or_encoded_with_a_note(tmp_path, network, sounds, name, suffix):
    source, result = sounds[name], tmp_path / f"out{suffix}"
    cell, notes = matrices.sound_cell(network, source, result)
    assert cell == STATED["sound", name, suffix]
    assert any("encoded again" in note or "Left out" in note for note in notes) == (cell != "kept")
    assert cell != "left out"
    before, after = heard(source), heard(result)
    torch.testing.assert_close(after[0], before[0], rtol=0.1, atol=0.01)
    assert after[1] == pytest.approx(before[1], abs=0.06)


@pytest.mark.parametrize("suffix", matrices.PIXEL_TYPES)
@pytest.mark.parametrize("name", matrices.PIXELS)
def test_pixels_are_kept_or_changed_with_a_note(tmp_path, network, pixels, name, suffix):
    source, result = pixels[name], tmp_path / f"out{suffix}"
    cell, _ = matrices.pixel_cell(network, source, result)
    assert cell == STATED["pixels", name, suffix]
    before, after = VideoReader(source, alpha=True), VideoReader(result, alpha=True)
    lost = (
        after.depth < before.depth
        or after.kind.chroma < before.kind.chroma
        or after.channels < before.channels
    )
    assert lost == ("a note" in cell)
    for one, other in zip(before, after, strict=True):
        difference = (one[..., :3] - other[..., :3]).abs().mean() * 255
        assert difference < LARGEST_DIFFERENCE
