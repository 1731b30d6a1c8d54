"""Brings graphs of other frame interpolation nodes over: `rife-video convert OLD.json NEW.json`.

Known are `RIFE VFI` of ComfyUI-Frame-Interpolation and ComfyUI's own `FrameInterpolate` with its
loader, in API format and in the page's. All other nodes stay as they are.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..nodes.interpolate_frames import InterpolateFrames
from ..nodes.load_rife import LoadRIFE
from ..rife_core.networks.specs import SPECS
from ..rife_core.whole_file import room_for
from .graph import WorkflowError, inputs_of, read_json

_PRECISIONS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
_CFI, _CORE, _CORE_LOADER = "RIFE VFI", "FrameInterpolate", "FrameInterpolationModelLoader"
_STATES = "Make Interpolation State List"
_CFI_WIDGETS = (
    *("ckpt_name", "clear_cache_after_n_frames", "multiplier", "fast_mode", "ensemble"),
    *("scale_factor", "dtype", "torch_compile", "batch_size"),
)
_WIDGETS = {
    _CFI: _CFI_WIDGETS,
    _CORE: ("multiplier",),
    _CORE_LOADER: ("model_name",),
    _STATES: ("frame_indices", "is_skip_list"),
}
_CHOICES = ("scale_factor", "dtype", "torch_compile", "frame_indices", "is_skip_list")
"""Inputs that are choices here, or text, and take no wire of the old kind."""
_KEPT = ("multiplier", "ensemble", "batch_size")
"""Inputs that have the same name and kind here."""
_RELEASE = re.compile(r"rife_?v?4\.?(\d+)", re.IGNORECASE)


@dataclass
class Converted:
    """A graph in its new form, and what a person should know of the change."""

    graph: dict[str, Any]
    notes: list[str]


def convert(graph: dict[str, Any]) -> Converted:
    """A copy of a graph, in API or page format, with this pack's nodes in place of the others.

    Raises:
        WorkflowError: there is nothing in it to convert, or it is of another form.

    Example:
        >>> old = {"1": {"class_type": "FrameInterpolate", "inputs": {"multiplier": 4}}}
        >>> convert(old).graph["1"]["class_type"]
        'InterpolateFrames'
    """
    graph = copy.deepcopy(graph)
    is_page = isinstance(graph.get("nodes"), list)
    try:
        notes = list(_convert_page(graph) if is_page else _convert_api(graph))
    except WorkflowError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise WorkflowError(
            f"The graph is of no form that is known ({type(error).__name__}: {error}). Open it in "
            "ComfyUI, and save or export it again."
        ) from error
    if not notes:
        raise WorkflowError(
            f"There is nothing to convert: no node is {_CFI!r} or {_CORE!r}. Graphs with this "
            "pack's nodes run as they are."
        )
    return Converted(graph, notes)


def _interpolation(given: dict[str, Any], schedule: str) -> dict[str, Any]:
    """Values of Interpolate Frames that do what the old node did."""
    values = {
        name: declared.options.get("default")
        for name, declared in inputs_of(InterpolateFrames).items()
        if "default" in declared.options
    }
    values |= {name: given[name] for name in ("multiplier", "batch_size") if name in given}
    if isinstance(values["batch_size"], int):
        values["batch_size"] = min(values["batch_size"], _LIMITS["batch_size"][1])
    values["ensemble"] = _has_ensemble(given) and given.get("ensemble", False)
    values["scale"] = given.get("scale_factor", 1.0)
    values["at_cut"] = "interpolate"  # the old nodes know no cuts
    values["schedule"] = schedule
    return values


def _has_ensemble(given: dict[str, Any]) -> bool:
    """Whether the release has an ensemble mode, as far as its file's name tells."""
    release = _RELEASE.search(str(given.get("ckpt_name", "")))
    spec = SPECS.get(f"4.{release[1]}") if release else None
    return spec is None or spec.ensemble != "none"


_LIMITS = {
    name: (declared.options["min"], declared.options["max"])
    for name, declared in inputs_of(InterpolateFrames).items()
    if name in ("multiplier", "batch_size")
}


def _loader(given: dict[str, Any]) -> dict[str, Any]:
    """Values of Load RIFE that do what the old node did."""
    return {
        "model_name": given.get("ckpt_name", given.get("model_name", "default")),
        "precision": _PRECISIONS.get(given.get("dtype", ""), "auto"),
        "backend": "compile" if given.get("torch_compile") is True else "auto",
    }


