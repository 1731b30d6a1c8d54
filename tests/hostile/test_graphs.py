"""Workflows that are broken or malicious: answered in seconds and sentences, inside the folder."""

import json
import os
import random
from pathlib import Path

import pytest
import rife_video
import torch
from rife_video.__main__ import main
from rife_video.nodes.host import Folders, use_folders
from rife_video.nodes.interpolate_frames import InterpolateFrames
from rife_video.workflows import core_nodes
from rife_video.workflows.graph import WorkflowError, check, order, problems, read, set_input
from rife_video.workflows.local import KNOWN_NODES, run_workflow

from .bad_server import mutated

EXAMPLE = Path(rife_video.__file__).parent / "workflows/api/interpolate_clip.api.json"


def judged(graph):
    check(graph, KNOWN_NODES, "Nodes")


def chain(length):
    """A clip, its frames saved through a chain of links."""
    graph = {"0": {"class_type": "LoadImage", "inputs": {"image": "no.png"}}}
    for i in range(1, length):
        inputs = {"image": [str(i - 1), 0], "batch_index": 0, "length": 1}
        graph[str(i)] = {"class_type": "ImageFromBatch", "inputs": inputs}
    graph["end"] = {"class_type": "PreviewImage", "inputs": {"images": [str(length - 1), 0]}}
    return graph


def rings(count, size):
    """So many cycles, all of which an output needs."""
    graph = {}
    for i in range(count):
        for k in range(size):
            source = f"{i}.{(k + 1) % size}"
            graph[f"{i}.{k}"] = {"class_type": "ImageFromBatch", "inputs": {"image": [source, 0]}}
        graph[f"end{i}"] = {"class_type": "PreviewImage", "inputs": {"images": [f"{i}.0", 0]}}
    return graph


def everything_to_everything(count):
    inputs = {f"image{k}": [str(k), 0] for k in range(count)}
    nodes = {str(i): {"class_type": "PreviewImage", "inputs": inputs} for i in range(count)}
    return json.loads(json.dumps(nodes))


LARGE = {
    "a long chain": chain,
    "a long circle": lambda size: rings(1, size),
    "many circles": lambda size: rings(size // 4, 2),
    "circles of one": lambda size: rings(size // 4, 1),
    "all to all": lambda size: everything_to_everything(int(size**0.5)),
    "unknown nodes": lambda size: {str(i): {"class_type": f"Nod{i}"} for i in range(size)},
    "long class": lambda size: {"1": {"class_type": "x" * 10 * size}},
    "long id": lambda size: {"x" * 10 * size: {"class_type": "SaveImage"}},
    "nameless": lambda size: {str(i): {} for i in range(size)},
    "no outputs": lambda size: {str(i): {"class_type": "LoadVideo"} for i in range(size)},
    "all wrong": lambda size: {str(i): {"class_type": "PreviewImage"} for i in range(size)},
    "long value": lambda size: {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "x" * 10 * size}},
        "2": {"class_type": "SaveVideo", "inputs": {"video": ["1", 0], "format": "x" * 10 * size}},
    },
    "long link": lambda size: {"1": {"class_type": "SaveImage", "inputs": {"images": [0] * size}}},
}


def _try_large(tally, tmp_path, size):
    path = tmp_path / "large.api.json"
    for name, make in LARGE.items():
        path.write_text(json.dumps(make(size)))
        for act in (judged, lambda graph: set_input(graph, KNOWN_NODES, "nobody.value=3")):
            with tally.one(name), pytest.raises(WorkflowError) as error:
                act(read(path))
            assert len(str(error.value)) < 30_000, name


def test_large_graphs(tally, tmp_path):
    _try_large(tally, tmp_path, 5_000)


@pytest.mark.slow
def test_very_large_graphs(tally, tmp_path):
    tally.limit = 300  # the slowest takes 2 seconds of processor time
    _try_large(tally, tmp_path, 100_000)


def test_every_circle_is_told_once():
    found = problems(rings(1000, 3), KNOWN_NODES)
    circles = [problem for problem in found if "circle" in problem.message]
    assert len(circles) == 1000
    assert len({problem.node.split(".")[0] for problem in circles}) == 1000


