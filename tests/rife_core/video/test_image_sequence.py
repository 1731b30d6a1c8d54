"""Numbered pictures as clips: names, numbers, gaps, and writing."""

from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.video import (
    ImageSequenceReader,
    ImageSequenceWriter,
    VideoError,
    is_image_sequence,
)
from rife_video.rife_core.video.images import encode_image


def _picture(value, size=(6, 8)):
    return torch.full((*size, 3), value / 255)


@pytest.fixture
def folder(tmp_path):
    """Pictures 1, 2 and 10 to 12, whose brightness is their number."""
    for number in (1, 2, 10, 11, 12):
        content = encode_image(_picture(number), ".png")
        (tmp_path / f"shot_{number}.png").write_bytes(content)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden_3.png").write_text("not either")
    return tmp_path


def _numbers(reader):
    return [round(float(frame[0, 0, 0]) * 255) for frame in (each for _, each in reader.timed())]


@pytest.mark.parametrize("name", ["", "/shot_%d.png", "/*.png", "/shot_*"])
def test_names_mean_pictures_in_order_of_their_numbers(folder, name):
    reader = ImageSequenceReader(f"{folder}{name}", gaps="close")
    assert _numbers(reader) == [1, 2, 10, 11, 12]
    assert reader.clock.constant
    assert reader.notes() == ["Missing pictures: number 3-9; the clip goes on without."]


def test_a_gap_is_refused_closed_or_kept(folder):
    with pytest.raises(VideoError, match=r"missing between shot_1.png and shot_12.png: number 3-9"):
        ImageSequenceReader(str(folder))
    reader = ImageSequenceReader(str(folder), gaps="keep", fps=10)
    assert [time for time, _ in reader.timed()] == [Fraction(n, 10) for n in (0, 1, 9, 10, 11)]
    assert not reader.clock.constant


def test_a_pattern_counts_its_own_digits(tmp_path):
    for name in ("v2_0001.png", "v2_0002.png", "v3_0001.png"):
        (tmp_path / name).write_bytes(encode_image(_picture(int(name[6])), ".png"))
    assert _numbers(ImageSequenceReader(f"{tmp_path}/v2_%04d.png")) == [1, 2]
    with pytest.raises(VideoError, match=r"several sequences \(v2_#.png, v3_#.png\)"):
        ImageSequenceReader(str(tmp_path))


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        ([], FileNotFoundError, "There are no pictures"),
        (["a_1.png", "a_01.png"], VideoError, "have one number"),
        (["cover.png"], VideoError, "cover.png has no number"),
    ],
)
def test_what_makes_no_clip_is_refused(tmp_path, names, error, words):
    for name in names:
        (tmp_path / name).write_bytes(encode_image(_picture(1), ".png"))
    with pytest.raises(error, match=words):
        ImageSequenceReader(str(tmp_path))


def test_pictures_of_another_size_and_damage_are_named(tmp_path):
    for number in (1, 2, 3):
        (tmp_path / f"{number}.png").write_bytes(encode_image(_picture(number), ".png"))
    (tmp_path / "2.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(VideoError, match=r"2.png is damaged .*--allow-damaged"):
        list(ImageSequenceReader(str(tmp_path)).timed())
    reader = ImageSequenceReader(str(tmp_path), allow_damaged=True)
    assert [time * 24 for time, _ in reader.timed()] == [0, 2]
    assert reader.notes() == ["Left out, for they cannot be read: 2.png."]
    (tmp_path / "2.png").write_bytes(encode_image(_picture(2, (6, 10)), ".png"))
    with pytest.raises(VideoError, match=r"2.png does not fit .* it is 10x6, and they are 8x6"):
        list(ImageSequenceReader(str(tmp_path)).timed())


def test_a_part_of_a_sequence(folder):
    part = ImageSequenceReader(str(folder), gaps="close").part(1, 3)
    assert _numbers(part) == [2, 10, 11]
    assert part.clock.count == 3


def test_numbers_and_names_of_what_is_written(tmp_path):
    writer = ImageSequenceWriter(f"{tmp_path}/out_%03d.png", first_number=99)
    for value in (1, 2):
        writer.write(_picture(value))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out_099.png", "out_100.png"]
    assert ImageSequenceWriter(str(tmp_path)).path_of(0).name == "000001.png"
    again = ImageSequenceWriter(f"{tmp_path}/out_%03d.png", first_number=99)
    assert again.there() == 2


def test_bits_that_a_type_cannot_hold_are_said(tmp_path):
    (note,) = ImageSequenceWriter(f"{tmp_path}/%d.jpg", depth=16).notes
    assert note == ".jpg pictures hold 8 bits a value, of 16; .png and .tiff hold 16."


def test_what_is_a_sequence(tmp_path):
    (tmp_path / "odd%d.mp4").write_text("a video with a bad name")
    assert is_image_sequence(str(tmp_path))
    assert is_image_sequence("a/%05d.exr")
    assert is_image_sequence("a/*.png")
    assert not is_image_sequence(f"{tmp_path}/odd%d.mp4")
    assert not is_image_sequence("what?.mp4")
