"""A workflow in API format: changed, checked as the ComfyUI server would, put in order.

An input is a value, or a link [node id, output number].
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from graphlib import TopologicalSorter
from itertools import islice
from typing import Any

from .graph_file import Graph, WorkflowError
from .graph_file import check_form as check_form  # these were here once
from .graph_file import read as read
from .graph_file import read_json as read_json
from .plain_text import plain

NodeClasses = Mapping[str, type]

MAX_LISTED = 50
"""Problems or names that one message lists."""

MAX_PROBLEMS = 1000
"""Problems after which no more are looked for."""

_LONG = 200

LIST = "COMBO"
ANY = "*"

_CONVERT: dict[str, Callable[[Any], Any]] = {
    "INT": int,
    "FLOAT": float,
    "STRING": str,
    "BOOLEAN": bool,
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a graph.

    Attributes:
        node: id of the node, or "" for the graph as a whole.
        class_type: what that node is.
        input: name of the input, or "" for the node as a whole.
        message: what was found, and what was expected.
    """

    node: str
    class_type: str
    input: str
    message: str

    def __str__(self) -> str:
        where = f"node {plain(self.node, _LONG)} ({plain(self.class_type, _LONG)})"
        where = where if self.node else "workflow"
        return f"{where}{f', input {self.input!r}' if self.input else ''}: {self.message}"


@dataclass(frozen=True)
class Input:
    """The declaration of one input by a node class."""

    name: str
    type: str
    choices: list[Any] | None
    options: dict[str, Any]
    required: bool


def is_link(value: Any) -> bool:
    """Whether an input value is a link to another node (any list is meant as one)."""
    return isinstance(value, list)


def title(node: Mapping[str, Any]) -> str | None:
    """The name of a node on the page: its title, or else its class."""
    return next(iter(_names(node)), None)


def inputs_of(node_class: Any) -> dict[str, Input]:
    """The declared inputs of a node class, required ones first.

    Classes are other people's: what is declared in no known way is taken as not declared.
    """
    declared = node_class.INPUT_TYPES()
    return {
        name: _input(name, entry, group == "required")
        for group in ("required", "optional")
        for name, entry in (_dict(_dict(declared).get(group))).items()
    }


def _input(name: str, entry: Any, required: bool) -> Input:
    """One declared input: (type, options), (type,), or the type alone."""
    parts = entry if isinstance(entry, tuple | list) and entry else (entry,)
    kind, options = parts[0], _dict(parts[1] if len(parts) > 1 else None)
    choices = kind if isinstance(kind, list) else options.get("options")
    type_ = LIST if isinstance(kind, list) else str(kind)
    return Input(name, type_, choices if isinstance(choices, list) else None, options, required)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def set_input(graph: Graph, classes: NodeClasses, assignment: str) -> None:
    """Changes one input in place: "Load Video.file=clip.mp4", "7.multiplier=4".

    What stands before the last dot is a node's id, its title or its class, if only
    one node has it.

    Raises:
        WorkflowError: no such node or input, or several nodes of that name.
    """
    target, equals, text = assignment.partition("=")
    if not equals:
        raise WorkflowError(f"{_shown(assignment)} should look like 'Load Video.file=clip.mp4'.")
    node_id, name = find_input(graph, classes, target)
    node = graph[node_id]
    known = _known_inputs(node, classes)
    node.setdefault("inputs", {})[name] = _parsed(text, known.get(name))


def find_input(graph: Graph, classes: NodeClasses, target: str) -> tuple[str, str]:
    """The node's id and the input that "Load Video.file" or "7.multiplier" means.

    Raises:
        WorkflowError: no such node or input, or several nodes of that name.
    """
    who, dot, name = target.strip().rpartition(".")
    if not dot:
        raise WorkflowError(f"{_shown(target)} should look like 'Load Video.file'.")
    ids = [who] if who in graph else [i for i, node in graph.items() if who in _names(node)]
    if len(ids) != 1:
        nodes = _listed(f"{i} ({' / '.join(_names(node))})" for i, node in graph.items())
        count = "no node is" if not ids else f"nodes {_listed(ids)} are"
        raise WorkflowError(
            f"{_shown(target)}: {count} called {_shown(who)}. The nodes are: {nodes}."
        )
    node = graph[ids[0]]
    known = _known_inputs(node, classes)
    if known and name not in known:
        raise WorkflowError(
            f"{_shown(target)}: {node['class_type']} has no input {_shown(name)}, but "
            f"{', '.join(known)}."
        )
    return ids[0], name


def problems(graph: Graph, classes: NodeClasses) -> list[Problem]:
    """Everything that would keep a server from running `graph`; an empty list if nothing.

    As on the server, nodes that no output needs are only looked at for their class.
    """
    return list(_problems(graph, classes))