FILES = {
    "empty": b"",
    "deep list": b"[" * 10**6,
    "deep object": b'{"a":' * 10**5 + b"1" + b"}" * 10**5,
    "deep but legal": b'{"1": {"inputs": {"a": ' + b"[" * 200 + b"]" * 200 + b"}}}",
    "nan": b"NaN",
    "huge number": b'{"1": {"class_type": "LoadVideo", "inputs": {"file": ' + b"9" * 9999 + b"}}}",
    "not UTF-8": b'{"1": {"class_type": "\xff"}}',
    "nul": b"\0" * 100,
    "utf-16": '{"1": {"class_type": "LoadVideo"}}'.encode("utf-16"),
    "bom": b"\xef\xbb\xbf" + b'{"1": {"class_type": "LoadVideo"}}',
    "half": EXAMPLE.read_bytes()[:300],
    "surrogates": b'{"\\ud800": {"class_type": "\\udfff", "_meta": {"title": "\\ud800"}}}',
    "binary": random.Random(0).randbytes(10_000),
    "page of nothing": b'{"nodes": []}',
    "prompt of nothing": b'{"prompt": {}}',
    "prompt of prompts": b'{"prompt": {"prompt": {}}}',
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_workflows(tally, tmp_path, name):
    path = tmp_path / "odd.api.json"
    path.write_bytes(FILES[name])
    with tally.one(name, WorkflowError):
        judged(read(path))


def test_byte_order_marks_and_other_encodings_are_read(tmp_path):
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        (tmp_path / "a.api.json").write_text(EXAMPLE.read_text(), encoding=encoding)
        assert read(tmp_path / "a.api.json") == read(EXAMPLE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_what_is_no_file_is_not_waited_for(tally, tmp_path):
    os.mkfifo(tmp_path / "pipe.api.json")
    for path in (tmp_path / "pipe.api.json", tmp_path, Path("/dev/zero"), tmp_path / "none"):
        with tally.one(str(path), WorkflowError, OSError):
            read(path)


METAS = (None, True, 3, "x", [], ["title"], {}, {"title": None}, {"title": 3}, {"title": ["x"]})


@pytest.mark.parametrize("meta", METAS, ids=repr)
def test_meta_of_any_type(meta):
    graph = json.loads(EXAMPLE.read_text())
    for node in graph.values():
        node["_meta"] = meta
    before = len(problems(graph, KNOWN_NODES))
    set_input(graph, KNOWN_NODES, "InterpolateFrames.multiplier=3")
    assert len(problems(graph, KNOWN_NODES)) == before
    with pytest.raises(WorkflowError, match="no node is called 'nobody'"):
        set_input(graph, KNOWN_NODES, "nobody.multiplier=3")


def test_a_graph_that_holds_itself(tally):
    graph = json.loads(EXAMPLE.read_text())
    graph["1"]["inputs"]["self"] = graph
    with tally.one("itself", WorkflowError):
        run_workflow(graph)


def _changed(seeds):
    for seed in seeds:
        yield seed, mutated(json.loads(EXAMPLE.read_text()), seed)


def _try_changed(tally, seeds, tmp_path):
    path = tmp_path / "changed.api.json"
    for seed, graph in _changed(seeds):
        path.write_text(json.dumps(graph))
        with tally.one(f"mutation {seed}", WorkflowError):
            content = read(path)
            judged(content)
            order(content, KNOWN_NODES)
        with tally.one(f"run of mutation {seed}", WorkflowError, OSError):
            run_workflow(path, folders=Folders(tmp_path / "in", tmp_path / "out"))


def test_changed_workflows(tally, tmp_path):
    _try_changed(tally, range(100), tmp_path)


@pytest.mark.slow
def test_many_changed_workflows(tally, tmp_path):
    _try_changed(tally, range(100, 3000), tmp_path)


def test_optional_inputs_without_a_value_have_their_defaults(tmp_path, clip_file, small_weights):
    """Whatever the input: as if it were not there."""
    folders = Folders(clip_file.parent, tmp_path / "out", (small_weights.parent,))
    graph = json.loads(EXAMPLE.read_text())
    node = next(each for each in graph.values() if each["class_type"] == "InterpolateFrames")
    optional = InterpolateFrames.INPUT_TYPES()["optional"]
    node["inputs"].update(dict.fromkeys(optional))
    settings = (f"LoadVideo.file={clip_file.name}", f"LoadRIFE.model_name={small_weights.name}")
    result = run_workflow(graph, settings=settings, folders=folders)
    assert "became 11" in result.texts[0]


def test_what_a_node_says_of_a_long_text_is_short(tmp_path, clip_file, small_weights):
    folders = Folders(clip_file.parent, tmp_path / "out", (small_weights.parent,))
    settings = (f"LoadVideo.file={clip_file.name}", f"LoadRIFE.model_name={small_weights.name}")
    settings += (f"InterpolateFrames.cuts={'x' * 10**6}",)
    with pytest.raises(WorkflowError, match="cuts") as error:
        run_workflow(EXAMPLE, settings=settings, folders=folders)
    assert len(str(error.value)) < 3000


def _other_packs():
    """A graph of another pack's node, as exported and as saved."""
    exported = json.loads(EXAMPLE.read_text())
    saved = json.loads((EXAMPLE.parent.parent / "Interpolate Frames of a Clip.json").read_text())
    nodes = [*exported.values(), *saved["nodes"]]
    for node in nodes:
        for kind in ("class_type", "type"):
            if node.get(kind) == "InterpolateFrames":
                node[kind] = "RIFE VFI"
    return exported, saved


def test_changed_graphs_of_other_packs(tally, tmp_path, capsys):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    for graph in _other_packs():
        for seed in range(200):
            old.write_text(json.dumps(mutated(json.loads(json.dumps(graph)), seed)))
            with tally.one(f"mutation {seed}"):
                status = main(["convert", str(old), str(new)])
                told = capsys.readouterr().err
                assert "RIFE_VIDEO_TRACEBACK" not in told, told
                assert (status, len(told.splitlines())) in ((0, 0), (1, 1))
                assert new.exists() == (status == 0)
            new.unlink(missing_ok=True)


SETTINGS = ("", "=", ".", "a", "a=", "=b", ".=", "1=2", "1.=2", ".file=2", "1.file", "Nobody.a=1")
SETTINGS += tuple(
    f"InterpolateFrames.multiplier={value}"
    for value in ("", "[", "{}", "null", "NaN", "1e999", "9" * 5000, "[" * 10**5, "\ud800", "\0")
)
SETTINGS += ("x" * 10**6, "x" * 10**6 + ".a=1", "InterpolateFrames." + "x" * 10**6 + "=1")
SETTINGS += ('InterpolateFrames.frames=["99", 0]', "InterpolateFrames.nothing=3", "_meta.title=3")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: repr(setting)[:30])
def test_settings_that_are_none(setting, tally):
    with tally.one(setting[:60]):
        told = ""
        try:
            set_input(read(EXAMPLE), KNOWN_NODES, setting)
        except WorkflowError as error:
            told = str(error)
        assert len(told) < 2000


PREFIXES = {
    "": "ComfyUI",
    ".": "ComfyUI",
    "/": None,
    "a/..": "ComfyUI",
    "a/.": "a",
    "a/": "a",
    "a/b/..": "a",
    "a/../b": "b",
    "./a": "a",
    "sub/name": "sub/name",
    "sub//name": "sub/name",
    "..": None,
    "../x": None,
    "a/../../x": None,
    "/tmp/x": None,
    "x\0y": None,
    "%date%": "%date%",
    "%width%x%height%": "12x8",
    ".hidden": ".hidden",
    "...": "...",
    "con": "con",
    "x" * 300: None,
    "x" * 10**6: None,
    "a/" * 3000 + "b": None,
    "a:b": "a:b",
    "CON/x": "CON/x",
    "dots../x": "dots../x",
    "\ud800": None,
    "a\nb": None,
    "\x1b[2J": None,
    "\u2603": "\u2603",
    "%date:yyyy%": "%date:yyyy%",
    " ": " ",
}


@pytest.mark.parametrize("prefix", ["a:b", "x?", "con/x", "a/NUL.txt/b", "a./b", "a /b", "C:\\\\x"])
def test_prefixes_that_windows_would_take_for_something_else(monkeypatch, tmp_path, prefix):
    monkeypatch.setattr(core_nodes, "_WINDOWS", True)
    folders = Folders(tmp_path / "input", tmp_path)
    with use_folders(folders), pytest.raises(ValueError, match="filename_prefix is"):
        core_nodes.SaveImage().save(torch.zeros(1, 8, 12, 3), prefix)
    with use_folders(folders):
        for good in ("con", "a/../b", "./c", ".hidden/d", "conifer/e"):
            core_nodes.SaveImage().save(torch.zeros(1, 8, 12, 3), good)


@pytest.mark.parametrize("prefix", PREFIXES, ids=lambda prefix: repr(prefix)[:20])
def test_prefixes_stay_in_the_output_folder(tally, tmp_path, prefix):
    output = tmp_path / "output"
    folders = Folders(tmp_path / "input", output)
    with use_folders(folders), tally.one(repr(prefix), ValueError, OSError):
        ui = core_nodes.SaveImage().save(torch.zeros(1, 8, 12, 3), prefix)["ui"]
        (saved,) = ui["images"]
        assert PREFIXES[prefix] is not None
        assert (output / saved["subfolder"] / saved["filename"]).is_file()
    wanted = PREFIXES[prefix]
    found = [path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()]
    assert found == ([] if wanted is None else [f"{wanted}_00001_.png"])
    assert sorted(path.name for path in tmp_path.iterdir()) in (["output"], [])
