"""Arguments of the wrong type or size, one at a time: the project's own error, or a right answer.

As a host of its own, or a script, might call the library and the nodes.
"""

import inspect
import io
import random
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from rife_video import nodes
from rife_video.nodes.host import Folders, RIFEModel, Video, use_folders
from rife_video.rife_core import (
    Timeline,
    VideoReader,
    VideoWriter,
    build_network,
    get_spec,
    interpolate,
    interpolate_file,
    list_weights,
    load_rife,
    resolve_precision,
    save_rife,
    set_precision,
    stream,
)
from rife_video.rife_core.engine.options import Options
from rife_video.rife_core.engine.scenes import SceneRules, parse_cuts
from rife_video.rife_core.timeline.replaced import parse_replaced
from rife_video.rife_core.timeline.shutter import Shutter
from rife_video.rife_core.timeline.speed_curve import SpeedCurve
from rife_video.rife_core.video import EncoderRequest, Part
from support import moving_square

NAN, INF = float("nan"), float("inf")
ODD = {
    **{repr(value): value for value in (None, True, "", "x", "1", NAN, INF, -INF, -1, 0, 0.5, 2.5)},
    **{
        repr(value): value for value in (1e308, 1e-320, 2**63, [], [1], {}, b"", 1j, "\0", "\ud800")
    },
    **{
        "half a character": "\ud800",
        "10**400": 10**400,
        "-10**400": -(10**400),
        "a long text": "9" * 5000,
    },
    **{"a Fraction": Fraction(1, 3), "a Decimal": Decimal("1.5"), "no Decimal": Decimal("nan")},
    **{"NumPy's 2": np.int64(2), "NumPy's 0.5": np.float32(0.5), "an array": np.ones(2)},
    **{"a tensor": torch.tensor(2), "tensors": torch.ones(2), "a NaN tensor": torch.tensor(NAN)},
    **{"an object": object(), "a type": int, "a function": lambda *_: 0},
    **{"a list of one": [2], "a pair": (2, 2), "a list of a word": ["2"], "a range": range(2)},
    **{"NumPy's truth": np.bool_(True), "an array of one": np.array([2]), "a 0-d": np.array(2.0)},
    **{"a tensor of one": torch.tensor([2.0]), "a truth": torch.tensor(True), "a set": {2}},
}
CLIP = moving_square(2)[:, :16, :16].contiguous()
FRAMES = {
    **{"8 bits": (255 * CLIP).byte(), "float64": CLIP.double(), "half": CLIP.half()},
    **{"float8": CLIP.to(torch.float8_e4m3fn), "int": CLIP.int(), "bool": CLIP > 0},
    **{"complex": CLIP.to(torch.complex64), "sparse": CLIP.to_sparse(), "meta": CLIP.to("meta")},
    **{
        "NaN": CLIP * NAN,
        "infinity": CLIP / 0,
        "below 0": -CLIP,
        "one": CLIP[:1],
        "none": CLIP[:0],
    },
    **{"small": CLIP[:, :4, :4], "a channel": CLIP[..., :1], "two channels": CLIP[..., :2]},
    **{"a frame": CLIP[0], "clips": CLIP[None], "turned": CLIP.permute(0, 2, 1, 3)},
    **{"a pixel": CLIP[:, :1, :1], "of no size": CLIP[:, :0], "a list": list(CLIP)},
    **{"an array": CLIP.numpy(), "16 bits": (65535 * CLIP).to(torch.uint16), "text": "frames"},
    **{"larger than memory": CLIP[:, :1, :1].expand(2, 2**20, 2**20, 3)},  # 26 TB, of 24 bytes
    **{"learnt": CLIP.clone().requires_grad_(), "masks": CLIP[..., 0], "a mask": CLIP[0, ..., 0]},
}
RAW = ("cannot convert", "Exceeds the limit", "invalid literal", "unsupported operand", "ambiguous")
RAW += ("not supported between", "object is not", "has no attribute", "unhashable", "must be real")
RAW += ("enforce fail", "DefaultCPUAllocator")
OWN = (ValueError, OSError, torch.OutOfMemoryError)
EVERY_FIFTH = dict(list(ODD.items())[::5])
FULLY = pytest.mark.parametrize(
    "odd",
    [pytest.param(ODD, marks=pytest.mark.slow, id="all"), pytest.param(EVERY_FIFTH, id="some")],
)


