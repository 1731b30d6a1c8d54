"""Graphs of other packs, brought over: both formats, run as they are then."""

import copy
import json

import pytest
from rife_video.__main__ import main
from rife_video.nodes.convert_model import MODEL_TYPES
from rife_video.workflows.convert import convert
from rife_video.workflows.graph import WorkflowError, problems
from rife_video.workflows.local import KNOWN_NODES

CFI = {
    "1": {"class_type": "LoadVideo", "inputs": {"file": "a.mp4"}},
    "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
    "3": {
        "class_type": "Make Interpolation State List",
        "inputs": {"frame_indices": "1,2", "is_skip_list": True},
    },
    "4": {
        "class_type": "RIFE VFI",
        "inputs": {
            "ckpt_name": "rife47.pth",
            "frames": ["2", 0],
            "clear_cache_after_n_frames": 10,
            "multiplier": 3,
            "fast_mode": True,
            "ensemble": False,
            "scale_factor": 0.5,
            "dtype": "float16",
            "torch_compile": False,
            "batch_size": 2,
            "optional_interpolation_states": ["3", 0],
        },
    },
    "5": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "a"}},
}
CORE = {
    **{name: CFI[name] for name in ("1", "2")},
    "3": {"class_type": "FrameInterpolationModelLoader", "inputs": {"model_name": "r.pth"}},
    "4": {
        "class_type": "FrameInterpolate",
        "inputs": {"interp_model": ["3", 0], "images": ["2", 0], "multiplier": 4},
    },
    "5": CFI["5"],
}
FILES = {("LoadVideo", "file"), ("LoadRIFE", "model_name")}
WIDGETS = {
    "RIFE VFI": [
        *("ckpt_name", "clear_cache_after_n_frames", "multiplier", "fast_mode", "ensemble"),
        *("scale_factor", "dtype", "torch_compile", "batch_size"),
    ],
    "Make Interpolation State List": ["frame_indices", "is_skip_list"],
    "FrameInterpolationModelLoader": ["model_name"],
    "FrameInterpolate": ["multiplier"],
}


def test_rife_vfi():
    before = copy.deepcopy(CFI)
    converted = convert(CFI)
    assert before == CFI
    graph = converted.graph
    assert set(graph) == {"1", "2", "4", "5", "6"}
    expected = {"model_name": "rife47.pth", "precision": "fp16", "backend": "auto"}
    assert (graph["6"]["class_type"], graph["6"]["inputs"]) == ("LoadRIFE", expected)
    assert graph["4"]["class_type"] == "InterpolateFrames"
    inputs = graph["4"]["inputs"]
    wanted = {
        **{"model": ["6", 0], "frames": ["2", 0], "multiplier": 3, "scale": 0.5, "batch_size": 2},
        **{"schedule": "2:1, 3:1", "at_cut": "interpolate", "ensemble": False},
    }
    assert {name: inputs[name] for name in wanted} == wanted
    assert {(p.class_type, p.input) for p in problems(graph, KNOWN_NODES)} <= FILES
    assert "RIFE VFI (node 4) became Interpolate Frames." in converted.notes[0]


def test_frames_that_are_taken_alone():
    old = copy.deepcopy(CFI)
    old["3"]["inputs"] = {"frame_indices": "0", "is_skip_list": False}
    assert convert(old).graph["4"]["inputs"]["schedule"] == "1:3, rest 1"


def test_frames_that_are_taken_alone_while_the_multiplier_comes_by_a_wire():
    old = cfi(multiplier=["2", 2])
    old["3"]["inputs"]["is_skip_list"] = False
    for graph in (old, page_of(old)):
        converted = convert(graph)
        assert "2:2, 3:2, rest 1" in json.dumps(converted.graph)
        assert "schedule's multiplier came by a wire" in converted.notes[0]


