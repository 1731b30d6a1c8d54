"""The graph of one prompt: settings made, and which files of this machine it loads."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..graph import find_input, inputs_of, is_link, set_input, title
from ..graph_file import Graph, WorkflowError

Key = tuple[str, str]
"""A node's id and the name of one of its inputs."""


@dataclass(frozen=True)
class Template:
    """The part that all prompts of one call have in common.

    Attributes:
        graph: the workflow.
        settings: changes such as "Interpolate Frames.multiplier=4".
        file_input: which input takes the files, such as "Load Video.file"; only needed
            where the workflow loads several.
    """

    graph: Graph
    settings: Sequence[str]
    file_input: str | None
    _met: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fill(self, classes: Mapping[str, Any], file: Path | None) -> tuple[Graph, dict[Key, Path]]:
        """The graph for one file, and which files are to be uploaded for which inputs.

        Args:
            classes: nodes of the server that will run it.
            file: what the prompt is for, if it is for a file.

        Raises:
            WorkflowError: a setting does not fit, or it is unclear where the file goes.
        """
        graph = copy.deepcopy(self.graph)
        for assignment in self.settings:
            set_input(graph, classes, assignment)
        loaders = list(_file_inputs(graph, classes))
        uploads: dict[Key, Path] = {}
        for node, name in loaders:
            value = graph[node]["inputs"][name]
            was = (self.graph[node].get("inputs") or {}).get(name)
            if value != was and self._is_here(str(value)):
                uploads[node, name] = Path(str(value))
        if file:
            uploads[self._taker(graph, classes, loaders)] = file
        for (node, name), path in uploads.items():
            graph[node].setdefault("inputs", {})[name] = path.name
        for node, name in {*loaders, *uploads}:
            value = str(graph[node]["inputs"][name])
            if (node, name) in uploads or "/" in value or value.endswith("]"):
                # Not in the server's list of files, but it will be there or may be elsewhere.
                _allow(classes.get(graph[node].get("class_type", "")), name, value)
        return graph, uploads

    def _is_here(self, value: str) -> bool:
        """Whether a value was a file of this machine when it was first met; it may vanish."""
        return self._met.setdefault(value, os.path.isfile(value))

    def _taker(self, graph: Graph, classes: Mapping[str, Any], loaders: Sequence[Key]) -> Key:
        """The input that takes the file."""
        if self.file_input:
            return find_input(graph, classes, self.file_input)
        if len(loaders) != 1:
            names = ", ".join(f"'{title(graph[node]) or node}.{name}'" for node, name in loaders)
            raise WorkflowError(
                f"Which input takes the files? The workflow loads {names or 'no file'}; "
                "name one with --file-input."
            )
        return loaders[0]


def _file_inputs(graph: Graph, classes: Mapping[str, Any]) -> Iterator[Key]:
    """The inputs that name a file to load."""
    for node_id, node in graph.items():
        node_class = classes.get(node.get("class_type", ""))
        for name, declared in (inputs_of(node_class) if node_class else {}).items():
            loads = any(key.endswith("_upload") and on for key, on in declared.options.items())
            value = (node.get("inputs") or {}).get(name)
            if loads and value is not None and not is_link(value):
                yield node_id, name


def _allow(node_class: Any, name: str, value: str) -> None:
    """Adds a file to those that an input can take."""
    declared = inputs_of(node_class).get(name) if node_class else None
    if declared and declared.choices is not None and value not in declared.choices:
        declared.choices.append(value)
