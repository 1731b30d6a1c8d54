"""The example workflows: both formats agree, and the page takes its one without a warning."""

import json
import re
from pathlib import Path

import pytest
import rife_video
from rife_video.nodes import NODE_CLASS_MAPPINGS as NODES
from rife_video.nodes.host import SAMPLE
from rife_video.workflows import core_nodes
from rife_video.workflows.graph import inputs_of, problems
from rife_video.workflows.local import KNOWN_NODES

FOLDER = Path(rife_video.__file__).parent / "workflows"
NAMES = sorted(path.name.removesuffix(".api.json") for path in (FOLDER / "api").glob("*.api.json"))
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}

# Outputs of nodes that this project does not have, as their packs declare them.
FOREIGN_OUTPUTS = {
    "CLIPLoader": ("CLIP",),
    "EmptyLatentImage": ("LATENT",),
    "DownloadAndLoadCogVideoModel": ("COGVIDEOMODEL", "VAE"),
    "CogVideoTextEncode": ("CONDITIONING", "CLIP"),
    "CogVideoSampler": ("LATENT",),
    "CogVideoDecode": ("IMAGE",),
    "ImageScale": ("IMAGE",),
    "VAELoader": ("VAE",),
    "VAEEncode": ("LATENT",),
    "VAEDecode": ("IMAGE",),
}

# Widgets that the page shows beside a node's inputs, after the widget named.
PAGE_ONLY = {"seed": "fixed", "file": "image"}

PAGES = {
    json.loads(path.read_text())["extra"]["api"].removesuffix(".api.json"): path
    for path in FOLDER.glob("*.json")
}
"""The page's file of each, which is named by the title that people see."""

every_example = pytest.mark.parametrize("name", NAMES)


def load(name):
    files = PAGES[name], FOLDER / f"api/{name}.api.json"
    return [json.loads(path.read_text()) for path in files]


def outputs_of(kind):
    return FOREIGN_OUTPUTS.get(kind) or KNOWN_NODES[kind].RETURN_TYPES


def widget_values(node):
    """Values by widget name, as the page reads them: in order, its own widgets between."""
    values = iter(node["widgets_values"])
    named = {}
    for entry in node["inputs"]:
        if "widget" in entry:
            named[entry["name"]] = next(values)
            if entry["name"] in PAGE_ONLY:
                assert next(values) == PAGE_ONLY[entry["name"]]
    assert not list(values)
    return named


def test_every_workflow_comes_in_both_formats():
    assert sorted(PAGES) == NAMES, "ComfyUI's page offers each of these files as a template"
    assert len(PAGES) == len(list(FOLDER.glob("*.json")))
    assert {"interpolate_clip", "cogvideox_interpolate"} <= set(PAGES)


def test_templates_are_named_by_their_titles():
    """The page shows the names of the files; nothing else gives one a title."""
    for path in PAGES.values():
        assert re.fullmatch(r"[A-Z][A-Za-z]+(,? [A-Za-z]+)+", path.stem)
        assert len(path.stem) <= 30, "what a card shows in one line"


@every_example
def test_both_formats_say_the_same(name):
    page, api = load(name)
    links = {link[0]: link for link in page["links"]}
    assert {str(node["id"]) for node in page["nodes"]} == set(api)
    for node in page["nodes"]:
        other = api[str(node["id"])]
        assert node["type"] == other["class_type"]
        if "title" in node:
            assert node["title"] == other["_meta"]["title"]
        inputs = widget_values(node)
        if node["type"] == "LoadVideo":
            assert inputs == {"file": SAMPLE.name}, "scripts name their own clip, people try one"
            inputs = {"file": "clip.mp4"}
        for entry in node["inputs"]:
            if entry["link"] is not None:
                _, source, slot, *_ = links[entry["link"]]
                inputs[entry["name"]] = [str(source), slot]
        assert inputs == other["inputs"]


@every_example
def test_page_format_is_consistent(name):
    page, _ = load(name)
    nodes = {node["id"]: node for node in page["nodes"]}
    assert page["version"] == 0.4
    assert page["last_node_id"] == max(nodes)
    assert page["last_link_id"] == max(link[0] for link in page["links"])
    assert sorted(node["order"] for node in nodes.values()) == list(range(len(nodes)))
    for link_id, source, slot, target, target_slot, kind in page["links"]:
        output = nodes[source]["outputs"][slot]
        entry = nodes[target]["inputs"][target_slot]
        assert link_id in output["links"]
        assert entry["link"] == link_id
        assert kind == output["type"] == entry["type"]
        assert nodes[source]["order"] < nodes[target]["order"]
    links = {link[0] for link in page["links"]}
    for node in nodes.values():
        keys = {"id", "type", "pos", "size", "flags", "order", "mode", "properties"}
        assert keys | {"inputs", "outputs", "widgets_values"} <= set(node)
        assert node["mode"] == 0
        assert "ver" not in node["properties"]
        assert {e["link"] for e in node["inputs"]} - {None} <= links
        assert {link for output in node["outputs"] for link in output["links"]} <= links
        # Later releases append outputs to their nodes; what the oldest one lacks is not there.
        types = [output["type"] for output in node["outputs"]]
        assert types == list(outputs_of(node["type"]))[: len(types)]
        if node["type"] in NODES:
            names = [output["name"] for output in node["outputs"]]
            assert names == list(NODES[node["type"]].RETURN_NAMES)