def test_core_nodes():
    graph = convert(CORE).graph
    assert set(graph) == set(CORE)
    assert graph["3"]["class_type"] == "LoadRIFE"
    assert graph["4"]["inputs"]["model"] == ["3", 0]
    assert graph["4"]["inputs"]["multiplier"] == 4
    assert {(p.class_type, p.input) for p in problems(graph, KNOWN_NODES)} <= FILES


def test_a_network_that_is_not_rife_is_named():
    old = copy.deepcopy(CORE)
    old["3"]["inputs"]["model_name"] = "film_net_fp16.safetensors"
    for graph in (old, page_of(old)):
        told, _ = convert(graph).notes
        assert told.startswith("Node 3 loaded film_net_fp16.safetensors, which is no RIFE network")


def page_of(graph):
    """A graph in the page's format, as far as it matters here."""
    nodes, links = {}, []
    for name, node in graph.items():
        given = node["inputs"]
        inputs = [{"name": k, "link": None} for k, v in given.items() if isinstance(v, list)]
        nodes[int(name)] = {
            **{"id": int(name), "type": node["class_type"], "pos": [400, 0], "inputs": inputs},
            "outputs": [{"name": "o", "type": "*", "links": []}],
            "widgets_values": [given[w] for w in WIDGETS.get(node["class_type"], ())],
        }
    for number, node in nodes.items():
        for slot, entry in enumerate(node["inputs"]):
            source = int(graph[str(number)]["inputs"][entry["name"]][0])
            entry["link"] = len(links) + 1
            links.append([entry["link"], source, 0, number, slot, "*"])
            nodes[source]["outputs"][0]["links"].append(entry["link"])
    return {"nodes": list(nodes.values()), "links": links, "version": 0.4}


@pytest.mark.parametrize("graph", [CFI, CORE], ids=["RIFE VFI", "core"])
def test_the_format_of_the_page(graph):
    page, expected = convert(page_of(graph)).graph, convert(graph).graph
    nodes = {str(node["id"]): node for node in page["nodes"]}
    assert set(nodes) == set(expected)
    links = {link[0]: link for link in page["links"]}
    for name, node in nodes.items():
        assert node["type"] == expected[name]["class_type"]
        if node["type"] not in ("LoadRIFE", "InterpolateFrames"):
            continue
        values = iter(node["widgets_values"])
        found = {e["name"]: next(values) for e in node["inputs"] if "widget" in e}
        for slot, entry in enumerate(node["inputs"]):
            if entry["link"] is not None:
                _, source, output, target, place, _ = links[entry["link"]]
                assert (str(target), place) == (name, slot)
                assert entry["link"] in nodes[str(source)]["outputs"][output]["links"]
                found[entry["name"]] = [str(source), output]
        assert found == expected[name]["inputs"]


def wired(page, node, name):
    """Lets the first output of a new node lead into an input of a node."""
    source, number = 50 + len(page["nodes"]), 50 + len(page["links"])
    output = {"name": "o", "type": "COMBO", "links": [number]}
    page["nodes"].append({"id": source, "type": "PrimitiveNode", "outputs": [output]})
    page["links"].append([number, source, 0, node["id"], len(node["inputs"]), "COMBO"])
    node["inputs"].append({"name": name, "link": number, "widget": {"name": name}})


@pytest.mark.parametrize(
    ("graph", "name"), [(CFI, "ckpt_name"), (CORE, "model_name")], ids=["RIFE VFI", "core"]
)
def test_a_wired_file_name_leads_into_the_loader(graph, name):
    page = page_of(graph)
    (node,) = [node for node in page["nodes"] if name in WIDGETS.get(node["type"], ())]
    wired(page, node, name)
    number, source, *_ = page["links"][-1]
    page = convert(page).graph
    (loader,) = [node for node in page["nodes"] if node["type"] == "LoadRIFE"]
    assert loader["inputs"][0]["link"] == number
    assert [number, source, 0, loader["id"], 0, "COMBO"] in page["links"]