def _try(tally, name, call, values):
    """Each value in its turn; no message of Python's own."""
    for odd, value in values.items():
        with tally.one(f"{name}: {odd}"):
            said = "it is right"
            try:
                call(value)
            except OWN as error:
                said = str(error)
            assert said
            assert not any(words in said for words in RAW), said


def _kinds(network):
    """Dataclasses with what they are used for."""
    timeline = Timeline.multiply(2)
    return {
        Options: lambda **options: interpolate(network, CLIP, timeline, **options),
        SceneRules: lambda **rules: interpolate(
            network, CLIP, timeline, scenes=SceneRules(**{"at_cut": "hold", **rules})
        ),
        Timeline: lambda **given: Timeline(**{"step": Fraction(1, 2), **given}).output_count(5),
        Shutter: lambda **given: Shutter(**{"angle": Fraction(180), **given}).moment(3),
        Part: Part,
        EncoderRequest: EncoderRequest,
    }


@FULLY
def test_fields_of_any_type(network, tally, odd):
    for kind, use in _kinds(network).items():
        for field in fields(kind):

            def call(value, use=use, name=field.name):
                return use(**{name: value})

            _try(tally, f"{kind.__name__}.{field.name}", call, odd)


def _functions(network, tmp_path, clip_file):
    img, timeline = torch.rand(1, 3, 32, 32), Timeline.multiply(2)

    def written(frame=CLIP[0], fps=24, **options):
        with VideoWriter(tmp_path / "a.mp4", fps, **options) as writer:
            writer.write(frame)

    def listed(frames, **options):
        return list(stream(frames=frames, **options))

    good = {"network": network, "frames": CLIP, "timeline": timeline}
    return {
        "interpolate": (interpolate, good, ("begin", "disagreement", "progress", "watch", "plan")),
        "stream": (listed, good, ("rhythm", "progress", "plan", "light")),
        "interpolate_file": (
            interpolate_file,
            {
                "network": network,
                "source": clip_file,
                "destination": tmp_path / "b.mp4",
                "timeline": timeline,
            },
            ("fps", "crf", "encoder", "pipe_format", "first_number", "sound", "progress"),
        ),
        "inference": (
            network.inference,
            {"img0": img, "img1": img},
            ("timestep", "scale", "ensemble"),
        ),
        "set_precision": (lambda dtype: set_precision(build_network("4.25.lite"), dtype), {}, "d"),
        "resolve_precision": (resolve_precision, {"name": "auto", "device": "cpu"}, ()),
        "get_spec": (get_spec, {"version": "4.6"}, ()),
        "build_network": (build_network, {"version": "4.25.lite"}, ()),
        "load_rife": (load_rife, {}, ("path",)),
        "save_rife": (save_rife, {"network": network, "path": tmp_path / "a.safetensors"}, ()),
        "list_weights": (list_weights, {}, ("folders",)),
        "VideoReader": (VideoReader, {"path": clip_file}, ("fps", "alpha", "hwaccel")),
        "VideoWriter": (written, {}, ("frame", "fps", "audio", "color", "depth", "crf", "encoder")),
        "multiply": (Timeline.multiply, {"multiplier": 2}, ("end", "schedule")),
        "retime": (Timeline.retime, {"source_fps": 24, "target_fps": 60}, ("end",)),
        "parse_cuts": (parse_cuts, {}, ("text",)),
        "parse_replaced": (parse_replaced, {}, ("text",)),
        "speed": (SpeedCurve.parse, {}, ("text",)),
        "shutter": (Shutter.of, {"degrees": 180.0}, ("exposures",)),
    }


