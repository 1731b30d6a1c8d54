"""Clips that ComfyUI sends through in parts, as VideoHelperSuite's Meta Batch does."""

from types import SimpleNamespace

import pytest
import torch
from rife_video.nodes.host import RIFEModel, running_part
from rife_video.nodes.interpolate_frames import InterpolateFrames
from rife_video.rife_core.engine import interpolate
from rife_video.rife_core.timeline import Timeline
from support import moving_square


@pytest.fixture
def comfyui(loaded, monkeypatch):
    """What a running server has loaded: `comfyui(prompt, node)` lets that node run."""
    modules = loaded(
        *("server", "comfy", "comfy.utils", "comfy.model_patcher"),
        *("comfy_execution", "comfy_execution.utils"),
    )
    management = modules["comfy.model_management"]
    management.get_torch_device = lambda: torch.device("cpu")
    management.get_free_memory = lambda device: 2**33
    management.load_models_gpu = lambda *_, **__: None
    management.unet_offload_device = management.get_torch_device
    management.throw_exception_if_processing_interrupted = lambda: None
    modules["comfy.utils"].ProgressBar = lambda total: SimpleNamespace(
        update_absolute=lambda *_: None
    )
    patcher = SimpleNamespace(add_callback=lambda *_: None)
    modules["comfy.model_patcher"].ModelPatcher = lambda *_, **__: patcher
    queue = SimpleNamespace(currently_running={})
    modules["server"].PromptServer = SimpleNamespace(instance=SimpleNamespace(prompt_queue=queue))
    monkeypatch.setattr("rife_video.nodes.host.progress_bar._preview", lambda frame: None)

    def running(prompt, node, item=None):
        queue.currently_running = {0: (0, "prompt", prompt, {}, [])}
        context = SimpleNamespace(prompt_id="prompt", node_id=node, list_index=item)
        modules["comfy_execution.utils"].get_executing_context = lambda: context

    return running


def prompt(requeue):
    manager = {"frames_per_batch": 4} | ({"requeue": requeue} if requeue else {})
    return {
        "1": {"class_type": "VHS_BatchManager", "inputs": manager},
        "2": {"class_type": "VHS_LoadVideo", "inputs": {"video": "a.mp4", "meta_batch": ["1", 0]}},
        "3": {"class_type": "ImageScale", "inputs": {"image": ["2", 0], "width": 52}},
        "4": {"class_type": "InterpolateFrames", "inputs": {"frames": ["3", 0]}},
    }


@pytest.fixture
def in_parts(comfyui, network):
    def in_parts(clip, size, **options):
        frames, texts = [], []
        for number, part in enumerate(clip.split(size)):
            comfyui(prompt(number), "4")
            inputs = {"multiplier": 2, "source_fps": 8.0, **options}
            answer = InterpolateFrames().interpolate(
                RIFEModel(network, "small", "fp32"), part, **inputs
            )
            result, fps, count, text, _ = answer
            assert count == len(result)
            assert fps == options.get("target_fps", 8.0 * inputs["multiplier"])
            frames.append(result)
            texts.append(text)
        return torch.cat(frames), texts

    return in_parts


@pytest.mark.parametrize("size", [4, 3, 1])
@pytest.mark.parametrize(
    ("options", "timeline"),
    [
        ({}, Timeline.multiply(2)),
        ({"multiplier": 3}, Timeline.multiply(3)),
        ({"target_fps": 20.0}, Timeline.retime(8, 20)),
        ({"target_fps": 6.0}, Timeline.retime(8, 6)),
        ({"schedule": "2:4, 4-6:1"}, Timeline.multiply(2, schedule="2:4, 4-6:1")),
    ],
)
def test_nothing_is_missing_at_the_seams(in_parts, network, size, options, timeline):
    clip = moving_square(10)
    frames, texts = in_parts(clip, size, **options)
    expected = interpolate(network, clip, timeline, scale="auto")
    assert len(frames) == len(expected)
    torch.testing.assert_close(frames, expected)
    assert "Part 2 of a clip; it goes on from the part before." in texts[1]


def test_cuts_are_counted_from_the_beginning_of_the_clip(in_parts):
    clip = moving_square(10)
    frames, _ = in_parts(clip, 4, cuts="5, 8")
    assert len(frames) == 19
    assert torch.equal(frames[7], clip[3])
    assert torch.equal(frames[13], clip[6])
    assert not torch.equal(frames[5], clip[2])


def test_a_part_whose_part_before_is_not_known_says_so(comfyui, network):
    model = RIFEModel(network, "small", "fp32")
    graph = prompt(3)
    comfyui(graph | {"5": graph["4"]}, "5")
    assert running_part().number == 3
    answer = InterpolateFrames().interpolate(model, moving_square(2), 2, 8.0)
    assert "Interpolate Video takes a clip of any length whole." in answer["result"][3]


def test_an_end_that_a_part_cannot_see_is_told_of(in_parts):
    _, texts = in_parts(moving_square(4), 2, end="keep duration")
    assert all("'keep duration' needs to know where the clip ends" in text for text in texts)


@pytest.mark.parametrize("divider", ["ImageFromBatch", "VHS_SplitImages", "GetImageRangeFromBatch"])
def test_clips_that_were_divided_by_hand(comfyui, network, divider):
    graph = prompt(0)
    graph["2"]["inputs"] = {}
    graph["3"]["class_type"] = divider
    comfyui(graph, "4")
    assert running_part() is None
    model = RIFEModel(network, "small", "fp32")
    text = InterpolateFrames().interpolate(model, moving_square(3), 2, 8.0)["result"][3]
    assert f"{divider} passes some frames on." in text
    assert "Interpolate Video" in text


def test_items_of_a_list_are_clips_of_their_own(comfyui, network):
    """Nothing tells the first of several from a list of one."""
    graph = {"4": {"class_type": "InterpolateFrames", "inputs": {"frames": ["3", 0]}}}
    model, texts = RIFEModel(network, "small", "fp32"), []
    for item, part in enumerate(moving_square(5).split(2)):
        comfyui(graph, "4", item)
        texts.append(InterpolateFrames().interpolate(model, part, 2, 8.0)["result"][3])
    assert "list" not in texts[0]
    for number, text in enumerate(texts[1:], 2):
        assert f"Item {number} of a list" in text
        assert "join them first: Rebatch Images" in text
