"""Graphs in API format, as servers take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...nodes.interpolate_frames import InterpolateFrames
from ...nodes.load_rife import LoadRIFE
from ...rife_core.basics.arguments import natural
from .old_nodes import (
    CFI,
    CORE,
    CORE_LOADER,
    STATES,
    free_ids,
    interpolation,
    loader_values,
    schedule_of,
    title_of,
    told,
    told_of_loader,
    wired_choices,
)


def convert_api(graph: dict[str, Any]) -> Iterator[str]:
    """Changes a graph in API format; yields a note on each node of other packs."""

    def is_node(node: Any, kind: str) -> bool:
        return isinstance(node, dict) and node.get("class_type") == kind

    def node_of(link: Any) -> dict[str, Any] | None:
        node = graph.get(str(link[0])) if isinstance(link, list) and link else None
        return (node.get("inputs") or {}) if isinstance(node, dict) else None

    free = free_ids([number for name in graph if (number := natural(name)) is not None])
    for name, node in list(graph.items()):
        given = (node.get("inputs") or {}) if isinstance(node, dict) else {}
        states = node_of(given.get("optional_interpolation_states"))
        wired = [*wired_choices(given), *wired_choices(states or {})]
        given = {name: value for name, value in given.items() if name not in wired}
        if is_node(node, CFI):
            loader = str(next(free))
            graph[loader] = _api_node("LoadRIFE", LoadRIFE.DISPLAY_NAME, loader_values(given))
            schedule = schedule_of(states, given.get("multiplier", 2), wired)
            links = {"model": [loader, 0], "frames": given.get("frames")}
        elif is_node(node, CORE):
            schedule = ""
            links = {"model": given.get("interp_model"), "frames": given.get("images")}
        elif is_node(node, CORE_LOADER):
            title = title_of(_title(node), LoadRIFE.DISPLAY_NAME)
            graph[name] = _api_node("LoadRIFE", title, loader_values(given))
            yield from told_of_loader(name, given)
            continue
        else:
            continue
        values = {**interpolation(given, schedule), **links}
        title = title_of(_title(node), InterpolateFrames.TITLE)
        graph[name] = _api_node("InterpolateFrames", title, values)
        yield told(node["class_type"], name, given, wired)
    needed = {str(link[0]) for node in graph.values() for link in _links(node)}
    for name, node in list(graph.items()):
        if is_node(node, STATES) and name not in needed:
            del graph[name]


def _links(node: Any) -> Iterator[list[Any]]:
    values = (node.get("inputs") or {}).values() if isinstance(node, dict) else ()
    yield from (value for value in values if isinstance(value, list) and len(value) == 2)


def _title(node: dict[str, Any]) -> Any:
    return (node.get("_meta") or {}).get("title")


def _api_node(kind: str, title: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"inputs": inputs, "class_type": kind, "_meta": {"title": title}}