@FULLY
def test_functions_are_called_with_anything(network, tmp_path, clip_file, tally, monkeypatch, odd):
    monkeypatch.chdir(tmp_path)
    for name, (function, good, more) in _functions(network, tmp_path, clip_file).items():
        for argument in (*good, *(("dtype",) if more == "d" else more)):

            def call(value, function=function, good=good, argument=argument):
                return function(**{**good, argument: value})

            values = odd
            if argument in ("disagreement", "frames", "folders"):  # written to, or looked through
                values = {each: v for each, v in odd.items() if not isinstance(v, torch.Tensor)}
            if argument in ("progress", "watch"):  # what is called raises its own errors
                values = {each: v for each, v in odd.items() if not callable(v)}
            _try(tally, f"{name}({argument})", call, values)


@pytest.fixture
def hosted(network, clip_file, small_weights, tmp_path):
    """The nodes by name, each with inputs that are right."""
    model, flow = RIFEModel(network, "small", "fp32"), torch.zeros(1, 2, 16, 16)
    folders = Folders(clip_file.parent, tmp_path / "out", (small_weights.parent,))
    with use_folders(folders):
        yield {
            "InterpolateFrames": {
                "model": model, "frames": CLIP, "multiplier": 2, "source_fps": 8.0
            },
            "InterpolateVideo": {"model": model, "video": Video(clip_file), "multiplier": 2},
            "LoadRIFE": {"model_name": small_weights.name},
            "EstimateFlow": {"model": model, "frames": CLIP},
            "ComputeFlowLoss": {
                "prediction": CLIP, "target": CLIP, "predicted_flow": flow, "true_flow": flow
            },
            "CompareFrames": {"before": CLIP, "after": CLIP[[0, 0, 1]]},
            "AdaptRIFE": {"model": model, "frames": CLIP, "steps": 1},  # too few to begin
            "ConvertInterpolationModel": {"interp_model": None},
            "VideoAELoss": {"original": CLIP, "reconstruction": CLIP},
        }  # fmt: skip


def test_every_node_is_tried(hosted):
    assert hosted.keys() == nodes.NODE_CLASS_MAPPINGS.keys()


@FULLY
@pytest.mark.parametrize("name", nodes.NODE_CLASS_MAPPINGS)
def test_nodes_are_called_with_anything(name, hosted, tally, monkeypatch, odd):
    """What is only wrong after a long run is not waited for: the frames are few and small."""
    kind = nodes.NODE_CLASS_MAPPINGS[name]
    monkeypatch.setattr(f"{kind.__module__}.interpolate", _nothing, raising=False)
    monkeypatch.setattr(f"{kind.__module__}.interpolate_file", _nothing, raising=False)
    declared = kind.INPUT_TYPES()
    inputs = {**declared.get("required", {}), **declared.get("optional", {})}
    work = getattr(kind(), kind.FUNCTION)
    known = set(inspect.signature(work).parameters)
    assert known
    for each in inputs:
        wires = inputs[each][0] in ("IMAGE", "MASK", "FLOW", "VIDEO")
        values = {**odd, **FRAMES} if wires else odd

        def call(value, each=each):
            return work(**{**hosted[name], each: value})

        _try(tally, f"{name}.{each}", call, values)


def test_frames_of_any_kind_are_interpolated_or_refused(hosted, tally):
    """And if they are, each of them is there as it was, with others between."""
    work = nodes.NODE_CLASS_MAPPINGS["InterpolateFrames"]().interpolate
    for kind, frames in FRAMES.items():
        with tally.one(kind, ValueError, torch.OutOfMemoryError):
            made, *_ = work(**{**hosted["InterpolateFrames"], "frames": frames})
            assert len(made) == 2 * len(frames) - 1
            assert made.shape[1:] == frames.shape[1:]
            assert torch.equal(made[::2].nan_to_num(7), frames.nan_to_num(7))


