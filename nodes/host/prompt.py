"""What the running prompt tells a node about the frames that it gets."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from .comfyui import comfyui

_BATCH_MANAGER = "VHS_BatchManager"


class Part(NamedTuple):
    """Which part of a clip the running node gets, where ComfyUI sends one through in parts.

    Attributes:
        key: the same for all parts of one clip at one node.
        number: counted from 0.
    """

    key: tuple[str, str]
    number: int


def running_part() -> Part | None:
    """The part that the running node gets of a clip that VideoHelperSuite's Meta Batch divides.

    The prompt tells: some node above takes frames from a batch manager, which counts the runs.
    """
    prompt, node_id = _running_prompt()
    for node in _above(prompt, node_id):
        for source in _sources(prompt[node]):
            if prompt.get(source, {}).get("class_type") == _BATCH_MANAGER:
                number = prompt[source]["inputs"].get("requeue", 0)
                return Part((source, node_id), int(number))
    return None


def running_after(pattern: re.Pattern[str]) -> str | None:
    """The class of a node above the running one that matches `pattern`, if there is one."""
    prompt, node_id = _running_prompt()
    classes = (str(prompt[node].get("class_type", "")) for node in _above(prompt, node_id))
    return next((name for name in classes if pattern.search(name)), None)


def running_item() -> int:
    """Which item of a list the running node gets, from 0; ComfyUI calls it for each in turn."""
    context = _running_context()
    return 0 if context is None else context.list_index or 0


def _running_context() -> Any:
    """ComfyUI's context of the running node; None if there is none."""
    execution = comfyui("comfy_execution.utils")
    return execution.get_executing_context() if execution else None


def _running_prompt() -> tuple[dict[str, Any], str]:
    """The prompt that runs, and the id of its node; an empty one where ComfyUI does not tell."""
    context, server = _running_context(), sys.modules.get("server")
    instance = getattr(getattr(server, "PromptServer", None), "instance", None)
    if context is None or instance is None:
        return {}, ""
    for _, prompt_id, prompt, *_ in list(instance.prompt_queue.currently_running.values()):
        if prompt_id == context.prompt_id and context.node_id in prompt:
            return prompt, context.node_id
    return {}, ""


def _sources(node: dict[str, Any]) -> list[str]:
    """The nodes that a node of a prompt reads from."""
    values = node.get("inputs", {}).values()
    return [str(value[0]) for value in values if isinstance(value, list) and len(value) == 2]


def _above(prompt: dict[str, Any], node_id: str) -> Iterator[str]:
    """The nodes that `node_id` reads from, directly or not."""
    waiting, seen = [node_id] if node_id in prompt else [], {node_id}
    while waiting:
        for source in _sources(prompt[waiting.pop()]):
            if source in prompt and source not in seen:
                seen.add(source)
                waiting.append(source)
                yield source