def test_wires_of_inputs_that_are_not_there_any_more_are_taken_away():
    page = page_of(CFI)
    (node,) = [node for node in page["nodes"] if node["type"] == "RIFE VFI"]
    for name in ("clear_cache_after_n_frames", "fast_mode"):
        wired(page, node, name)
    page["links"].append([90, 99, 0, 4, 5, "INT"])  # of a node that is gone
    page["links"].append([91, 2, 1, 4, 6, "INT"])  # of which only one end knows
    page["nodes"][1]["outputs"].append({"name": "audio", "links": None})
    page = convert(page).graph
    (node,) = [node for node in page["nodes"] if node["type"] == "InterpolateFrames"]
    into = {link[0] for link in page["links"] if link[3] == node["id"]}
    assert into == {entry["link"] for entry in node["inputs"] if entry["link"]}
    primitives = [node for node in page["nodes"] if node["type"] == "PrimitiveNode"]
    assert [node["outputs"][0]["links"] for node in primitives] == [[], []]


def test_group_nodes_are_to_be_taken_apart_first():
    page = page_of({name: CFI[name] for name in "12"})
    old = {"nodes": [{"type": "RIFE VFI", "index": 0}], "links": [], "external": []}
    page["extra"] = {"groupNodes": {"smooth": old}}
    with pytest.raises(WorkflowError, match="group node 'smooth' holds RIFE VFI"):
        convert(page)


def cfi(**changes):
    graph = copy.deepcopy(CFI)
    graph["4"]["inputs"] |= changes
    return graph


@pytest.mark.parametrize(
    ("changes", "values", "note"),
    [
        ({"ensemble": True}, {"ensemble": False}, "averages nothing with it"),
        ({"ckpt_name": "rife417.pth", "ensemble": ["2", 2]}, {"ensemble": ["2", 2]}, ""),
        ({"ckpt_name": "rife426.pth", "ensemble": ["2", 2]}, {"ensemble": False}, ""),
        ({"multiplier": 100}, {"multiplier": 100}, "multiplier is 100, and goes from 1 to 64"),
        ({"multiplier": 0}, {"multiplier": 0}, "multiplier is 0, and goes from 1 to 64"),
        ({"multiplier": ["2", 2]}, {"multiplier": ["2", 2]}, ""),
        ({"batch_size": 128}, {"batch_size": 64}, ""),
        ({"scale_factor": ["2", 2]}, {"scale": 1.0}, "scale_factor came by a wire"),
        ({"dtype": ["2", 2], "torch_compile": ["2", 2]}, {}, "dtype, torch_compile came by"),
    ],
)
def test_odd_values(changes, values, note):
    converted = convert(cfi(**changes))
    inputs = converted.graph["4"]["inputs"]
    assert {name: inputs[name] for name in values} == values
    assert note in converted.notes[0]


def test_a_list_of_states_that_comes_by_a_wire_is_named():
    graph = cfi()
    graph["3"]["inputs"]["frame_indices"] = ["1", 0]
    assert "frame_indices came by a wire" in convert(graph).notes[0]
    graph["4"]["inputs"] = None
    assert convert(graph).graph["4"]["inputs"]["multiplier"] == 2


def test_wires_of_the_page_are_kept_where_the_input_is_the_same():
    page = {
        "nodes": [
            {
                "id": 1,
                "type": "RIFE VFI",
                "pos": [0, 0],
                "inputs": [
                    {"name": "frames", "type": "IMAGE", "link": None},
                    {"name": "multiplier", "type": "INT", "link": 5},
                    {"name": "scale_factor", "type": "FLOAT", "link": 6},
                ],
                "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": None}],
                "widgets_values": ["rife47.pth", 10, 2, True, False, 1.0, "float32", False, 1],
            },
            {
                "id": 2,
                "type": "Numbers",
                "pos": [0, 0],
                "outputs": [{"type": "INT", "links": [5]}, {"type": "FLOAT", "links": [6]}],
            },
        ],
        "links": [[5, 2, 0, 1, 1, "INT"], [6, 2, 1, 1, 2, "FLOAT"]],
    }
    converted = convert(page)
    inputs = converted.graph["nodes"][0]["inputs"]
    (slot,) = [slot for slot, entry in enumerate(inputs) if entry["link"] == 5]
    assert inputs[slot]["name"] == "multiplier"
    assert [5, 2, 0, 1, slot, "INT"] in converted.graph["links"]
    assert not [link for link in converted.graph["links"] if link[0] == 6]
    assert converted.graph["nodes"][1]["outputs"][1]["links"] == []
    assert "scale_factor came by a wire" in converted.notes[0]
    page["links"] = [{"id": 5, "origin_id": 2}]
    with pytest.raises(WorkflowError, match="export it as API"):
        convert(page)


