"""The forms that a server's answers must have: a table, and the check that reads it.

Nothing that a server sends is used before it has passed `parse` or `check`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ...rife_core.basics.whole_file import unread
from ..plain_text import plain
from .errors import BadAnswerError

MAX_ANSWER = 64 * 2**20
"""Bytes of the largest answer that is read, unpacked; large installations send 20 MB of nodes."""

_MAX_VALUES = 4_000_000
_MAX_NAME = 200
_MAX_REASON = 2000
_SHOWN = 60
_FEW = 3


class Row(tuple[Any, ...]):
    """A list that begins with values of these forms."""

    __slots__ = ()


# A form is a type, a tuple of forms that are allowed, [form] for a list, {str: form} for an
# object of any keys, or an object's keys; a key that ends in "?" may be missing.
_TEXT = (str, None)
OBJECT_INFO = {str: dict}
QUEUE = {"queue_running": [Row((object, str))], "queue_pending": [Row((object, str))]}
HISTORY = {str: dict}
ENTRY = {
    "outputs?": ({str: (dict, None)}, None),
    "status?": ({"status_str?": _TEXT, "messages?": ([Row((str, dict))], None)}, None),
}
QUEUED = {"prompt_id": str, "node_errors?": object}
UPLOADED = {"name": str, "subfolder?": _TEXT}
SAVED = {"filename": str, "subfolder?": _TEXT, "type?": _TEXT}
MESSAGE = {"type": str, "data?": (dict, None)}
PROGRESS = {"value": (int, float), "max": (int, float)}


def parse(content: bytes | str, form: Any, where: str) -> Any:
    """JSON of a known form.

    Args:
        content: what was received.
        form: what it must look like, from the table above.
        where: what it answers, for the message.

    Raises:
        BadAnswerError: it is no JSON, or of another form.

    Example:
        >>> parse(b'{"name": "a.mp4"}', UPLOADED, "/upload")
        {'name': 'a.mp4'}
        >>> parse(b'{"name": 3}', UPLOADED, "/upload")
        Traceback (most recent call last):
        ...
        rife_video.workflows.client.errors.BadAnswerError: /upload: name is 3; expected text
    """
    marks = (",", ":", "[", "{") if isinstance(content, str) else (b",", b":", b"[", b"{")
    if sum(content.count(mark) for mark in marks) > _MAX_VALUES:  # each takes memory when parsed
        raise BadAnswerError(f"{where}: the answer holds more than {_MAX_VALUES:,} values")
    try:
        value = json.loads(content)
    except RecursionError:
        raise BadAnswerError(f"{where}: the answer is nested too deeply") from None
    except ValueError as error:
        raise BadAnswerError(f"{where}: the answer is no JSON ({unread(error)})") from None
    check(value, form, where)
    return value


def check(value: Any, form: Any, where: str) -> None:
    """Raises BadAnswerError, with the place, unless `value` is of the form."""
    if problem := _problem(value, form, ""):
        raise BadAnswerError(f"{where}: {problem}")


def fits(value: Any, form: Any) -> bool:
    """Whether `value` is of the form."""
    return _problem(value, form, "") is None


def _problem(value: Any, form: Any, place: str) -> str | None:
    """The fault and its place; None if there is none."""
    if isinstance(form, Row):
        if not isinstance(value, list) or len(value) < len(form):
            return _unlike(value, place, f"a list of {len(form)} or more")
        parts = ((f"[{i}]", value[i], inner) for i, inner in enumerate(form))
    elif isinstance(form, tuple):
        problems = [_problem(value, inner, place) for inner in form]
        return None if None in problems else problems[0]
    elif isinstance(form, list):
        if not isinstance(value, list):
            return _unlike(value, place, "a list")
        parts = ((f"[{i}]", item, form[0]) for i, item in enumerate(value))
    elif isinstance(form, dict):
        if not isinstance(value, dict):
            return _unlike(value, place, "an object")
        if str in form:
            parts = ((f".{plain(key, _SHOWN)}", item, form[str]) for key, item in value.items())
        else:
            needed = {key for key in form if not key.endswith("?")}
            if missing := sorted(needed - value.keys()):
                return f"{place.lstrip('.') or 'the answer'} has no {missing[0]!r}"
            named = {key.rstrip("?"): inner for key, inner in form.items()}
            parts = ((f".{key}", value[key], named[key]) for key in named if key in value)
    elif value is form or (isinstance(form, type) and isinstance(value, form)):
        return None
    else:
        return _unlike(value, place, _WORDS.get(form, "nothing"))
    found = (_problem(item, inner, place + step) for step, item, inner in parts)
    return next(filter(None, found), None)


_WORDS: dict[Any, str] = {str: "text", dict: "an object", list: "a list", int: "a number"}


def _unlike(value: Any, place: str, expected: str) -> str:
    kind = {dict: "an object", list: "a list"}.get(type(value))
    shown = kind or plain(json.dumps(value), _SHOWN)
    return f"{place.lstrip('.') or 'the answer'} is {shown}; expected {expected}"


def refusal(answer: Any, titles: Mapping[str, str]) -> str:
    """A server's refusal of a prompt as a sentence."""
    parts = [
        f"{_title(titles, node)} (node {node}): {_get(error, 'message')}: {_get(error, 'details')}"
        for node, found in _items(_get(answer, "node_errors"))
        for error in _list(_get(found, "errors"))
    ]
    error = _get(answer, "error")
    general = f"{_get(error, 'message')} {_get(error, 'details')}" if error else ""
    text = "; ".join(parts) or general.strip() or (error if isinstance(error, str) else "")
    return plain(text or "it does not say why", _MAX_REASON)


