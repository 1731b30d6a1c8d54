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
    assert report.text(Fraction(8), Fraction(16)).splitlines()[1:] == [
        "Nothing lies between one frame and itself: it was returned unchanged."
    ]


def test_every_remark():
    report = Report(2, 3, 1, [2], plans=["4 at once on cuda", "2 at once on cuda"])
    report.scenes.cuts, report.scenes.runs = list(range(2, 20)), [(3, 5)]
    report.beyond_range, report.not_finite, report.redone = [1], [2], 3
    assert report.text(Fraction(8), Fraction(16)).splitlines()[3:] == [
        "New scenes begin at frames: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 and 6 more.",
        "Repeated frames: 3-5.",
        "Values beyond 0 to 1 in frames: 1.",
        "NaN or infinite values in frames: 2.",
        "Memory was short; went on with: 2 at once on cuda.",
        "Made again in float32: 3.",
    ]
