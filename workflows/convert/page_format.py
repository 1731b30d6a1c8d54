"""Graphs in the page's format: the graph that is seen first, and the subgraphs that it is made of.

Links are lists in older files, objects in newer ones and in subgraphs. A subgraph's own inputs and
outputs stand in its links as nodes of negative numbers; nodes of its type are its instances, which
name the widgets that they show of nodes inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...nodes.convert_model import MODEL_TYPES
from ...nodes.interpolate_frames import InterpolateFrames
from ...nodes.load_rife import LoadRIFE
from ..graph import inputs_of
from ..graph_file import WorkflowError
from .old_nodes import (
    CFI,
    CHOICES,
    CORE,
    CORE_LOADER,
    KEPT,
    WIDGETS,
    free_ids,
    interpolation,
    loader_values,
    schedule_of,
    title_of,
    told,
    told_of_loader,
)

_LINK = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
_INPUTS = -10
"""The number under which the inputs of a subgraph stand in its links."""

_MODEL = "RIFE_MODEL"
_KEPT_OF_NODE = ("order", "mode", "flags", "color", "bgcolor")
_OF_NODE = {"scale_factor": "scale", **{name: name for name in KEPT}}
_OF_LOADER = {
    **{"ckpt_name": "model_name", "model_name": "model_name"},
    **{"dtype": "precision", "torch_compile": "backend"},
}
"""Widgets that became some of Interpolate Frames, and of Load RIFE: their new names."""


class _Widget(NamedTuple):
    """A widget of a node in a graph: that of the file is "", a subgraph has its own name."""

    graph: str
    node: str
    name: str


@dataclass
class _Graph:
    """A graph of the file, while it is changed.

    Attributes:
        content: as the file has it.
        nodes, links: by their numbers; a link is a list: `_LINK`.
        rest: what else the file says of a link, where links are objects.
    """

    content: dict[str, Any]
    nodes: dict[int, dict[str, Any]] = field(init=False)
    links: dict[int, list[Any]] = field(init=False)
    rest: dict[int, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = {node["id"]: node for node in self.content["nodes"]}
        self.links, self.rest = {}, {}
        for link in self.content.get("links") or []:
            if isinstance(link, dict):
                if not link.keys() >= set(_LINK):
                    raise WorkflowError(
                        "The graph's links are of a form that is not known; export it as API."
                    )
                self.rest[link["id"]] = link
                self.links[link["id"]] = [link[name] for name in _LINK]
            else:
                self.links[link[0]] = link

    @property
    def key(self) -> str:
        """The name of a subgraph, by which its instances call it."""
        return str(self.content.get("id", "")) if self.is_subgraph else ""

    @property
    def is_subgraph(self) -> bool:
        """Whether it is one that others are made of."""
        return "inputNode" in self.content

    def into(self, node: dict[str, Any], name: str) -> int | None:
        """The link that leads into an input of a node."""
        entries = node.get("inputs", [])
        return next((entry.get("link") for entry in entries if entry["name"] == name), None)

    def cut(self, number: int) -> dict[str, Any] | None:
        """Removes a link; returns the node that it came from."""
        _, source, slot, *_ = self.links.pop(number)
        node = self.nodes.get(source)
        if source == _INPUTS:
            known = self.content["inputs"][slot]["linkIds"]
        else:
            known = node["outputs"][slot]["links"] if node else None
        if known and number in known:  # files with links of which only one end knows are about
            known.remove(number)
        return node

    def lead(self, node: dict[str, Any]) -> None:
        """Lets the links that a node's inputs name end there, and cuts all others into it."""
        slots = {entry["link"]: slot for slot, entry in enumerate(node["inputs"])}
        for number, link in list(self.links.items()):
            if number in slots:
                link[3:5] = node["id"], slots[number]
            elif link[3] == node["id"]:
                self.cut(number)

    def unwired(self, node: dict[str, Any]) -> list[str]:
        """Takes the wires from those of `CHOICES` that have one."""
        named = {name: self.into(node, name) for name in CHOICES}
        wired = {name: link for name, link in named.items() if link in self.links}
        for link in wired.values():
            self.cut(link)
        return list(wired)

    def add(self, node: dict[str, Any]) -> None:
        """Adds a node."""
        self.content["nodes"].append(node)
        self.nodes[node["id"]] = node

    def remove(self, node: dict[str, Any] | None) -> None:
        """Removes a node, if it is still there."""
        if node in self.content["nodes"]:
            self.content["nodes"].remove(node)

    def retype(self) -> None:
        """Wires of the old kinds of model carry the new one."""
        entries = [*self.content.get("inputs", []), *self.content.get("outputs", [])]
        for node in self.content["nodes"]:
            if node.get("type") not in WIDGETS:
                entries += [*(node.get("inputs") or []), *(node.get("outputs") or [])]
        for entry in entries:
            if entry.get("type") in MODEL_TYPES:
                entry["type"] = _MODEL
        for link in self.links.values():
            if len(link) == len(_LINK) and link[-1] in MODEL_TYPES:
                link[-1] = _MODEL

    def finish(self) -> None:
        """Writes links and highest numbers back."""
        self.content["links"] = [
            {**self.rest.get(number, {}), **dict(zip(_LINK, link, strict=True))}
            if self.rest or self.is_subgraph
            else link
            for number, link in self.links.items()
        ]
        highest = max((node["id"] for node in self.content["nodes"]), default=0)
        if isinstance(state := self.content.get("state"), dict):
            state["lastNodeId"] = max(state.get("lastNodeId", 0), highest)
            state["lastLinkId"] = max(state.get("lastLinkId", 0), *self.links, 0)
        if not self.is_subgraph:
            self.content["last_node_id"] = highest
            self.content["last_link_id"] = max(self.links, default=0)


