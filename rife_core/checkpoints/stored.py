"""Plain values from files, checked against the types that they should have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from fractions import Fraction
from functools import cache
from pathlib import PurePath
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

_T = TypeVar("_T")

_SHOWN = 60
_LONGEST_NAME = 1024  # of what lies in a bucket; a folder takes less
_LARGEST = 2**63


def parse(content: bytes) -> object:
    """JSON as plain values.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def stored(value: object, kind: type[_T], where: str = "it", **given: object) -> _T:
    """A stored plain value as the type that it had before.

    Args:
        value: from `parse`, or of another reader of plain values.
        kind: its type: a dataclass or named tuple, or a plain one, or a list of such.
        where: what holds it, for the message.
        given: fields of a dataclass that are not stored.

    Raises:
        ValueError: it is something else; where, and what was expected.

    Example:
        >>> from typing import NamedTuple
        >>> Size = NamedTuple("Size", [("width", int), ("height", int)])
        >>> stored({"width": 3, "height": 2}, Size)
        Size(width=3, height=2)
        >>> stored({"width": 3, "height": "2"}, Size)
        Traceback (most recent call last):
        ...
        ValueError: height is '2', expected int
    """
    return _made(value, kind, where, given) if given else _value(value, kind, where)


def is_inside(name: str) -> bool:
    """Whether a relative name, with slashes, stays in the folder that it is looked for in.

    Example:
        >>> is_inside("more/clip.mp4"), is_inside("../clip.mp4"), is_inside("/clip.mp4")
        (True, False, False)
    """
    path = PurePath(name)
    return (
        bool(path.parts)
        and not path.anchor
        and ".." not in path.parts
        and "\0" not in name
        and len(name) <= _LONGEST_NAME
    )


def _made(value: object, kind: Any, where: str, given: Mapping[str, object]) -> Any:
    forms, needed = _fields(kind)
    if not isinstance(value, dict):
        raise _wrong(value, "an object", where)
    found = cast("dict[str, object]", value)
    if found.keys() - forms.keys() or needed - found.keys() - given.keys():
        raise ValueError(f"{where} has {sorted(found)}, expected {sorted(forms.keys() - given)}")
    return kind(**given, **{name: _value(found[name], forms[name], name) for name in found})


def _value(value: object, kind: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return _made(value, kind, where, {})
    if origin in (Union, UnionType):
        for one in arguments:
            try:
                return _value(value, one, where)
            except ValueError:
                continue
    elif origin is Literal:
        if any(type(value) is type(one) and value == one for one in arguments):
            return value
    elif origin in (tuple, list) and isinstance(value, list):
        several = cast("list[object]", value)
        if origin is list or arguments[-1] is Ellipsis:
            return origin(_value(each, arguments[0], where) for each in several)
        if len(several) == len(arguments):
            return tuple(map(_value, several, arguments, [where] * len(several)))
    elif isinstance(value, dict) and origin and issubclass(origin, Mapping):
        entries = cast("dict[str, object]", value)
        return {name: _value(each, arguments[1], name) for name, each in entries.items()}
    elif _is_plain(value, kind):
        return Fraction(cast(str, value)) if kind is Fraction else value
    raise _wrong(
        value, str(getattr(kind, "__name__", kind)) if origin is None else str(kind), where
    )


def _is_plain(value: object, kind: Any) -> bool:
    if kind is Fraction:
        if not isinstance(value, str) or len(value) > _LONGEST_NAME or not value.isascii():
            return False  # Python reads no number of thousands of digits
        top, _, bottom = value.partition("/")
        return top.isdigit() and (bottom or "1").isdigit() and int(bottom or 1) > 0
    if type(value) is int:
        return kind in (int, float) and abs(value) < _LARGEST
    return type(value) is kind


def _wrong(value: object, expected: str, where: str) -> ValueError:
    return ValueError(f"{where} is {repr(value)[:_SHOWN]}, expected {expected}")


@cache
def _fields(kind: Any) -> tuple[dict[str, Any], set[str]]:
    """The fields of a class with their types, and those that have no default."""
    hints = get_type_hints(kind)
    if not is_dataclass(kind):
        return hints, hints.keys() - kind._field_defaults.keys()
    needed = {
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    }
    return {field.name: hints[field.name] for field in fields(kind)}, needed