@every_example
def test_boxes_do_not_overlap(name):
    page, _ = load(name)
    boxes = [(*node["pos"], *node["size"]) for node in page["nodes"]]
    for index, (x, y, width, height) in enumerate(boxes):
        for left, top, other_width, other_height in boxes[:index]:
            beside = x >= left + other_width or left >= x + width
            below = y - 30 >= top + other_height or top - 30 >= y + height
            assert beside or below


@every_example
def test_known_nodes_get_all_their_inputs_and_only_those(name):
    page, api = load(name)
    for node in page["nodes"]:
        if node["type"] in KNOWN_NODES:
            declared = inputs_of(KNOWN_NODES[node["type"]])
            names = {entry["name"] for entry in node["inputs"]}
            if node["type"] in NODES:
                assert names == set(declared)
            else:  # what only newer servers have is left out
                assert {n for n, entry in declared.items() if entry.required} <= names
                assert names <= set(declared)
            for entry in node["inputs"]:
                is_widget = declared[entry["name"]].type in WIDGET_TYPES
                assert is_widget == ("widget" in entry)
                assert entry["type"] == declared[entry["name"]].type
            for widget, value in widget_values(node).items():
                choices = declared[widget].choices
                if choices and widget not in ("file", "model_name"):
                    assert value in choices
    found = problems(api, KNOWN_NODES)
    files = {("LoadVideo", "file"), ("LoadRIFE", "model_name")}
    elsewhere = {problem for problem in found if problem.class_type in FOREIGN_OUTPUTS}
    assert {(p.class_type, p.input) for p in found if p not in elsewhere} <= files


@every_example
def test_titles_in_api_format(name):
    own = {name: getattr(node, "TITLE", node.DISPLAY_NAME) for name, node in NODES.items()}
    displayed = {"LoadVideo": "Load Video", "SaveVideo": "Save Video"} | own
    _, api = load(name)
    for node in api.values():
        assert node["_meta"]["title"]
        if node["class_type"] in displayed:
            assert node["_meta"]["title"] == displayed[node["class_type"]]


def test_the_clip_goes_through_with_its_rate_and_sound():
    _, api = load("interpolate_clip")
    by_class = {node["class_type"]: (key, node["inputs"]) for key, node in api.items()}
    parts, _ = by_class["GetVideoComponents"]
    middle, interpolate = by_class["InterpolateFrames"]
    _, create = by_class["CreateVideo"]
    assert interpolate["frames"] == [parts, 0]
    assert interpolate["source_fps"] == [parts, 2]
    assert create == {"images": [middle, 0], "fps": [middle, 1], "audio": [parts, 1]}
    assert set(core_nodes.NODE_CLASS_MAPPINGS) >= set(by_class) - set(NODES)


def test_generated_frames_are_interpolated_right_behind_the_decoder():
    _, api = load("cogvideox_interpolate")
    by_class = {node["class_type"]: (key, node["inputs"]) for key, node in api.items()}
    decoder, _ = by_class["CogVideoDecode"]
    _, interpolate = by_class["InterpolateFrames"]
    assert interpolate["frames"] == [decoder, 0]
    assert interpolate["source_fps"] == 8.0


BLUEPRINTS = sorted((FOLDER.parent / "subgraphs").glob("*.json"))


def test_blueprints_have_the_names_that_people_look_for():
    assert [path.stem for path in BLUEPRINTS] == ["Slow motion", "Smooth video"]


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_is_consistent(path):
    page = json.loads(path.read_text())
    (outer,), (inner,) = page["nodes"], page["definitions"]["subgraphs"]
    assert outer["type"] == inner["id"]
    assert outer["title"] == inner["name"] == path.stem
    nodes = {node["id"]: node for node in inner["nodes"]}
    for node in nodes.values():
        declared = inputs_of(NODES[node["type"]])
        assert {entry["name"] for entry in node["inputs"]} == set(declared)
        for widget, value in widget_values(node).items():
            assert not declared[widget].choices or value in declared[widget].choices
    for number, widget in outer["properties"]["proxyWidgets"]:
        assert widget in widget_values(nodes[int(number)])
    sides = {-10: inner["inputs"], -20: inner["outputs"]}
    for link in inner["links"]:
        source, target = link["origin_id"], link["target_id"]
        outputs = sides.get(source) or nodes[source]["outputs"]
        inputs = sides.get(target) or nodes[target]["inputs"]
        kinds = outputs[link["origin_slot"]]["type"], inputs[link["target_slot"]]["type"]
        assert kinds == (link["type"],) * 2
    for kind in ("inputs", "outputs"):
        names = [(entry["name"], entry["type"]) for entry in inner[kind]]
        assert names == [(entry["name"], entry["type"]) for entry in outer[kind]]