def convert_page(page: dict[str, Any]) -> Iterator[str]:
    """Changes a graph in the page's format; yields a note on each node of other packs.

    Raises:
        WorkflowError: links are of a form that is not known, or a node of other packs is in a
            group node.
    """
    _check_group_nodes(page)
    subgraphs = (page.get("definitions") or {}).get("subgraphs") or []
    graphs = [_Graph(content) for content in (page, *subgraphs)]
    # Numbers are new in the whole file: the page may keep one count for all of its graphs.
    node_ids = free_ids([number for graph in graphs for number in graph.nodes])
    link_ids = free_ids([number for graph in graphs for number in graph.links])
    moved: dict[_Widget, _Widget | None] = {}
    for graph in graphs:
        yield from _convert(graph, node_ids, link_ids, moved)
    for _ in graphs:  # each pass goes one instance further out
        for graph in graphs:
            _show_again(graph, moved)
    for graph in graphs:
        if moved:
            graph.retype()
        graph.finish()


def _check_group_nodes(page: dict[str, Any]) -> None:
    """Group nodes, which came before subgraphs, keep what they are made of in a form of its own."""
    for name, group in ((page.get("extra") or {}).get("groupNodes") or {}).items():
        held = sorted({node["type"] for node in group["nodes"]} & {CFI, CORE, CORE_LOADER})
        if held:
            raise WorkflowError(
                f"The group node {name!r} holds {', '.join(held)}. On the page, convert it to "
                "nodes (right click), save, and convert that file."
            )