def _problems(graph: Graph, classes: NodeClasses) -> Iterator[Problem]:
    yield from _unknown_nodes(graph, classes)
    known = {
        i: classes[n["class_type"]] for i, n in graph.items() if n.get("class_type") in classes
    }
    wires = _needed_wires(graph, classes)
    wire_types = {str(type_) for node in classes.values() for type_ in node.RETURN_TYPES}
    if not wires:
        yield Problem("", "", "", "no node gives an output; add one such as SaveVideo.")
    inputs: dict[str, dict[str, Input]] = {}
    for node_id in wires:
        if node_id in known:
            class_type = graph[node_id]["class_type"]
            if class_type not in inputs:
                inputs[class_type] = inputs_of(known[node_id])
            yield from _node_problems(node_id, graph, known, inputs[class_type], wire_types)
    for road in _cycles(wires):
        shown = [*road[:MAX_LISTED], "...", road[-1]] if len(road) > MAX_LISTED else road
        shown = [plain(node_id, _LONG) for node_id in shown]
        message = f"the links go in a circle: {' -> '.join(shown)}."
        yield Problem(road[0], graph[road[0]].get("class_type", "?"), "", message)


def check(graph: Graph, classes: NodeClasses, there_are: str) -> None:
    """Raises a WorkflowError that lists what is wrong with `graph`, if anything is.

    Args:
        graph: what to look at.
        classes: the nodes there are.
        there_are: how to introduce their names, if one is missing among them.
    """
    if found := list(islice(_problems(graph, classes), MAX_PROBLEMS)):
        count = len(found) if len(found) < MAX_PROBLEMS else f"{MAX_PROBLEMS} or more"
        lines = [f"The workflow cannot run; {count} to put right:"]
        lines += [f"- {problem}" for problem in found[:MAX_LISTED]]
        if len(found) > MAX_LISTED:
            lines.append("- and so on.")
        if any(problem.class_type not in classes for problem in found) and len(classes) < 50:
            lines.append(f"{there_are}: {', '.join(classes)}.")
        raise WorkflowError("\n".join(lines))


def order(graph: Graph, classes: NodeClasses) -> list[str]:
    """The nodes that the outputs need, each after those it reads from; needs a sound graph."""
    return list(TopologicalSorter(_needed_wires(graph, classes)).static_order())