def _schedule(states: dict[str, Any] | None, multiplier: Any) -> str:
    """A list of frames that are left out, or alone taken, as a schedule of pairs."""
    if not states:
        return ""
    words = str(states.get("frame_indices", "")).replace("\n", ",").split(",")
    pairs = [str(int(word) + 1) for word in words if word.strip().isdigit()]
    if states.get("is_skip_list", True):
        return ", ".join(f"{pair}:1" for pair in pairs)
    return ", ".join([*(f"{pair}:{multiplier}" for pair in pairs), "rest 1"])


def _told(kind: str, name: str, given: dict[str, Any], wired: list[str]) -> str:
    """What a person should know of one node that was converted."""
    parts = [f"{kind} (node {name}) became Interpolate Frames."]
    parts.append("Set source_fps where you use its fps; the old node had none.")
    if given.get("ensemble") and not _has_ensemble(given):
        parts.append("ensemble was on; it is off now, as this release has no such mode.")
    least, most = _LIMITS["multiplier"]
    multiplier = given.get("multiplier", least)
    if isinstance(multiplier, int) and not least <= multiplier <= most:
        parts.append(
            f"multiplier is {multiplier}, and goes from {least} to {most}: change it, or put two "
            "such nodes in a row."
        )
    if wired:
        parts.append(f"{', '.join(wired)} came by a wire; set what it gave by hand.")
    return " ".join(parts)


def _convert_api(graph: dict[str, Any]) -> Iterator[str]:
    def is_node(node: Any, kind: str) -> bool:
        return isinstance(node, dict) and node.get("class_type") == kind

    def node_of(link: Any) -> dict[str, Any] | None:
        node = graph.get(str(link[0])) if isinstance(link, list) and link else None
        return (node.get("inputs") or {}) if isinstance(node, dict) else None

    free = _free_ids(int(name) for name in graph if name.isdigit())
    for name, node in list(graph.items()):
        given = (node.get("inputs") or {}) if isinstance(node, dict) else {}
        states = node_of(given.get("optional_interpolation_states"))
        wired = [*_wired(given), *_wired(states or {})]
        given = {name: value for name, value in given.items() if name not in wired}
        if is_node(node, _CFI):
            loader = str(next(free))
            graph[loader] = _api_node("LoadRIFE", LoadRIFE.DISPLAY_NAME, _loader(given))
            schedule = _schedule(states, given.get("multiplier", 2))
            links = {"model": [loader, 0], "frames": given.get("frames")}
        elif is_node(node, _CORE):
            schedule = ""
            links = {"model": given.get("interp_model"), "frames": given.get("images")}
        elif is_node(node, _CORE_LOADER):
            graph[name] = _api_node("LoadRIFE", LoadRIFE.DISPLAY_NAME, _loader(given))
            continue
        else:
            continue
        values = {**_interpolation(given, schedule), **links}
        graph[name] = _api_node("InterpolateFrames", InterpolateFrames.TITLE, values)
        yield _told(node["class_type"], name, given, wired)
    needed = {str(link[0]) for node in graph.values() for link in _links(node)}
    for name, node in list(graph.items()):
        if is_node(node, _STATES) and name not in needed:
            del graph[name]


def _wired(inputs: dict[str, Any]) -> list[str]:
    """Those of `_CHOICES` that come by a wire."""
    return [name for name in _CHOICES if isinstance(inputs.get(name), list)]


def _links(node: Any) -> Iterator[list[Any]]:
    values = (node.get("inputs") or {}).values() if isinstance(node, dict) else ()
    yield from (value for value in values if isinstance(value, list) and len(value) == 2)


def _api_node(kind: str, title: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"inputs": inputs, "class_type": kind, "_meta": {"title": title}}


def _free_ids(used: Iterator[int]) -> Iterator[int]:
    number = max(used, default=0)
    while True:
        number += 1
        yield number


