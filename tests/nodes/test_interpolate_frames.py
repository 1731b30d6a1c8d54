"""Interpolate Frames: timing, options, progress, errors."""

from dataclasses import fields
from fractions import Fraction

import pytest
import torch
from rife_video.nodes import NODE_CLASS_MAPPINGS
from rife_video.nodes.host import RIFEModel
from rife_video.nodes.host import model as host_model
from rife_video.nodes.interpolate_frames import Inputs
from rife_video.rife_core.engine import loop, memory_plan
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.timeline.shutter import Shutter
from support import moving_square

HALF = Shutter(Fraction(180), 4)


class TestInterpolateFrames:
    node = NODE_CLASS_MAPPINGS["InterpolateFrames"]

    @pytest.fixture
    def model(self, network):
        return RIFEModel(network, "small", "fp32")

    def run(self, model, frames, multiplier=2, source_fps=8.0, **options):
        answer = getattr(self.node(), self.node.FUNCTION)(
            model=model,
            frames=frames,
            multiplier=multiplier,
            source_fps=source_fps,
            **options,
        )
        assert answer["ui"]["text"] == (answer["result"][3],)
        return answer["result"]

    @pytest.mark.parametrize(
        ("options", "timeline", "fps"),
        [
            ({"multiplier": 3}, Timeline.multiply(3), 24),
            ({"end": "keep duration"}, Timeline.multiply(2, "keep_duration"), 16),
            ({"target_fps": 12.0}, Timeline.retime(8, 12), 12),
            ({"target_fps": 4.0, "end": "keep duration"}, Timeline.retime(8, 4), 4),
            ({"source_fps": 23.976}, Timeline.multiply(2), 48000 / 1001),
        ],
    )
    def test_does_what_the_engine_does(self, model, options, timeline, fps):
        clip = moving_square(4)
        frames, out_fps, count, report, _ = self.run(model, clip, **options)
        assert torch.equal(frames, interpolate(model.network, clip, timeline))
        assert out_fps == pytest.approx(fps)
        assert count == len(frames)
        assert f"4 frames at {options.get('source_fps', 8.0):g} fps" in report
        assert f"became {count} at" in report
        assert "per interpolated frame, with 'small'" in report or timeline.step == 2

    @pytest.mark.parametrize(
        ("inputs", "timeline", "rules"),
        [
            ({"blur": 180.0, "exposures": 4}, Timeline(Fraction(1), shutter=HALF), {}),
            ({"replace": "3, 5"}, Timeline.multiply(1), {"replaced": frozenset({3, 5})}),
            ({"replace": "auto"}, Timeline.multiply(1), {"repeats": "retime"}),
            (
                {"pacing": "eased", "repeats": "retime"},
                Timeline.multiply(1),
                {"pacing": "eased", "repeats": "retime"},
            ),
        ],
    )
    def test_blur_pacing_and_frames_made_anew(self, model, inputs, timeline, rules):
        clip = moving_square(7)[[0, 1, 1, 2, 4, 5]]
        frames, _, count, *_ = self.run(model, clip, multiplier=1, **inputs)
        how = {"scenes": SceneRules("hold", **rules), "scale": "auto"}
        assert torch.equal(frames, interpolate(model.network, clip, timeline, **how))
        assert count == 6
        assert not torch.equal(frames, clip)

    def test_blur_and_frames_made_anew_exclude_each_other(self, model):
        with pytest.raises(ValueError, match="set blur to 0 or empty replace"):
            self.run(model, moving_square(4), blur=180.0, replace="2")

    def test_options_reach_the_engine(self, model):
        clip = moving_square(2)
        plain = self.run(model, clip)[0]
        assert not torch.equal(self.run(model, clip, scale=0.5)[0], plain)
        torch.testing.assert_close(self.run(model, clip, batch_size=3)[0], plain)
        with pytest.raises(ValueError, match="ensemble"):
            self.run(model, clip, ensemble=True)

    def test_left_out_inputs_are_what_the_page_shows(self):
        shown = self.node.INPUT_TYPES()["optional"]
        for field in fields(Inputs)[1:]:
            assert field.default == shown[field.name][1].get("default"), field.name

    def test_a_run_makes_one_plan(self, model, monkeypatch):
        made = []

        def first_plan(*args):
            made.append(memory_plan.first_plan(*args))
            return made[-1]

        for module in (host_model, loop):
            monkeypatch.setattr(module, "first_plan", first_plan)
        reserved = []
        monkeypatch.setattr(
            model, "ready", lambda size: reserved.append(size) or type(model).ready(model)
        )
        report = self.run(model, moving_square(3), batch_size=2)[3]
        assert len(made) == 1
        assert reserved == [made[0].memory(model.network)]
        assert f"Made {made[0]}" in report

    def test_nothing_is_made_across_a_cut(self, model):
        first = torch.rand(2, 36, 52, 3)
        clip = torch.cat((first, moving_square(2)))
        frames, *_, report, _ = self.run(model, clip, at_cut="hold", cuts="3")
        assert torch.equal(frames[3], clip[1])
        assert "New scenes begin at frames: 3." in report
        frames, *_ = self.run(model, clip, at_cut="interpolate")
        assert not torch.equal(frames[3], clip[1])

    def test_disagreement_is_mapped_when_asked_for(self, model):
        clip = moving_square(3)
        assert self.run(model, clip)[4].shape == (1, 36, 52)
        disagreement = self.run(model, clip, map_disagreement=True)[4]
        assert disagreement.shape == (5, 36, 52)
        assert not disagreement[::2].any()
        assert disagreement[1::2].flatten(1).any(1).all()

    def test_a_region_is_kept(self, model):
        clip, region = moving_square(2), torch.zeros(1, 36, 52)
        region[:, :10] = 1
        frames, *_ = self.run(model, clip, keep_region=region)
        assert torch.equal(frames[1, :10], clip[1, :10]) or torch.equal(
            frames[1, :10], clip[0, :10]
        )

    def test_a_schedule_excludes_a_target_rate(self, model):
        clip = moving_square(3)
        assert self.run(model, clip, schedule="1:4")[2] == 7
        with pytest.raises(ValueError, match="schedule and target_fps"):
            self.run(model, clip, schedule="1:4", target_fps=24.0)

    @pytest.mark.parametrize(
        ("asked", "note"),
        [
            ({"schedule": "1:3, 3-9:4"}, "schedule names pair 3, but the clip has 2"),
            ({"schedule": "1-99:3"}, None),  # as often written for: all
            ({"schedule": "3:4", "end": "loop"}, None),  # the way back
            ({"cuts": "3, 4"}, "cuts names frame 4, but the clip has 3"),
            ({"cuts": "3"}, None),
        ],
    )
    def test_what_lies_beyond_the_clip_is_named(self, model, asked, note):
        report = self.run(model, moving_square(3), **asked)[3]
        assert (note or "") in report
        assert ("that changed nothing" in report) == bool(note)

    def test_one_frame_comes_back_with_a_note(self, model):
        clip = moving_square(1)
        frames, fps, count, report, _ = self.run(model, clip)
        assert torch.equal(frames, clip)
        assert (count, fps) == (1, 8)
        assert "1 frame at 8 fps (0.125 s) became 1 at 8 fps (0.125 s)" in report
        assert "unchanged" in report
        assert "Rebatch Images" in report

    def test_one_made_frame_is_told_in_the_singular(self, model):
        assert "became 3 at 16 fps (0.188 s); 1 was made." in self.run(model, moving_square(2))[3]

    @pytest.mark.parametrize("multiplier", [64, 1024, 100_000_000])
    def test_a_result_larger_than_memory_is_refused_before_work(self, model, multiplier):
        clip = torch.zeros(1, 1, 1, 3).expand(200, 2160, 3840, 3)
        with pytest.raises(ValueError, match=r"GiB are free.*Interpolate Video|multiplier is"):
            self.run(model, clip, multiplier=multiplier)

    def test_the_map_of_disagreement_counts_as_memory(self, model, monkeypatch):
        clip = moving_square(3)
        monkeypatch.setattr(
            "rife_video.nodes.interpolate_frames.free_memory", lambda: 5 * clip[0].numel() * 4 + 9
        )
        assert self.run(model, clip)[2] == 5
        with pytest.raises(ValueError, match="5 frames of 52x36"):
            self.run(model, clip, map_disagreement=True)

    def test_a_mask_for_each_source_frame(self, model):
        clip, region = moving_square(3), torch.zeros(3, 36, 52)
        region[2] = 1
        frames, *_ = self.run(model, clip, keep_region=region, multiplier=4)
        assert torch.equal(frames[6], clip[2])
        assert torch.equal(frames[7], clip[2])
        assert not torch.equal(frames[5], clip[1])
        assert not torch.equal(frames[3], clip[1])

    def test_masks_of_other_sizes_and_numbers_are_told_of(self, model):
        clip, region = moving_square(2), torch.ones(5, 18, 26)
        frames, *_, report, _ = self.run(model, clip, keep_region=region)
        assert torch.equal(frames[1], clip[1])
        assert "keep_region is 26x18; it was resized to 52x36." in report
        assert "5 masks for 2 source frames" in report
        assert "keep_region" not in self.run(model, clip)[3]

    def test_no_frame_is_an_error(self, model):
        with pytest.raises(ValueError, match="no frames"):
            self.run(model, torch.zeros(0, 16, 16, 3))

    def test_runs_in_inference_mode(self, model):
        with torch.inference_mode():
            assert len(self.run(model, moving_square(2))[0]) == 3