def links(node: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """The well-formed links of a node: input name, source node, its output number."""
    for name, value in (node.get("inputs") or {}).items():
        if is_link(value) and len(value) == 2:
            yield name, str(value[0]), value[1]


def _names(node: Mapping[str, Any]) -> list[str]:
    names = (_dict(node.get("_meta")).get("title"), node.get("class_type"))
    return [name for name in names if name and isinstance(name, str)]


def _shown(value: Any) -> str:
    return plain(repr(value), _LONG)


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(plain(name, _LONG) for name in names[:MAX_LISTED]) + more


def _known_inputs(node: Mapping[str, Any], classes: NodeClasses) -> dict[str, Input]:
    node_class = classes.get(node.get("class_type", ""))
    return inputs_of(node_class) if node_class else {}


def _parsed(text: str, declared: Input | None) -> Any:
    if declared and (declared.type == "STRING" or text in (declared.choices or ())):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _unknown_nodes(graph: Graph, classes: NodeClasses) -> Iterator[Problem]:
    hints: dict[str, str] = {}
    for node_id, node in graph.items():
        class_type = node.get("class_type")
        if class_type is None:
            yield Problem(node_id, "?", "", "the node has no class_type.")
        elif class_type not in classes:
            if class_type not in hints and len(hints) < MAX_LISTED:  # each takes its time
                near = get_close_matches(class_type[:_LONG], classes, 1)
                hints[class_type] = f" Is {near[0]} meant?" if near else ""
            message = f"there is no such node here.{hints.get(class_type, '')}"
            yield Problem(node_id, class_type, "", message)


def _needed_wires(graph: Graph, classes: NodeClasses) -> dict[str, list[str]]:
    """For each node that an output needs, outputs included, the nodes it reads from."""
    waiting = [
        node_id
        for node_id, node in graph.items()
        if getattr(classes.get(node.get("class_type", "")), "OUTPUT_NODE", False)
    ]
    wires: dict[str, list[str]] = {}
    while waiting:
        node_id = waiting.pop()
        if node_id not in wires:
            wires[node_id] = [source for _, source, _ in links(graph[node_id]) if source in graph]
            waiting += wires[node_id]
    return {node_id: wires[node_id] for node_id in graph if node_id in wires}


def _cycles(wires: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """Node ids along each cycle, the first one repeated at the end; no node is in two of them."""
    ended: set[str] = set()
    for start in wires:
        road: list[str] = []  # a search in depth: from the start to where we are
        place: dict[str, int] = {}
        told = [0]  # how many of the first 0, 1, 2 ... nodes of the road are in a cycle told
        branches = [iter([start])]
        while branches:
            node = next(branches[-1], None)
            if node is None:
                branches.pop()
                if road:
                    ended.add(road[-1])
                    del place[road.pop()], told[-1]
            elif node in place:
                first = place[node]
                if told[-1] == told[first]:
                    told[first + 1 :] = range(told[first] + 1, told[first] + 1 + len(road) - first)
                    yield [*road[first:], node]
            elif node not in ended:
                place[node] = len(road)
                road.append(node)
                told.append(told[-1])
                branches.append(iter(wires[node]))


def _node_problems(
    node_id: str,
    graph: Graph,
    known: Mapping[str, Any],
    inputs: Mapping[str, Input],
    wire_types: set[str],
) -> Iterator[Problem]:
    node, node_class = graph[node_id], known[node_id]
    given = node.get("inputs") or {}
    own_checks = _validator_names(node_class)
    for name, declared in inputs.items():
        if name not in given:
            message = "is missing." if declared.required else None
        elif is_link(given[name]):
            message = _link_problem(given[name], declared, graph, known)
        else:
            # What no node gives can only be typed in: a kind of input that the page knows.
            by_wire = not wire_types.isdisjoint(declared.type.split(","))
            message = _value_problem(given[name], declared, name in own_checks, by_wire)
        if message:
            yield Problem(node_id, node["class_type"], name, message)
    verdict = _own_verdict(node_class, own_checks, given)
    if verdict:
        yield Problem(node_id, node["class_type"], ", ".join(own_checks), verdict)


def _link_problem(
    value: list[Any], declared: Input, graph: Graph, known: Mapping[str, Any]
) -> str | None:
    if len(value) != 2 or not isinstance(value[0], str) or type(value[1]) is not int:
        return f"is {_shown(value)}; a link is [node id as text, output number]."
    source, slot = value
    if source not in graph:
        return f"is linked to node {plain(source, _LONG)}, which does not exist."
    if source not in known:
        return None  # that the class is unknown is said already
    types = known[source].RETURN_TYPES
    if not 0 <= slot < len(types):
        return f"is linked to output {slot} of node {source}, which has {len(types)} outputs."
    if not _types_meet(types[slot], declared.type):
        return f"takes {declared.type}, but output {slot} of node {source} is {types[slot]}."
    return None


def _types_meet(given: Any, wanted: str) -> bool:
    if ANY in (given, wanted) or (isinstance(given, list) and wanted == LIST):
        return True
    return bool(set(str(given).split(",")) & set(wanted.split(",")))


def _value_problem(value: Any, declared: Input, own_check: bool, by_wire: bool) -> str | None:
    try:
        value = converted(value, declared)
    except (TypeError, ValueError, OverflowError):
        return f"is {_shown(value)}; it must be {declared.type}."
    if value is None and not declared.required:
        return None
    if declared.type not in _CONVERT and declared.choices is None and by_wire:
        return f"is {_shown(value)}; it takes a link of type {declared.type}."
    if own_check:
        return None
    low, high = declared.options.get("min"), declared.options.get("max")
    if _is_number(value) and _is_number(low) and not value >= low:  # NaN is not, either
        return f"is {_shown(value)}; the smallest allowed is {low}."
    if _is_number(value) and _is_number(high) and not value <= high:
        return f"is {_shown(value)}; the largest allowed is {high}."
    if declared.choices is not None and value not in declared.choices:
        choices = _listed(map(str, declared.choices)) or "none"
        return f"is {_shown(value)}; it must be one of {choices}."
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def converted(value: Any, declared: Input) -> Any:
    """A plain value as the declared type, as the server converts it."""
    if isinstance(value, dict) and "__value__" in value:  # how a list is told from a link
        value = value["__value__"]
    return _CONVERT[declared.type](value) if declared.type in _CONVERT else value


def _validator_names(node_class: Any) -> list[str]:
    validate = getattr(node_class, "VALIDATE_INPUTS", None)
    return list(inspect.signature(validate).parameters) if validate else []


def _own_verdict(node_class: Any, names: list[str], given: Mapping[str, Any]) -> str | None:
    values = {name: given[name] for name in names if name in given and not is_link(given[name])}
    if not values:
        return None
    try:
        verdict = node_class.VALIDATE_INPUTS(**values)
    except Exception as error:
        verdict = str(error)
    return None if verdict is True else plain(verdict or "the value was refused.", 10 * _LONG)
