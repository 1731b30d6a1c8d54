"""The VapourSynth filter, on VapourSynth where it is installed, and on a stand-in elsewhere."""

import importlib
import re
import subprocess
import sys
from fractions import Fraction
from importlib.machinery import PathFinder
from pathlib import Path

import fake_vapoursynth
import numpy as np
import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.timeline import Timeline
from support import moving_square

REPOSITORY = Path(__file__).parents[1].resolve()


@pytest.fixture(scope="module")
def vs():
    """The module `vapoursynth`; the repository has a file of that name, which it is not."""
    elsewhere = [entry for entry in sys.path if Path(entry or ".").resolve() != REPOSITORY]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", elsewhere)
        if PathFinder.find_spec("vapoursynth", elsewhere) is None:
            patch.setitem(sys.modules, "vapoursynth", fake_vapoursynth)
        yield importlib.import_module("vapoursynth")
        sys.modules.pop("rife_video.vapoursynth", None)


@pytest.fixture(scope="module")
def smooth(vs):
    from rife_video.vapoursynth import interpolate as made

    return made


def clip_of(vs, frames, format_name="RGBS", fps=Fraction(12)):
    """B H W 3 in [0, 1] as a clip; its frames bear their number as a property."""
    count, height, width = frames.shape[:3]
    blank = vs.core.std.BlankClip(
        format=getattr(vs, format_name),
        width=width,
        height=height,
        length=count,
        fpsnum=fps.numerator,
        fpsden=fps.denominator,
    )

    def painted(n, f):
        frame = (f[0] if isinstance(f, list) else f).copy()
        for plane in range(3):
            target = np.asarray(frame[plane])
            values = frames[n, ..., plane].numpy()
            np.copyto(target, values * 255 + 0.5 if target.dtype == np.uint8 else values, "unsafe")
        frame.props["number"] = n
        frame.props["_AbsoluteTime"] = float(n / fps)
        return frame

    return vs.core.std.ModifyFrame(blank, [blank], painted)


def pixels(frame):
    return torch.from_numpy(np.stack([np.array(frame[plane]) for plane in range(3)], -1))


@pytest.mark.parametrize(
    ("asked", "timeline"),
    [
        ({"multiplier": 2}, Timeline.multiply(2)),
        ({"multiplier": 2.5}, Timeline.multiply("5/2")),
        ({"fps": "60000/1001", "end": "keep_duration"}, Timeline.retime(12, "60000/1001")),
        ({"fps": 8}, Timeline.retime(12, 8)),
    ],
)
def test_frames_are_those_of_the_engine(vs, smooth, network, asked, timeline):
    """Whatever the order in which they are asked for; source frames bit for bit."""
    frames = moving_square()
    found = smooth(clip_of(vs, frames), model=network, scale=1.0, device="cpu", **asked)
    expected = interpolate(network, frames, timeline, scale=1.0)
    if asked.get("end"):
        held = found.num_frames - len(expected)
        assert held == 5
        expected = torch.cat((expected, frames[-1:].expand(held, -1, -1, -1)))
    assert found.num_frames == len(expected)
    assert found.fps == 12 / timeline.step
    order = torch.randperm(len(expected), generator=torch.Generator().manual_seed(2)).tolist()
    for number in order:
        frame = found.get_frame(number)
        place = min(number * timeline.step, Fraction(5))
        exact = place.denominator == 1
        assert torch.allclose(pixels(frame), expected[number], atol=0 if exact else 1e-5)
        assert frame.props["number"] == int(place)
        assert frame.props["_AbsoluteTime"] == pytest.approx(float(place) / 12)
        lasts = Fraction(frame.props["_DurationNum"], frame.props["_DurationDen"])
        assert lasts == 1 / found.fps


@pytest.mark.parametrize(("name", "dtype"), [("RGBH", torch.float16), ("RGB24", torch.uint8)])
def test_other_formats(vs, smooth, network, name, dtype):
    frames = moving_square(3)
    found = smooth(clip_of(vs, frames, name), model=network, scale=1.0, device="cpu")
    assert found.format.name == name
    made = pixels(found.get_frame(1))
    assert made.dtype == dtype
    expected = interpolate(network, frames, Timeline.multiply(2), scale=1.0)[1]
    scale = 255 if name == "RGB24" else 1
    assert torch.allclose(made.float() / scale, expected, atol=0.02)


def test_cuts_are_found_and_can_be_named(vs, smooth, network):
    torch.manual_seed(3)
    scenes = torch.nn.functional.interpolate(torch.rand(2, 3, 9, 13), (36, 52), mode="bicubic")
    scenes = scenes.clamp(0, 1).permute(0, 2, 3, 1)
    frames = torch.stack([scenes[k // 3].roll(2 * k, 1) for k in range(6)])
    for rules in ({}, {"cuts": [3]}):
        found = smooth(clip_of(vs, frames), model=network, scale=1.0, device="cpu", **rules)
        assert torch.equal(pixels(found.get_frame(5)), frames[2])
        assert not torch.equal(pixels(found.get_frame(3)), frames[1])


def test_animation_on_twos_is_retimed(vs, smooth, network):
    drawings = moving_square(4)
    frames = drawings.repeat_interleave(2, 0)
    found = smooth(clip_of(vs, frames), model=network, scale=1.0, device="cpu", repeats="retime")
    rules = SceneRules("hold", repeats="retime")
    expected = interpolate(network, frames, Timeline.multiply(2), scale=1.0, scenes=rules)
    for number in (1, 2, 3, 7, 10):
        assert torch.allclose(pixels(found.get_frame(number)), expected[number], atol=1e-5)


@pytest.mark.parametrize(
    ("clip", "options", "words"),
    [
        ({"format_name": "YUV420P8"}, {}, "is YUV420P8; it must be RGBS"),
        ({}, {"multiplier": 0}, "multiplier is 0"),
        ({}, {"end": "loop"}, "not made frame by frame"),
        ({}, {"fps": "fast"}, "must be a positive number"),
        ({}, {"at_cut": "morph"}, "at_cut is 'morph'"),
    ],
)
def test_what_is_refused(vs, smooth, network, clip, options, words):
    with pytest.raises(ValueError, match=words):
        smooth(clip_of(vs, moving_square(2), **clip), model=network, device="cpu", **options)


def test_a_variable_rate_is_refused(vs, smooth, network):
    clip = clip_of(vs, moving_square(2)).std.AssumeFPS(fpsnum=24, fpsden=1)
    assert smooth(clip, model=network, device="cpu").fps == 48
    varying = type("Varying", (), {"fps_num": 0, "width": 4, "height": 4, "format": clip.format})
    with pytest.raises(ValueError, match="no constant frame rate"):
        smooth(varying(), model=network, device="cpu")


def test_the_example_of_the_docs(vs, smooth):
    docs = (REPOSITORY / "docs" / "files.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(import vapoursynth.*?)```", docs, re.DOTALL)
    names = {}
    exec(example, names)
    assert names["clip"].fps == Fraction(60000, 1001)
    assert names["clip"].num_frames == (47 * 60000) // (24 * 1001) + 1


def test_it_is_loaded_only_when_asked_for():
    code = "import sys, rife_video.rife_core; print('vapoursynth' in str([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