def _convert(
    graph: _Graph,
    node_ids: Iterator[int],
    link_ids: Iterator[int],
    moved: dict[_Widget, _Widget | None],
) -> Iterator[str]:
    for node in list(graph.content["nodes"]):
        kind = node.get("type")
        if kind not in (CFI, CORE, CORE_LOADER):
            continue
        given, wired = _given(node), graph.unwired(node)
        loader = node["id"]
        schedule = ""
        if kind == CORE_LOADER:
            taken = {"model_name": graph.into(node, "model_name")}
            new = _page_node(LoadRIFE, loader, node["pos"], loader_values(given), taken)
            new["outputs"][0]["links"] = node["outputs"][0].get("links") or []
        elif kind == CFI:
            loader, model = _add_loader(graph, node, given, node_ids, link_ids)
            link = graph.into(node, "optional_interpolation_states")
            if link in graph.links:
                states = graph.cut(link)
                if states and states.get("type") in WIDGETS:
                    wired += graph.unwired(states)
                    by_wire = graph.into(node, "multiplier") in graph.links
                    multiplier = [] if by_wire else given.get("multiplier", 2)
                    schedule = schedule_of(_given(states), multiplier, wired)
                    moved |= dict.fromkeys(_widgets(graph, states))
                    graph.remove(states)
                else:
                    wired.append("optional_interpolation_states")
            taken = {"model": model, "frames": graph.into(node, "frames")}
        else:
            taken = {
                "model": graph.into(node, "interp_model"),
                "frames": graph.into(node, "images"),
            }
        for widget in _widgets(graph, node):
            moved[widget] = None
            for owner, names in ((loader, _OF_LOADER), (node["id"], _OF_NODE)):
                if widget.name in names:
                    moved[widget] = _Widget(graph.key, str(owner), names[widget.name])
        if kind != CORE_LOADER:
            taken |= {name: graph.into(node, name) for name in KEPT}
            values = interpolation(given, schedule)
            new = _page_node(InterpolateFrames, node["id"], node["pos"], values, taken)
            new["outputs"][0]["links"] = node["outputs"][0].get("links") or []
        _replace(node, new)
        graph.lead(node)
        where = str(node["id"])
        if graph.is_subgraph:
            where += f" of {graph.content.get('name') or 'a subgraph'}"
        if kind == CORE_LOADER:
            yield from told_of_loader(where, given)
        else:
            yield told(kind, where, given, wired)


def _widgets(graph: _Graph, node: dict[str, Any]) -> Iterator[_Widget]:
    """The widgets of a node that is known."""
    for name in WIDGETS[node["type"]]:
        yield _Widget(graph.key, str(node["id"]), name)


def _given(node: dict[str, Any]) -> dict[str, Any]:
    """The values of a node's widgets by their names."""
    values = node.get("widgets_values") or []
    if isinstance(values, dict):
        return values
    return dict(zip(WIDGETS[node["type"]], values, strict=False))


def _add_loader(
    graph: _Graph,
    node: dict[str, Any],
    given: dict[str, Any],
    node_ids: Iterator[int],
    link_ids: Iterator[int],
) -> tuple[int, int]:
    """Adds Load RIFE for a node; returns the numbers of both, and of the link between them."""
    taken = {"model_name": graph.into(node, "ckpt_name")}
    loader = _page_node(LoadRIFE, next(node_ids), node["pos"], loader_values(given), taken)
    loader["pos"][0] -= 320
    link = next(link_ids)
    loader["outputs"][0]["links"] = [link]
    graph.links[link] = [link, loader["id"], 0, node["id"], 0, _MODEL]
    graph.add(loader)
    graph.lead(loader)
    return loader["id"], link


def _show_again(graph: _Graph, moved: dict[_Widget, _Widget | None]) -> None:
    """Instances of subgraphs show widgets under their new names, and none that are gone."""
    for node in graph.content["nodes"]:
        properties = node.get("properties")
        shown = properties.get("proxyWidgets") if isinstance(properties, dict) else None
        if not isinstance(shown, list):
            continue
        kept: list[Any] = []
        for entry in shown:
            inner = _Widget(str(node["type"]), str(entry[0]), str(entry[1]))
            outer = _Widget(graph.key, str(node["id"]), inner.name)
            if inner not in moved:
                kept.append(entry)
                continue
            new = moved[inner]
            if new:
                kept.append([new.node, new.name, *entry[2:]])
            if new is None or new.name != inner.name:
                moved[outer] = outer._replace(name=new.name) if new else None
        properties["proxyWidgets"] = kept


def _replace(node: dict[str, Any], new: dict[str, Any]) -> None:
    kept = {name: node[name] for name in _KEPT_OF_NODE if name in node}
    kept["title"] = title_of(node.get("title"), new["title"])
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
        "title": getattr(node_class, "TITLE", node_class.DISPLAY_NAME),
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
