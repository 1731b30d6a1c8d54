"""The report: remarks appear where there is something to remark, and only there."""

import json
from fractions import Fraction

import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.timeline import Timeline
from support import moving_square


def test_a_plain_clip_has_no_remarks(network):
    report = Report()
    clip = moving_square(frames=4, height=20, width=30)
    interpolate(network, clip, Timeline.multiply(2, schedule="2:4"), report=report)
    assert report.text(Fraction(24000, 1001), Fraction(48000, 1001)).splitlines() == [
        "4 frames at 23.976 fps (0.167 s) became 9 at 47.952 fps (0.188 s); 5 were made.",
        "Frames per pair: 1: 2, 2: 4, 3: 2.",
        "Made 1 at once on cpu, in about 1 MiB.",
    ]
    assert json.loads(json.dumps(report.as_dict()))["made"] == 5


def test_a_single_frame(network):
    report = Report()
    interpolate(network, torch.rand(1, 8, 8, 3), Timeline.multiply(2), report=report)
    assert report.text(Fraction(8), Fraction(16)).splitlines() == [
        "1 frame at 8 fps (0.125 s) became 1 at 16 fps (0.062 s); 0 were made.",
        "Nothing lies between one frame and itself: it was returned unchanged.",
    ]


def test_every_remark():
    report = Report(2, 3, 1, [2], plans=["4 at once on cuda", "2 at once on cuda"])
    report.scenes.cuts, report.scenes.runs = list(range(2, 20)), [(3, 5)]
    report.beyond_range, report.not_finite, report.redone = [1], [2], 3
    report.coarser, report.closed_by, report.unsure = [4, 6], 7, 1
    report.shutter = "as a camera does"
    assert report.text(Fraction(8), Fraction(16)).splitlines()[3:] == [
        "Blurred: as a camera does.",
        "New scenes begin at frames: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 and 6 more.",
        "Repeated frames: 3-5.",
        "Left out of the loop, as it repeats the first frame: frame 7.",
        "Values beyond 0 to 1 in frames: 1.",
        "NaN or infinite values in frames: 2.",
        "Large motion, estimated at a coarser scale, after frames: 4, 6.",
        "Memory was short; went on with: 2 at once on cuda.",
        "Made again in float32: 3.",
        "Show a source frame where motion was not understood: 1 of 1.",
    ]


def test_twelve_items_are_listed():
    report = Report()
    report.beyond_range = list(range(1, 13))
    assert report.remarks() == [
        "Values beyond 0 to 1 in frames: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12."
    ]


def test_a_run_that_makes_one_frame_or_none():
    """Memory is rounded up; stretches of one pair have one number."""
    report = Report(3, 4, 1, [2, 1], plans=["1 at once on cpu"], memory=2**20 + 1)
    assert report.text(Fraction(2), Fraction(4)).splitlines() == [
        "3 frames at 2 fps (1.500 s) became 4 at 4 fps (1.000 s); 1 was made.",
        "Frames per pair: 1: 2, 2: 1.",
        "Made 1 at once on cpu, in about 2 MiB.",
    ]
    none = Report(3, 3, 0, [1, 1, 3], plans=["1 at once on cpu"])
    assert none.text(Fraction(2), Fraction(2)).splitlines() == [
        "3 frames at 2 fps (1.500 s) became 3 at 2 fps (1.500 s); 0 were made.",
        "Frames per pair: 1-2: 1, 3: 3.",
    ]
