"""What holds for every node of the pack, and what the two main nodes do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import rife_video
import torch
from rife_video.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from rife_video.nodes.host import Folders, RIFEModel, use_folders
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.timeline import Timeline
from support import moving_square

PACK = Path(rife_video.__file__).parent
every_node = pytest.mark.parametrize("node_id", NODE_CLASS_MAPPINGS)

# Saved workflows name these: an entry may be added (inputs as optional ones), never changed.
PUBLISHED = {
    "LoadRIFE": (
        ("model_name",),
        ("precision", "backend"),
        (("model", "RIFE_MODEL"),),
    ),
    "InterpolateFrames": (
        ("model", "frames", "multiplier", "source_fps"),
        (
            *("target_fps", "end", "scale", "ensemble", "batch_size", "schedule"),
            *("at_cut", "cuts", "repeats", "max_memory", "map_disagreement", "keep_region"),
        ),
        (
            *(("frames", "IMAGE"), ("fps", "FLOAT"), ("frame_count", "INT"), ("report", "STRING")),
            ("disagreement", "MASK"),
        ),
    ),
    "InterpolateVideo": (
        ("model", "video", "multiplier"),
        (
            *("target_fps", "end", "scale", "ensemble", "batch_size", "schedule"),
            *("at_cut", "cuts", "repeats", "max_memory", "keep_region", "slow_motion", "crf"),
        ),
        (("video", "VIDEO"), ("fps", "FLOAT"), ("frame_count", "INT"), ("report", "STRING")),
    ),
    "CompareFrames": (
        ("before", "after"),
        ("first", "count", "width"),
        (("side_by_side", "IMAGE"), ("strip", "IMAGE")),
    ),
    "EstimateFlow": (
        ("model", "frames"),
        ("timestep", "scale", "show", "full_colour_at"),
        (("flow", "RIFE_FLOW"), ("picture", "IMAGE"), ("report", "STRING")),
    ),
    "ComputeFlowLoss": (
        (),
        (
            *("prediction", "target", "model", "predicted_flow", "true_flow"),
            *("laplacian", "census", "edges", "vgg", "lpips", "psnr", "ssim"),
            *("heat_map_of", "white_at"),
        ),
        (
            *(
                (n, "FLOAT")
                for n in ("laplacian", "census", "edges", "vgg", "lpips", "psnr", "ssim")
            ),
            *(("flow_error", "FLOAT"), ("report", "STRING")),
            *(("heat_map", "IMAGE"), ("plot", "IMAGE")),
        ),
    ),
    "VideoAELoss": (
        ("original", "reconstruction"),
        (
            *("perceptual_weight", "adversarial_loss_weight", "grad_penalty_loss_weight"),
            *("quantizer_aux_loss_weight", "aux_loss", "discriminator", "global_step"),
            *("disc_start", "window", "seed", "white_at"),
        ),
        (("total", "FLOAT"), ("report", "STRING"), ("error_map", "IMAGE")),
    ),
}


@pytest.mark.parametrize("node_id", PUBLISHED)
def test_saved_workflows_go_on_working(node_id):
    node = NODE_CLASS_MAPPINGS[node_id]
    required, optional, outputs = PUBLISHED[node_id]
    declared = node.INPUT_TYPES()
    assert tuple(declared["required"]) == required
    assert tuple(declared.get("optional", {}))[: len(optional)] == optional
    named = tuple(zip(node.RETURN_NAMES, node.RETURN_TYPES, strict=True))
    assert named[: len(outputs)] == outputs


@every_node
def test_node_is_described(node_id):
    node = NODE_CLASS_MAPPINGS[node_id]
    assert node.DESCRIPTION
    assert node.CATEGORY == "RIFE Video"
    assert node.SEARCH_ALIASES
    assert NODE_DISPLAY_NAME_MAPPINGS[node_id] == node.DISPLAY_NAME
    assert len(json.dumps(node.SEARCH_ALIASES)) > 2
    assert callable(getattr(node, node.FUNCTION))
    assert len(node.RETURN_NAMES) == len(node.RETURN_TYPES) == len(node.OUTPUT_TOOLTIPS)
    for group in node.INPUT_TYPES().values():
        for name, (kind, options) in group.items():
            assert options["tooltip"], name
            if "default" in options and isinstance(kind, list):
                assert options["default"] in kind


@every_node
def test_help_page_names_every_input_and_output(node_id):
    node = NODE_CLASS_MAPPINGS[node_id]
    page = (PACK / rife_video.WEB_DIRECTORY / "docs" / f"{node_id}.md").read_text()
    assert page.startswith(f"# {node.DISPLAY_NAME}\n")
    inputs = [name for group in node.INPUT_TYPES().values() for name in group]
    for name in (*inputs, *node.RETURN_NAMES):
        assert f"| {name} |" in page


WORDS = (
    "rife",
    "fps",
    "60 fps",
    "slow motion",
    "smooth",
    "vfi",
    "interpolate",
    "tween",
    "frame rate",
)
SEEN = 30
"""Letters of a name within which a word must begin for the page of 0.3.64 to find it."""


@pytest.mark.parametrize("word", WORDS)
def test_the_main_nodes_are_found_by_what_people_type(word):
    main = [NODE_CLASS_MAPPINGS[name] for name in ("InterpolateFrames", "InterpolateVideo")]
    for node in main:
        assert word in node.SEARCH_ALIASES
        assert word in node.DISPLAY_NAME.lower()
        assert node.ESSENTIALS_CATEGORY == "Video Tools"
    on_old_pages = [
        all(
            any(-1 < name.lower().find(part) <= SEEN for name in (node.DISPLAY_NAME, node.__name__))
            for part in word.split()
        )
        for node in main
    ]
    assert any(on_old_pages)


def test_rare_inputs_are_folded():
    shown = {
        node_id: [
            name
            for group in NODE_CLASS_MAPPINGS[node_id].INPUT_TYPES().values()
            for name, (_, options) in group.items()
            if not options.get("advanced")
        ]
        for node_id in ("InterpolateFrames", "InterpolateVideo")
    }
    assert shown == {
        "InterpolateFrames": [
            *("model", "frames", "multiplier", "source_fps", "target_fps", "end", "at_cut"),
            "keep_region",
        ],
        "InterpolateVideo": [
            *("model", "video", "multiplier", "target_fps", "end", "at_cut", "keep_region"),
            "slow_motion",
        ],
    }


def test_the_pack_shows_its_nodes_to_comfyui():
    assert rife_video.NODE_CLASS_MAPPINGS is NODE_CLASS_MAPPINGS
    assert rife_video.NODE_DISPLAY_NAME_MAPPINGS is NODE_DISPLAY_NAME_MAPPINGS
    assert (PACK / rife_video.WEB_DIRECTORY).is_dir()
    assert not hasattr(rife_video, "comfy_entrypoint")


def test_the_library_starts_without_the_nodes():
    script = (
        "import sys, rife_video.rife_core.timeline\n"
        "assert not [m for m in sys.modules if m.startswith('rife_video.nodes')]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=PACK / "tests")


@pytest.fixture
def weights(tmp_path, network):
    save_rife(network, tmp_path / "small.safetensors")
    with use_folders(Folders(models=(tmp_path,))):
        yield tmp_path / "small.safetensors"


class TestLoadRIFE:
    node = NODE_CLASS_MAPPINGS["LoadRIFE"]

    def test_loads_what_it_lists(self, weights, network):
        names, _ = self.node.INPUT_TYPES()["required"]["model_name"]
        assert weights.name in names
        assert self.node.VALIDATE_INPUTS(weights.name) is True
        (model,) = self.node().load(weights.name)
        assert model.network.spec == network.spec

    def test_says_what_to_do_when_weights_vanished(self, weights):
        weights.unlink()
        message = self.node.VALIDATE_INPUTS(weights.name)
        assert "'small.safetensors'" in message
        assert str(weights.parent) in message

    def test_changes_with_the_file(self, weights, network):
        before = self.node.IS_CHANGED(weights.name)
        assert self.node.IS_CHANGED(weights.name, precision=None) != before
        assert self.node.IS_CHANGED(weights.name, backend="eager") != before
        assert self.node.IS_CHANGED(weights.name) == before
        save_rife(network, weights)
        assert self.node.IS_CHANGED(weights.name) != before


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
        assert "per made frame, with 'small'" in report or timeline.step == 2

    def test_options_reach_the_engine(self, model):
        clip = moving_square(2)
        plain = self.run(model, clip)[0]
        assert not torch.equal(self.run(model, clip, scale=0.5)[0], plain)
        torch.testing.assert_close(self.run(model, clip, batch_size=3)[0], plain)
        with pytest.raises(ValueError, match="ensemble"):
            self.run(model, clip, ensemble=True)

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