LINK = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")


def subgraph_of(graph, key, name):
    """A graph without its first two nodes as a subgraph, whose input is their result."""
    page = page_of(graph)
    nodes = [node for node in page["nodes"] if node["id"] > 2]
    links = [dict(zip(LINK, link, strict=True)) for link in page["links"] if link[3] > 2]
    for link in links:
        if link["origin_id"] <= 2:
            link["origin_id"] = -10
    into = [link["id"] for link in links if link["origin_id"] == -10]
    return {
        **{"id": key, "name": name, "nodes": nodes, "links": links},
        **{"inputNode": {"id": -10}, "outputNode": {"id": -20}, "outputs": []},
        "inputs": [{"name": "frames", "type": "IMAGE", "linkIds": into}],
        "state": {"lastNodeId": 5, "lastLinkId": 5},
    }


def instance(number, key, shown):
    properties = {"proxyWidgets": [list(entry) for entry in shown]}
    return {"id": number, "type": key, "inputs": [], "outputs": [], "properties": properties}


def shown_by(node):
    return [tuple(entry) for entry in node["properties"]["proxyWidgets"]]


def check_links(graph):
    """Each link stands in the node or the input that it comes from, and where it leads to."""
    nodes = {node["id"]: node for node in graph["nodes"]}
    for link in graph["links"]:
        number, source, slot, target, place, _ = [link[name] for name in LINK]
        ends = graph["inputs"][slot]["linkIds"] if source == -10 else None
        assert number in (ends or nodes[source]["outputs"][slot]["links"])
        assert nodes[target]["inputs"][place]["link"] == number
    numbers = [link["id"] for link in graph["links"]]
    assert len(set(numbers)) == len(numbers)
    for entry in graph["inputs"]:
        assert set(entry["linkIds"]) <= set(numbers)


def test_subgraphs():
    """Those in subgraphs, too; what instances show of them keeps its place under its new name."""
    widgets = ("multiplier", "scale_factor", "ckpt_name", "fast_mode")
    inner = subgraph_of(CFI, "inner", "Smooth")
    outer = {
        **subgraph_of({}, "outer", "Both"),
        "nodes": [
            instance(7, "inner", [("4", name) for name in widgets] + [("3", "is_skip_list")])
        ],
    }
    page = {
        "nodes": [instance(20, "outer", [("7", "scale_factor"), ("7", "fast_mode"), ("7", "x")])],
        **{"links": [], "definitions": {"subgraphs": [outer, inner]}, "version": 0.4},
    }
    converted = convert(page)
    assert "RIFE VFI (node 4 of Smooth) became Interpolate Frames." in converted.notes[0]
    outer, inner = converted.graph["definitions"]["subgraphs"]
    kinds = {node["id"]: node["type"] for node in inner["nodes"]}
    assert kinds == {4: "InterpolateFrames", 5: "SaveImage", 21: "LoadRIFE"}
    assert inner["state"]["lastNodeId"] == 21
    check_links(inner)
    (frames,) = [entry for entry in inner["nodes"][0]["inputs"] if entry["name"] == "frames"]
    assert inner["inputs"][0]["linkIds"] == [frames["link"]]
    shown = [("4", "multiplier"), ("4", "scale"), ("21", "model_name")]
    assert shown_by(outer["nodes"][0]) == shown
    assert shown_by(converted.graph["nodes"][0]) == [("7", "scale"), ("7", "x")]


