"""Evaluation: known scores on clips whose middle frames are known."""

import shutil
from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.training.evaluation import (
    baselines,
    evaluate,
    markdown,
    mean_scores,
    network_method,
    per_pair,
    picture,
)
from rife_video.rife_core.video import VideoWriter
from support import moving_square


def write(path, frames):
    with VideoWriter(path, Fraction(8), crf=1) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return write(tmp_path_factory.mktemp("clips") / "moving.mp4", moving_square(7, 64, 64, speed=4))


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    frames = moving_square(1, 64, 64).expand(6, -1, -1, -1)
    return write(tmp_path_factory.mktemp("clips") / "still.mp4", frames)


def test_average_is_right_where_nothing_moves(still, moving):
    table = evaluate({"average": baselines()["average"]}, [still, moving])
    assert table["still"]["average"].psnr > 40
    assert table["still"]["average"].ssim > 0.99
    assert table["moving"]["average"].psnr < 30


def test_a_method_sees_the_kept_frames_only(moving):
    seen = []

    def perfect(frames):
        seen.extend(frames)
        return [frame for frame in frames[1:]]  # noqa: C416

    evaluate({"late": perfect}, [moving])
    assert len(seen) == 4  # of 7


def test_an_even_number_of_frames_drops_the_last(tmp_path):
    clip = write(tmp_path / "even.mp4", moving_square(6, 64, 64))
    counted = []
    evaluate({"count": per_pair(lambda a, b: counted.append(1) or a)}, [clip])
    assert len(counted) == 2


def test_the_table_names_clips_methods_and_means(still, moving, network):
    methods = {"RIFE": network_method(network), "average": baselines()["average"]}
    told = []
    table = evaluate(
        methods, [still, moving], report=lambda done, total: told.append((done, total))
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    text = markdown(table)
    assert text.splitlines()[0] == "| clip | RIFE | average |"
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == [
        "still",
        "moving",
        "mean",
    ]
    expected = (table["still"]["average"].psnr + table["moving"]["average"].psnr) / 2
    assert mean_scores(table)["average"].psnr == pytest.approx(expected)
    assert "moving" in picture(table)


def test_too_short_a_clip_is_named(tmp_path):
    clip = write(tmp_path / "two.mp4", moving_square(2, 64, 64))
    with pytest.raises(ValueError, match=r"two\.mp4 has 2 frames"):
        evaluate(baselines(), [clip])


@pytest.mark.parametrize("name", ["DIS", "minterpolate"])
def test_motion_baselines_beat_the_average_on_plain_motion(name, tmp_path):
    if name not in baselines():
        pytest.skip(f"{name} is not installed")
    generator = torch.Generator().manual_seed(0)
    wide = torch.nn.functional.interpolate(
        torch.rand(1, 1, 24, 48, generator=generator), scale_factor=8, mode="bicubic"
    )
    wide = wide.clamp(0, 1)[0].expand(3, -1, -1)
    frames = [wide[:, :, 3 * k : 3 * k + 192].permute(1, 2, 0).contiguous() for k in range(9)]
    clip = write(tmp_path / "pan.mp4", frames)
    table = evaluate({"average": baselines()["average"], name: baselines()[name]}, [clip])["pan"]
    assert table[name].psnr > table["average"].psnr + 3


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_minterpolate_gives_one_frame_for_each_pair(moving):
    kept = [frame.permute(2, 0, 1)[None] for frame in moving_square(5, 64, 64)]
    made = baselines()["minterpolate"](kept)
    assert len(made) == 4
    assert {frame.shape for frame in made} == {(1, 3, 64, 64)}
