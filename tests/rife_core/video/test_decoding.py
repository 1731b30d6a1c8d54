"""Decoding on hardware: what is tried, what is taken, and what steps in."""

import pytest
import torch
from av.codec.hwaccel import hwdevices_available
from rife_video.rife_core.files.sources import open_source
from rife_video.rife_core.video import VideoReader, decoding


def test_software_steps_in_with_a_note(monkeypatch, clip_file):
    """Whatever devices there are, none says that it decodes."""
    monkeypatch.setattr(decoding, "_is_on_device", lambda stream: False)
    reader = VideoReader(clip_file, hwaccel="auto")
    (note,) = reader.notes()
    assert note == "No hardware decodes square.mp4 here, so it is decoded by software."
    assert torch.equal(torch.stack(list(reader)), torch.stack(list(VideoReader(clip_file))))


@pytest.mark.parametrize("kind", hwdevices_available())
def test_each_kind_that_is_built_in_decodes_or_steps_aside(clip_file, kind):
    reader = VideoReader(clip_file, hwaccel=kind)
    frames = torch.stack(list(reader))
    assert torch.allclose(frames, torch.stack(list(VideoReader(clip_file))), atol=2 / 255)
    told = f"The hardware ({kind}) does not decode square.mp4 here, so it is decoded by software."
    assert reader.notes() in ([], [told])


def test_hardware_that_takes_the_first_frame_decodes_all(monkeypatch, clip_file):
    """Fakes a device: it opens what software decodes, and claims the frames."""
    opened = []
    whole = decoding.open_input

    def open_input(path, device=None):
        opened.append(device)
        return whole(path)

    monkeypatch.setattr(decoding, "open_input", open_input)
    monkeypatch.setattr(decoding, "hwdevices_available", lambda: ["broken", "fake"])
    taken = iter([False, True])
    monkeypatch.setattr(decoding, "_is_on_device", lambda stream: next(taken))
    reader = VideoReader(clip_file, hwaccel="auto")
    assert reader.notes() == []
    assert opened == ["broken", "fake"]
    assert len(list(reader)) == 6
    assert len(list(reader.timed(2))) == 4
    assert set(opened[2:]) == {"fake"}


def test_what_is_refused(monkeypatch, clip_file, tmp_path):
    monkeypatch.setattr(decoding, "hwdevices_available", lambda: ["cuda"])
    with pytest.raises(ValueError, match="hwaccel is 'warp'; this PyAV has auto, cuda"):
        VideoReader(clip_file, hwaccel="warp")
    with pytest.raises(ValueError, match="video files only"):
        open_source(str(tmp_path / "%04d.png"), "o.mp4", hwaccel="auto")