def test_a_wire_from_the_input_of_a_subgraph_is_taken_away():
    inner = subgraph_of(CFI, "inner", "")
    (node,) = [node for node in inner["nodes"] if node["id"] == 4]
    node["inputs"].append({"name": "scale_factor", "link": 9})
    link = dict(zip(LINK, (9, -10, 1, 4, 2, "FLOAT"), strict=True))
    inner["links"].append({**link, "parentId": 1})
    inner["inputs"].append({"name": "scale", "type": "FLOAT", "linkIds": [9]})
    converted = convert({"nodes": [], "links": [], "definitions": {"subgraphs": [inner]}})
    (inner,) = converted.graph["definitions"]["subgraphs"]
    assert "(node 4 of a subgraph)" in converted.notes[0]
    assert "scale_factor came by a wire" in converted.notes[0]
    assert inner["inputs"][1]["linkIds"] == []
    check_links(inner)


def test_what_a_person_called_and_coloured_stays():
    for title, expected in (
        ("Slow the dancer", "Slow the dancer"),
        ("RIFE VFI (recommend rife47 and rife49)", "Interpolate Frames"),
        (None, "Interpolate Frames"),
    ):
        page = page_of(CFI)
        (old,) = [node for node in page["nodes"] if node["type"] == "RIFE VFI"]
        old |= {"title": title, "color": "#322"}
        new, *_ = [node for node in convert(page).graph["nodes"] if node["id"] == old["id"]]
        assert (new["title"], new["color"]) == (expected, "#322")
        graph = copy.deepcopy(CFI)
        graph["4"]["_meta"] = {"title": title}
        assert convert(graph).graph["4"]["_meta"]["title"] == expected


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_a_model_goes_into_a_subgraph(kind):
    """The loader is outside; wires and sockets between carry the new kind of model."""
    inner = subgraph_of(CORE, "inner", "Smooth")
    inner["nodes"] = [node for node in inner["nodes"] if node["id"] != 3]
    (link,) = [link for link in inner["links"] if link["origin_id"] == 3]
    link |= {"origin_id": -10, "origin_slot": 1, "type": kind}
    inner["inputs"].append({"name": "m", "type": kind, "linkIds": [link["id"]]})
    page = page_of({"3": CORE["3"]})
    page["nodes"].append(instance(8, "inner", []))
    page["nodes"][1]["inputs"] = [{"name": "m", "type": kind, "link": 1}]
    page["nodes"][0]["outputs"][0] |= {"type": kind, "links": [1]}
    page["links"] = [dict(zip(LINK, (1, 3, 0, 8, 0, kind), strict=True))]
    graph = convert({**page, "definitions": {"subgraphs": [inner]}}).graph
    (inner,) = graph["definitions"]["subgraphs"]
    assert [node["type"] for node in graph["nodes"]] == ["LoadRIFE", "inner"]
    assert graph["links"][0]["type"] == graph["nodes"][1]["inputs"][0]["type"] == "RIFE_MODEL"
    assert [entry["type"] for entry in inner["inputs"]] == ["IMAGE", "RIFE_MODEL"]
    check_links(inner)
    assert kind not in json.dumps(graph)


def test_nothing_to_convert():
    with pytest.raises(WorkflowError, match="nothing to convert"):
        convert({"1": CFI["1"]})


def test_command_line(tmp_path, capsys):
    (tmp_path / "old.json").write_text(json.dumps(CFI))
    assert main(["convert", str(tmp_path / "old.json"), str(tmp_path / "new.json")]) == 0
    assert json.loads((tmp_path / "new.json").read_text()) == convert(CFI).graph
    assert "became Interpolate Frames" in capsys.readouterr().out