def _convert_page(page: dict[str, Any]) -> Iterator[str]:
    nodes = {node["id"]: node for node in page["nodes"]}
    if any(isinstance(link, dict) for link in page.get("links") or []):
        raise WorkflowError("The graph's links are of a form that is not known; export it as API.")
    links = {link[0]: link for link in page.get("links") or []}
    node_ids, link_ids = _free_ids(iter([*nodes])), _free_ids(iter([*links]))

    def given_of(node: dict[str, Any]) -> dict[str, Any]:
        values = node.get("widgets_values") or []
        if isinstance(values, dict):
            return values
        return dict(zip(_WIDGETS[node["type"]], values, strict=False))

    def link_into(node: dict[str, Any], name: str) -> int | None:
        return next((e.get("link") for e in node.get("inputs", []) if e["name"] == name), None)

    def unwired(node: dict[str, Any]) -> list[str]:
        """Takes the wires from those of `_CHOICES` that have one."""
        named = {name: link_into(node, name) for name in _CHOICES}
        named = {name: link for name, link in named.items() if link in links}
        for link in named.values():
            _, source, slot, *_ = links.pop(link)
            nodes[source]["outputs"][slot]["links"].remove(link)
        return list(named)

    for node in list(page["nodes"]):
        kind, given, wired = node.get("type"), {}, []
        if kind in _WIDGETS:
            given, wired = given_of(node), unwired(node)
        if kind == _CFI:
            loader = _page_node(LoadRIFE, next(node_ids), node["pos"], _loader(given), {})
            loader["pos"][0] -= 320
            model_link = next(link_ids)
            loader["outputs"][0]["links"] = [model_link]
            links[model_link] = [model_link, loader["id"], 0, node["id"], 0, "RIFE_MODEL"]
            page["nodes"].append(loader)
            state_link = link_into(node, "optional_interpolation_states")
            source = nodes.get(links.pop(state_link)[1]) if state_link in links else None
            schedule = _schedule(given_of(source) if source else None, given.get("multiplier", 2))
            wired += unwired(source) if source else []
            if source in page["nodes"]:
                page["nodes"].remove(source)
            taken = {"model": model_link, "frames": link_into(node, "frames")}
        elif kind == _CORE:
            schedule = ""
            taken = {"model": link_into(node, "interp_model"), "frames": link_into(node, "images")}
        elif kind == _CORE_LOADER:
            new = _page_node(LoadRIFE, node["id"], node["pos"], _loader(given), {})
            new["outputs"][0]["links"] = node["outputs"][0].get("links") or []
            for link in new["outputs"][0]["links"]:
                links[link][5] = "RIFE_MODEL"
            _replace(node, new)
            continue
        else:
            continue
        taken |= {name: link_into(node, name) for name in _KEPT}
        values = _interpolation(given, schedule)
        new = _page_node(InterpolateFrames, node["id"], node["pos"], values, taken)
        new["title"] = InterpolateFrames.TITLE
        new["outputs"][0]["links"] = node["outputs"][0].get("links") or []
        _replace(node, new)
        for slot, entry in enumerate(node["inputs"]):
            if entry["link"] in links:
                links[entry["link"]][4] = slot
        yield _told(str(kind), str(node["id"]), given, wired)
    page["links"] = list(links.values())
    page["last_node_id"] = max((node["id"] for node in page["nodes"]), default=0)
    page["last_link_id"] = max(links, default=0)


def _replace(node: dict[str, Any], new: dict[str, Any]) -> None:
    kept = {name: node[name] for name in ("order", "mode", "flags") if name in node}
    node.clear()
    node.update(new, **kept)


def _page_node(
    node_class: Any, number: int, place: Any, values: dict[str, Any], links: dict[str, int | None]
) -> dict[str, Any]:
    """A node as the page writes it: sockets, then widgets, in the order of its class."""
    inputs: list[dict[str, Any]] = []
    widgets: list[Any] = []
    shown = 0
    for name, declared in inputs_of(node_class).items():
        entry = {"name": name, "type": declared.type, "link": links.get(name)}
        if name in values:
            entry["widget"] = {"name": name}
            widgets.append(values[name])
            shown += not declared.options.get("advanced")
        inputs.append(entry)
    outputs = zip(node_class.RETURN_NAMES, node_class.RETURN_TYPES, strict=True)
    return {
        "id": number,
        "type": node_class.__name__,
        "pos": list(place.values() if isinstance(place, dict) else place)[:2],
        "size": [300, 140 + 24 * shown],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": inputs,
        "outputs": [{"name": name, "type": kind, "links": []} for name, kind in outputs],
        "properties": {"Node name for S&R": node_class.__name__},
        "widgets_values": widgets,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `rife-video convert` takes."""
    parser.add_argument("old", type=Path, help="a workflow, as saved or exported")
    parser.add_argument("new", type=Path, help="where its new form goes")


def run(args: argparse.Namespace) -> int:
    """Converts a file."""
    room_for(args.new)
    old = read_json(args.old)
    if not isinstance(old, dict):
        raise WorkflowError(f"{args.old.name} is no workflow: it holds no nodes.")
    converted = convert(old)
    args.new.write_text(json.dumps(converted.graph, indent=2) + "\n", encoding="utf-8")
    for note in converted.notes:
        print(note)  # noqa: T201
    return 0
