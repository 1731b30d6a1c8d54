"""The temporal upsampler for Wan2GP, called as Wan2GP calls it."""

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.options import AUTO
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.inference.precision import resolve_precision, set_precision
from rife_video.rife_core.timeline import Timeline
from rife_video.wan2gp import MULTIPLIERS, TemporalUpsampler
from support import moving_square
from torch.testing import assert_close

CLIP = moving_square(frames=5, height=32, width=48)


@pytest.fixture
def handler(network, monkeypatch):
    set_precision(network, resolve_precision("auto", "cpu"))
    monkeypatch.setattr("rife_video.wan2gp.load_chosen", lambda *_: network)
    return TemporalUpsampler({}, None)


def run(handler, sample, before=None, value="video_rife3"):
    return handler.temporal_upsample(
        value,
        sample,
        before,
        16.0,
        processing_device="cpu",
        to_uint8_callback=None,
        process_files=None,
        init_pipe=None,
        profile=4,
    )


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_a_clip_in_two_parts_is_the_clip(handler, network, kind):
    given = (CLIP * 255).round().byte()
    expected = interpolate(
        network,
        given if kind == torch.uint8 else given.float() / 255,
        Timeline.multiply(3),
        scale=AUTO,
        scenes=SceneRules("hold"),
    ).movedim(-1, 0)
    sample = given.movedim(-1, 0)
    if kind != torch.uint8:
        expected, sample = expected * 2 - 1, sample.float() / 127.5 - 1
    whole, last, fps = run(handler, sample)
    assert (whole.shape, whole.dtype, fps) == ((3, 13, 32, 48), kind, 48)
    assert_close(whole, expected, rtol=0, atol=1e-5 if kind != torch.uint8 else 0)
    assert torch.equal(last, sample[:, -1:])
    first, last, _ = run(handler, sample[:, :3])
    second, last, _ = run(handler, sample[:, 3:], last)
    assert_close(
        torch.cat((first, second), 1), whole, rtol=0, atol=2 / 255 if kind != torch.uint8 else 1
    )
    assert torch.equal(last, sample[:, -1:])


def test_the_frame_before_may_be_of_another_type(handler):
    given = (CLIP * 255).round().byte().movedim(-1, 0)
    floats = given.float() / 127.5 - 1
    plain, *_ = run(handler, given[:, 1:], given[:, :1])
    assert torch.equal(run(handler, given[:, 1:], floats[:, :1])[0], plain)
    assert len(run(handler, floats[:, 1:], given[:, :1])[0][0]) == len(plain[0])


def test_values(handler):
    shown = handler.query_temporal_upsampler_def()
    ((_, method),) = shown["methods"]
    for multiplier in MULTIPLIERS:
        value = handler.build_value(method, multiplier)
        assert handler.split_value(value) == (method, multiplier)
        assert handler.validate_upsampling(value) == ""
        assert handler.validate_upsampling(value, source_is_image=True)
    assert handler.is_upsampling(shown["default_temporal_upsampling"])
    for other in ("", None, "rife2", "flashvsr", "video_rifex"):
        assert not handler.is_upsampling(other)
        assert handler.validate_upsampling(other)
    assert handler.build_value("rife", 2) is None
    with pytest.raises(ValueError, match="video_rife7"):
        run(handler, CLIP.movedim(-1, 0), value="video_rife7")
    sample = CLIP.movedim(-1, 0)
    assert run(handler, sample, value="rife2")[0] is sample
