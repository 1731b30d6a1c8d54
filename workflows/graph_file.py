"""Reads the file of a workflow in API format, or says which file to take instead.

A graph maps node ids to {"class_type": ..., "inputs": {...}}.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..rife_core.basics.whole_file import content_of, unread

Graph = dict[str, dict[str, Any]]

MAX_BYTES = 64 * 2**20
"""Size of the largest workflow that is read; those of the largest page have some 5 MB."""

MAX_DEPTH = 100
"""Levels of lists and objects in a workflow; real ones have less than ten."""

API_FOLDER = "api"
"""Below the page files: ComfyUI offers every JSON file beside those as a template."""


class WorkflowError(ValueError):
    """A workflow that cannot be run, or a node that failed; the message says where and why."""


def read(path: str | Path) -> Graph:
    """The graph in a file.

    Raises:
        WorkflowError: the file is no API-format workflow; for a page-format one the
            message says which file to take instead.
        OSError: the file cannot be read.
    """
    path = _located(Path(path))
    content = read_json(path)
    if isinstance(content, dict) and isinstance(content.get("nodes"), list):
        sibling = _api_file(path, content)
        instead = (
            f"run {sibling.name} in {sibling.parent.name}/"
            if sibling is not None
            else "open it in ComfyUI and save it with 'Export (API)'"
        )
        raise WorkflowError(
            f"{path.name} is in page format (boxes and wires for ComfyUI's page), but the API "
            f"format is needed: {instead}."
        )
    if isinstance(content, dict) and isinstance(content.get("prompt"), dict):
        content = content["prompt"]
    return check_form(content, path.name)


def read_json(path: Path) -> Any:
    """The content of a JSON file, in any encoding that JSON may have.

    Raises:
        WorkflowError: it is no JSON, too large or too deep.
        OSError: the file cannot be read.
    """
    try:
        return json.loads(content_of(path, MAX_BYTES))
    except ValueError as error:
        raise WorkflowError(f"{path.name} is no JSON file ({unread(error)}).") from error
    except RecursionError:
        raise WorkflowError(f"{path.name} is nested more than {MAX_DEPTH} levels deep.") from None


def _api_file(path: Path, page: dict[str, Any]) -> Path | None:
    """The file beside a page's one that holds the same graph in API format.

    It has the page's name, or the one in `extra.api`: templates are named by their titles.
    """
    extra = page.get("extra")
    name = extra.get("api") if isinstance(extra, dict) else None
    is_name = isinstance(name, str) and re.fullmatch(r"[\w.-]{1,80}", name)
    names = [f"{path.stem}.api.json", *([name] if is_name else [])]
    files = (_located(path.parent / name) for name in names)
    return next((file for file in files if file.is_file()), None)


def _located(path: Path) -> Path:
    """`path`, or where its file lies now: API files were once kept beside those of the page."""
    moved = path.parent / API_FOLDER / path.name
    return moved if moved.is_file() and not path.exists() else path


def check_form(content: Any, name: str = "the graph") -> Graph:
    """Returns `content` if it has the form of a graph. Raises WorkflowError if it has not."""
    if _is_deep(content):
        raise WorkflowError(f"{name} is nested more than {MAX_DEPTH} levels deep.")
    fits = isinstance(content, dict) and all(
        isinstance(node_id, str)
        and isinstance(node, dict)
        and isinstance(node.get("class_type", ""), str)
        and isinstance(node.get("inputs", {}), dict)
        for node_id, node in content.items()
    )
    if not fits or not content:
        raise WorkflowError(
            f"{name} is no workflow in API format: expected node ids, each with class_type "
            "and inputs."
        )
    return content


def _is_deep(content: Any) -> bool:
    """Whether there are more than `MAX_DEPTH` levels, or no end of them."""
    level = {id(content): content}
    for _ in range(MAX_DEPTH):
        level = {
            id(inner): inner
            for outer in level.values()
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        }
    return bool(level)
