"""Evaluation: known scores on clips whose middle frames are known."""

from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.losses.metrics import psnr
from rife_video.rife_core.training.evaluation import (
    HeldOutClip,
    baselines,
    climb,
    evaluate,
    gallery,
    ladder_markdown,
    markdown,
    mean_scores,
    network_method,
    per_pair,
    picture,
)
from rife_video.rife_core.training.ladder import (
    DEMO,
    SPEEDS,
    Rung,
    demo_rung,
    rungs,
)
from rife_video.rife_core.video import VideoWriter
from support import moving_square

BY_PSNR = {"PSNR": psnr}


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
    assert table["still.mp4"]["average"]["PSNR"] > 40
    assert table["still.mp4"]["average"]["SSIM"] > 0.99
    assert table["moving.mp4"]["average"]["PSNR"] < 30


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
    parts = text.split("\n\n")
    assert parts[-2].splitlines()[-1] == "SSIM (higher is better)"
    assert parts[-1].splitlines()[0] == "| clip | RIFE | average |"
    assert [line.split("|")[1].strip() for line in parts[-1].splitlines()[2:]] == [
        "still.mp4",
        "moving.mp4",
        "mean",
    ]
    expected = (table["still.mp4"]["average"]["PSNR"] + table["moving.mp4"]["average"]["PSNR"]) / 2
    assert mean_scores(table)["average"]["PSNR"] == pytest.approx(expected)
    assert "moving" in picture(table)


def test_only_the_box_is_judged():
    frames = [torch.zeros(1, 3, 40, 40) for _ in range(3)]
    frames[1][..., :20, :] = 0.5

    def black(kept):
        return [torch.zeros_like(kept[0])]

    def psnr_of(*boxes):
        clip = HeldOutClip("painted", lambda: frames, boxes or None)
        return evaluate({"black": black}, [clip], by=BY_PSNR)["painted"]["black"]["PSNR"]

    everywhere, top = (slice(None), slice(None)), (slice(0, 20), slice(5, 30))
    assert psnr_of(everywhere) == psnr_of() == pytest.approx(9.03, abs=0.01)
    assert psnr_of(top) == pytest.approx(6.02, abs=0.01)
    assert psnr_of((slice(20, 40), slice(None))) == float("inf")


def test_the_ladder_sorts_by_kind_and_speed():
    told = []

    def truth(kept):
        return [rung_frames[1], rung_frames[3], rung_frames[5]]

    painted = rungs([torch.rand(3, 240, 240)], ["pan", "turn"], [8, 16])
    asked = iter(painted)
    rung_frames = None

    def perfect(kept):
        nonlocal rung_frames
        rung_frames = next(asked).frames
        return truth(kept)

    report = lambda *done: told.append(done)  # noqa: E731
    ladders = climb({"perfect": perfect}, painted, BY_PSNR, report)
    assert told[-1] == (4, 4)
    assert list(ladders) == ["pan", "turn", "mean"]
    assert list(ladders["mean"]) == [8.0, 16.0]
    assert ladders["mean"][8.0]["perfect"]["PSNR"] == float("inf")
    text = ladder_markdown(ladders, "PSNR")
    assert "| turn | perfect | inf | inf |" in text


def test_speeds_between_the_rungs_count_as_the_nearest():
    demo = demo_rung(8, 120, 180)
    assert len(demo.frames) == 15
    assert len(demo.boxes) == len(demo.speed) == 7
    ladder = climb({"late": lambda kept: list(kept[1:])}, [demo], BY_PSNR)[DEMO]
    assert set(ladder) <= set(SPEEDS)
    assert len(ladder) >= 1


def test_the_gallery_shows_the_object_where_it_is_fastest():
    demo = demo_rung(15, 120, 180)
    demo = Rung(demo.kind, demo.speed[5:], demo.frames[10:], demo.boxes[5:])
    fastest = demo.speed.index(max(demo.speed))
    assert fastest > 0
    row, whole = gallery(
        {"first": lambda kept: [kept[0]], "last": lambda kept: [kept[1]]},
        [demo, rungs([torch.rand(3, 240, 240)], ["pan"], [8])[0]],
        80,
    )
    assert row.shape == whole.shape == (3, 3, 80, 80)
    rows, columns = demo.boxes[fastest]
    top = min(max((rows.start + rows.stop) // 2 - 40, 0), 120 - 80)
    left = min(max((columns.start + columns.stop) // 2 - 40, 0), 180 - 80)
    for number, shown in enumerate((row[1], row[0], row[2])):
        frame = demo.frames[2 * fastest + number][0]
        assert torch.equal(shown, frame[:, top : top + 80, left : left + 80])


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
    table = evaluate({"average": baselines()["average"], name: baselines()[name]}, [clip])[
        "pan.mp4"
    ]
    assert table[name]["PSNR"] > table["average"]["PSNR"] + 3


def test_minterpolate_gives_one_frame_for_each_pair(moving):
    kept = [frame.permute(2, 0, 1)[None] for frame in moving_square(5, 64, 64)]
    made = baselines()["minterpolate"](kept)
    assert len(made) == 4
    assert {frame.shape for frame in made} == {(1, 3, 64, 64)}
