"""Real clips as training material: reproducible, without cuts, of the size asked for."""

from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.charts.png import encode_png as png
from rife_video.rife_core.training.clips import ClipTriplets, clip_frames, is_triplet_cut
from rife_video.rife_core.video import VideoWriter
from support import moving_square


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A video with a cut in the middle, and a folder of four images."""
    folder = tmp_path_factory.mktemp("material")
    frames = moving_square(12, 72, 96)
    frames[6:] = 1 - frames[6:]
    with VideoWriter(folder / "cut.mp4", Fraction(12), crf=1) as writer:
        for frame in frames:
            writer.write(frame)
    (folder / "images").mkdir()
    for index, frame in enumerate(moving_square(4, 72, 96, speed=5)):
        (folder / "images" / f"{index:04d}.png").write_bytes(png(frame))
    return folder


def test_videos_and_folders_of_images_give_frames(folder):
    assert len(list(clip_frames(folder / "cut.mp4"))) == 12
    images = list(clip_frames(folder / "images"))
    torch.testing.assert_close(
        torch.stack(images), moving_square(4, 72, 96, speed=5), atol=3e-3, rtol=0
    )


def test_batches_are_reproducible_and_without_cuts(folder):
    clips = ClipTriplets([folder], 48, seed=1)
    batches = [clips.batch(index, 4) for index in range(6)]
    again = ClipTriplets([folder], 48, seed=1).batch(3, 4)
    assert torch.equal(batches[3].gt, again.gt)
    for batch in batches:
        assert batch.flow is None
        assert batch.img0.shape == (4, 3, 48, 48)
        for sample in zip(batch.img0, batch.gt, batch.img1, strict=True):
            assert not is_triplet_cut(*sample)


def test_frames_smaller_than_the_crop_are_enlarged(folder):
    assert ClipTriplets([folder], 96, seed=1).batch(0, 1).gt.shape == (1, 3, 96, 96)


def test_a_cut_is_told_from_motion():
    frames = moving_square(3, 72, 96, speed=12).permute(0, 3, 1, 2)
    assert not is_triplet_cut(*frames)
    assert is_triplet_cut(frames[0], frames[1], 1 - frames[2])


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="No videos and no folders of images"):
        ClipTriplets([tmp_path], 48, seed=1)


@pytest.mark.parametrize("gap", [1, 3])
def test_gaps_are_the_steps_between_the_frames_of_a_triplet(tmp_path, gap):
    (tmp_path / "lighter").mkdir()
    for index in range(7):
        frame = torch.full((48, 48, 3), index / 10)
        (tmp_path / "lighter" / f"{index}.png").write_bytes(png(frame))
    batch = ClipTriplets([tmp_path], 48, seed=1, gaps=(gap,)).batch(0, 4)
    for frame in (batch.img0, batch.img1):
        steps = (frame - batch.gt).abs().mean((1, 2, 3))
        torch.testing.assert_close(steps, torch.full((4,), gap / 10), atol=5e-3, rtol=0)
