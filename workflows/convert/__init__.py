"""Brings graphs of other frame interpolation nodes over: `rife-video convert OLD.json NEW.json`.

Known are `RIFE VFI` of ComfyUI-Frame-Interpolation and ComfyUI's own `FrameInterpolate` with its
loader, in API format and in the page's, subgraphs too. All other nodes stay as they are.
"""

from __future__ import annotations

import argparse
import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...rife_core.basics.whole_file import room_for, write_whole
from ..graph_file import WorkflowError, read_json
from .api_format import convert_api
from .old_nodes import CFI, CORE
from .page_format import convert_page


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
        notes = list(convert_page(graph) if is_page else convert_api(graph))
    except WorkflowError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise WorkflowError(
            f"The graph is of no form that is known ({type(error).__name__}: {error}). Open it in "
            "ComfyUI, and save or export it again."
        ) from error
    if not notes:
        raise WorkflowError(
            f"There is nothing to convert: no node is {CFI!r} or {CORE!r}. Graphs with this "
            "pack's nodes run as they are."
        )
    return Converted(graph, notes)


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
    write_whole(args.new, json.dumps(converted.graph, indent=2) + "\n")
    for note in converted.notes:
        print(note)  # noqa: T201
    return 0
