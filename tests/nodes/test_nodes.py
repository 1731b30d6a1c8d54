"""What holds for every node of the pack, and what the two main nodes do."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
import rife_video
from rife_video.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

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
            *("unsure", "blur", "exposures", "pacing", "replace"),
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
            "unsure",
            *("encoder", "quality", "pixel_format", "blur", "exposures", "pacing", "replace"),
            *("speed", "sound", "start", "stop"),
        ),
        (("video", "VIDEO"), ("fps", "FLOAT"), ("frame_count", "INT"), ("report", "STRING")),
    ),
    "ConvertInterpolationModel": (
        ("interp_model",),
        ("precision", "backend"),
        (("model", "RIFE_MODEL"),),
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
    "AdaptRIFE": (
        ("model", "frames", "steps"),
        ("seconds", "learning_rate", "seed"),
        (("model", "RIFE_MODEL"), ("report", "STRING")),
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


def test_every_node_is_among_them():
    assert set(NODE_CLASS_MAPPINGS) == set(PUBLISHED)


@every_node
def test_optional_inputs_may_be_left_out(node_id):
    """A workflow that was saved before an input was added lacks it."""
    node = NODE_CLASS_MAPPINGS[node_id]
    taken = inspect.signature(getattr(node, node.FUNCTION)).parameters
    needed = {
        name
        for name, each in taken.items()
        if each.default is each.empty and each.kind is not each.VAR_KEYWORD
    }
    assert needed - {"self"} <= set(node.INPUT_TYPES()["required"])


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

BY_ONE_NAME = {"slow motion", "smooth", "tween", "frame rate"}
"""Words for which there is no room left in the other name; see CONTRIBUTING.md."""


@pytest.mark.parametrize("word", WORDS)
def test_the_main_nodes_are_found_by_what_people_type(word):
    main = [NODE_CLASS_MAPPINGS[name] for name in ("InterpolateFrames", "InterpolateVideo")]
    for node in main:
        assert word in node.SEARCH_ALIASES
        assert word in node.DISPLAY_NAME.lower()
        assert node.ESSENTIALS_CATEGORY == "Video Tools"
    on_old_pages = [
        any(
            all(-1 < name.lower().find(part) <= SEEN for part in word.split())
            for name in (node.DISPLAY_NAME, node.__name__)
        )
        for node in main
    ]
    assert sorted(on_old_pages) == [word not in BY_ONE_NAME, True]


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
