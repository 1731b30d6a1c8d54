"""Runs an API-format workflow in this process: `rife-video run WORKFLOW.api.json`.

The graph is checked as the server would check it, but all that is wrong is said at
once. This pack's nodes and the local twins of the core nodes are known.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from .. import nodes
from ..nodes.host import Folders, use_folders
from ..rife_core.cli.models import add_models_folder
from . import core_nodes
from .graph import check, converted, inputs_of, links, order, set_input
from .graph_file import Graph, WorkflowError, check_form, read
from .plain_text import plain

_PAGE_ONLY = ("preview", "upload")  # ends of the names of inputs that only the page reads
_LONGEST_NAME = 200
_LONGEST_REASON = 2000

KNOWN_NODES: dict[str, type] = {**core_nodes.NODE_CLASS_MAPPINGS, **nodes.NODE_CLASS_MAPPINGS}


@dataclass
class Result:
    """The result of a workflow.

    Attributes:
        files: everything that was written, in order.
        texts: what nodes have to say: outputs called "report", and texts for the page.
    """

    files: list[Path] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def run_workflow(
    workflow: str | Path | Graph,
    *,
    settings: Iterable[str] = (),
    folders: Folders | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Result:
    """Checks and runs a workflow.

    Args:
        workflow: the path of an API-format file, or its content.
        settings: changes such as "Load Video.file=clip.mp4"; see `graph.set_input`.
        folders: where files are read and written; `input`, `output` and `models`
            below the working folder by default.
        say: called with a line for each node that begins and ends.

    Raises:
        WorkflowError: the graph is not sound (the message lists every problem), or a
            node failed.
        OSError: the workflow file cannot be read.
    """
    graph = check_form(workflow) if isinstance(workflow, dict) else read(workflow)
    folders = folders or Folders()
    with TemporaryDirectory(dir=folders.temp) as temp, torch.inference_mode():
        folders = replace(folders, temp=Path(temp))
        with use_folders(folders):
            graph = {node_id: _declared(node_id, node, say) for node_id, node in graph.items()}
            for assignment in settings:
                set_input(graph, KNOWN_NODES, assignment)
            check(graph, KNOWN_NODES, "Nodes that run without a server")
            return _run(graph, folders, say)


def _declared(node_id: str, node: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """A copy of the node with the inputs that its class has; what else is set is told.

    Newer servers nest the inputs of a choice under it ("format.codec"); they are taken by their
    own names.
    """
    inputs = dict(node.get("inputs", {}))
    class_type = node.get("class_type", "")
    if node_class := KNOWN_NODES.get(class_type):
        known = inputs_of(node_class)
        given = list(_flat(inputs))
        # An optional input without a value is left out, so that its default holds.
        inputs = {
            name: value
            for name, value in given
            if name in known and (value is not None or known[name].required)
        }
        for name, value in given:
            own = name.rpartition(".")[2]
            if own in known and value is not None:
                if name != own:  # where both are there, newer servers read this one
                    inputs[own] = value
            elif value and not name.endswith(_PAGE_ONLY):
                say(f"Node {node_id} ({class_type}): input {name!r} is ignored without a server.")
    return {**node, "inputs": inputs}


def _flat(inputs: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Inputs by their dotted names, out of values that are themselves inputs of a choice.

    Example:
        >>> list(_flat({"format": {"format": "mkv", "codec": {"codec": "h264"}}}))
        [('format', 'mkv'), ('format.codec', 'h264')]
    """
    for name, value in inputs.items():
        path = above if name == above.rpartition(".")[2] else f"{above}.{name}".removeprefix(".")
        if isinstance(value, dict) and name in value and len(path) < _LONGEST_NAME:
            yield from _flat(value, path)
        else:
            yield path, value


def _run(graph: Graph, folders: Folders, say: Callable[[str], None]) -> Result:
    result = Result()
    values: dict[str, Any] = {}
    ordered = order(graph, KNOWN_NODES)
    readers = Counter(source for i in ordered for _, source, _ in links(graph[i]))
    for number, node_id in enumerate(ordered, 1):
        node = graph[node_id]
        class_type = node["class_type"]
        title = f"[{number}/{len(ordered)}] {class_type}"
        say(f"{title} ...")
        started = time.perf_counter()
        try:
            outputs = _call(node_id, graph, values)
        except Exception as error:
            reason = plain(error, _LONGEST_REASON) or type(error).__name__
            raise WorkflowError(f"Node {node_id} ({class_type}) failed: {reason}") from error
        say(f"{title} took {time.perf_counter() - started:.1f} s")
        ui = outputs.get("ui", {}) if isinstance(outputs, dict) else {}
        values[node_id] = outputs.get("result", ()) if isinstance(outputs, dict) else outputs
        result.files += [
            folders.output / saved["subfolder"] / saved["filename"]
            for saved in ui.get("images", ())
            if saved["type"] == "output"
        ]
        names: tuple[str, ...] = getattr(KNOWN_NODES[class_type], "RETURN_NAMES", ())
        named = dict(zip(names, values[node_id], strict=False))
        reports = [named["report"]] if "report" in named else []
        result.texts += dict.fromkeys([*map(str, ui.get("text", ())), *reports])
        for _, source, _ in links(node):  # frames that nobody will read again are let go
            readers[source] -= 1
            if not readers[source]:
                del values[source]
    return result


def _call(node_id: str, graph: Graph, values: dict[str, Any]) -> Any:
    """Runs one node on the values of its links and its own inputs."""
    node = graph[node_id]
    node_class: Any = KNOWN_NODES[node["class_type"]]
    declared = inputs_of(node_class)
    linked = {name: values[source][slot] for name, source, slot in links(node)}
    arguments = {
        name: linked[name] if name in linked else converted(value, declared[name])
        for name, value in node["inputs"].items()
    }
    return getattr(node_class(), node_class.FUNCTION)(**arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `rife-video run` takes."""
    parser.add_argument("workflow", type=Path, help="an API-format file, NAME.api.json")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.INPUT=VALUE",
        help="change an input; NODE is an id, a title or a class "
        "(--set LoadVideo.file=clip.mp4 --set InterpolateFrames.multiplier=4)",
    )
    for name, use in (("input", "files are read"), ("output", "files are written")):
        default = getattr(Folders(), name)
        text = f"folder where {use} (default: {default})"
        parser.add_argument(f"--{name}-dir", type=Path, default=default, help=text)
    add_models_folder(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the workflow of the command line and prints what it gave."""

    def say(line: str) -> None:
        print(line, file=sys.stderr)  # noqa: T201

    models = (*args.models, *Folders().models)
    folders = Folders(args.input_dir, args.output_dir, models)
    result = run_workflow(args.workflow, settings=args.set, folders=folders, say=say)
    for line in [*result.texts, *map(str, result.files)]:
        print(line)  # noqa: T201
    return 0