def failure(entry: Mapping[str, Any], titles: Mapping[str, str]) -> str | None:
    """Why a prompt failed, as a sentence, from its checked entry in the history."""
    status = entry.get("status") or {}
    if status.get("status_str") != "error":
        return None
    for kind, data, *_ in status.get("messages") or ():
        node = data.get("node_id")
        where = f"{_title(titles, node, data.get('node_type'))} (node {node})"
        if kind == "execution_error":
            reason = plain(data.get("exception_message"), _MAX_REASON).strip()
            return f"{plain(where, _MAX_NAME)} failed: {reason}"
        if kind == "execution_interrupted":
            return f"It was cancelled on the server, at {plain(where, _MAX_NAME)}."
    return "It failed, and the server does not say why."


def texts(entry: Mapping[str, Any]) -> list[str]:
    """The texts that the nodes of a checked entry show."""
    found = [_get(output, "text") for output in (entry.get("outputs") or {}).values()]
    return [
        plain(text)
        for some in found
        for text in ([some] if isinstance(some, str) and some else _list(some))
    ]


def saved_files(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files that nodes saved; where nothing was saved, those that they only show."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for output in (entry.get("outputs") or {}).values():
        for items in (output or {}).values():
            for item in _list(items):
                if isinstance(item, dict) and "filename" in item:
                    check(item, SAVED, "an output")
                    key = (item["filename"], item.get("subfolder") or "", item.get("type") or "")
                    found[key] = item
    files = list(found.values())
    return [item for item in files if item.get("type") == "output"] or files


def saved_names(entry: Mapping[str, Any]) -> str:
    """Where a server keeps what `saved_files` found: the first few, for a message."""
    files = saved_files(entry)
    keys = ("type", "subfolder", "filename")
    names = ["/".join(filter(None, map(each.get, keys))) for each in files[:_FEW]]
    more = f" and {len(files) - _FEW} more" if len(files) > _FEW else ""
    return plain(", ".join(names), _MAX_NAME) + more


def _get(value: Any, key: str) -> Any:
    found = value.get(key) if isinstance(value, dict) else None
    return "" if found is None else found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _items(value: Any) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, dict) else ()


def _title(titles: Mapping[str, str], node: Any, otherwise: Any = None) -> str:
    known = titles.get(node) if isinstance(node, str) else None
    return known or str(otherwise or node)