@pytest.mark.slow
@pytest.mark.parametrize("name", nodes.NODE_CLASS_MAPPINGS)
def test_nodes_are_called_with_several_odd_values(name, hosted, tally, monkeypatch):
    """What one odd value hides, others may meet."""
    kind, draw = nodes.NODE_CLASS_MAPPINGS[name], random.Random(name)
    monkeypatch.setattr(f"{kind.__module__}.interpolate", _nothing, raising=False)
    monkeypatch.setattr(f"{kind.__module__}.interpolate_file", _nothing, raising=False)
    declared = kind.INPUT_TYPES()
    inputs = [*declared.get("required", {}), *declared.get("optional", {})]
    work, values = getattr(kind(), kind.FUNCTION), {**ODD, **FRAMES}
    for _ in range(300):
        odd = {each: draw.choice([*values]) for each in draw.sample(inputs, min(3, len(inputs)))}
        given = {each: values[value] for each, value in odd.items()}

        def call(given):
            return work(**{**hosted[name], **given})

        _try(tally, name, call, {str(odd): given})


def _nothing(*_, **__):
    raise ValueError("It would begin here.")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 10**30}, "batch_size is .*at most 1024"),
        ({"scenes": SceneRules(), "keep": CLIP > 0}, "keep"),
        ({"max_memory": 0.5}, "max_memory is 0.5; it must be a whole number"),
        ({"ensemble": "no"}, "ensemble is 'no'; it must be True or False"),
    ],
)
def test_what_is_wrong_is_named(network, options, words):
    with pytest.raises(ValueError, match=words):
        interpolate(network, CLIP, Timeline.multiply(2), **options)


class Bytes:
    """A path, but of bytes."""

    def __fspath__(self):
        return b"clip.mp4"


@pytest.mark.parametrize("path", [b"clip.mp4", Bytes(), 3, io.BytesIO(), ["clip.mp4"]])
def test_paths_that_are_no_text(path, network, clip_file, tmp_path):
    for call in (
        lambda: VideoReader(path),
        lambda: load_rife(path),
        lambda: save_rife(network, path),
        lambda: list_weights([path]),
        lambda: interpolate_file(network, path, tmp_path / "a.mp4", Timeline.multiply(2)),
        lambda: interpolate_file(network, clip_file, path, Timeline.multiply(2)),
    ):
        with pytest.raises(ValueError, match="must be"):
            call()


@pytest.mark.parametrize("cuts", ["x", NAN, 3, {"a"}, frozenset({1.5})])
def test_cuts_that_are_none_are_not_passed_over(cuts):
    """Where no cuts are looked for, they were."""
    with pytest.raises(ValueError, match="cuts is"):
        SceneRules(cuts=cuts)


def test_a_long_schedule_is_looked_up(tally):
    """And not searched through for each pair."""
    tally.limit = 30  # it took minutes
    with tally.one("100,000 entries"):
        text = "1:2," * 50_000 + ",".join(f"{pair}:3" for pair in range(1, 50_001))
        assert Timeline.multiply(1, schedule=text).output_count(10_001) == 2 + 9_999 * 3 + 1


@pytest.mark.parametrize("fps", [Fraction(-24), Fraction(10**30), Fraction(1, 10**30)])
def test_rates_of_files_that_are_none(fps, network, clip_file, tmp_path):
    with pytest.raises(ValueError, match="The frame rate is"):
        interpolate_file(network, clip_file, tmp_path / "a.mp4", Timeline.multiply(2), fps=fps)
    assert not list(tmp_path.iterdir())


def test_masks_of_another_form(hosted):
    work = nodes.NODE_CLASS_MAPPINGS["InterpolateFrames"]().interpolate
    for mask in (torch.zeros(1, 16, 16, 1), torch.full((1, 16, 16), NAN), torch.zeros(16)):
        with pytest.raises(ValueError, match="keep_region is"):
            work(**hosted["InterpolateFrames"], keep_region=mask)
