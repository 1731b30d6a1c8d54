"""Arguments that callers give, checked against the types that are declared for them."""

from __future__ import annotations

import collections.abc
import inspect
import math
import operator
import os
import reprlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from fractions import Fraction
from functools import cache, wraps
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

_C = TypeVar("_C", bound=Callable[..., Any])

_PLAIN = (bool, int, float, str, bytes, list, tuple, dict, set, frozenset, Fraction)
_short = reprlib.Repr()
_short.maxstring = _short.maxlong = _short.maxother = 60  # letters
_WORDS = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    Fraction: "a fraction",
    NoneType: "None",
}


def checked(function: _C) -> _C:
    """A function that raises ValueError for arguments of another type than is declared.

    Numbers of NumPy and PyTorch are numbers, and arrive as Python's; NaN is none. What is in an
    iterator is not looked at.

    Example:
        >>> @checked
        ... def twice(count: int, name: str = "x") -> str:
        ...     return 2 * count * name
        >>> twice(2)
        'xxxx'
        >>> twice("2")
        Traceback (most recent call last):
        ...
        ValueError: count is '2'; it must be a whole number.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        given = signature.bind(*args, **options)
        types = _types(function)
        for name, value in [*given.arguments.items()]:  # in order: the first fault is named
            if name not in types:
                continue
            kind = types[name]
            if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                fit = {each: fitted(each, value[each], kind) for each in value}
            elif signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
                fit = tuple(fitted(name, each, kind) for each in value)
            else:
                fit = fitted(name, value, kind)
            given.arguments[name] = fit
        return function(*given.args, **given.kwargs)

    return call  # pyright: ignore[reportReturnType]


def check_fields(owner: Any) -> None:
    """Raises ValueError unless each field of a dataclass is of its declared type; see `checked`."""
    types = _types(type(owner))
    for field in fields(owner):
        value = getattr(owner, field.name)
        plain = fitted(field.name, value, types[field.name])
        if plain is not value:
            object.__setattr__(owner, field.name, plain)  # it may be frozen


def fitted(name: str, value: Any, kind: Any) -> Any:
    """A value of a type; a number of another library as one of Python's.

    Raises:
        ValueError: it is of another type; see `checked`.

    Example:
        >>> fitted("scale", 3, Literal[1, 2])
        Traceback (most recent call last):
        ...
        ValueError: scale is 3; it must be one of 1, 2.
    """
    if not _fits(value, kind):
        raise ValueError(f"{name} is {shown(value)}; it must be {' or '.join(_words(kind))}.")
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if (
        value is None
        or Any in kinds
        or any(_is_class(one) and isinstance(value, one) for one in kinds)
    ):
        return value
    if bool in kinds and _is_truth(value):
        return bool(value)
    if isinstance(value, (int, float)) or Fraction in kinds:
        return value
    if int in kinds and is_whole(value):
        return operator.index(value)
    return float(value) if float in kinds and _is_number(value) else value


def one_of(name: str, value: object, known: Any) -> None:
    """Raises ValueError unless a value is one of some that are known.

    Example:
        >>> one_of("end", "begin", ("last frame", "loop"))
        Traceback (most recent call last):
        ...
        ValueError: end is 'begin'; it must be one of last frame, loop.
    """
    if not isinstance(value, collections.abc.Hashable) or value not in known:
        raise ValueError(f"{name} is {shown(value)}; it must be one of {', '.join(known)}.")


def within(name: str, value: float, least: float, most: float) -> None:
    """Raises ValueError unless a number is from `least` to `most`.

    Example:
        >>> within("width", 0, 1, 4096)
        Traceback (most recent call last):
        ...
        ValueError: width is 0; it must be from 1 to 4096.
    """
    if not least <= value <= most:
        raise ValueError(f"{name} is {shown(value)}; it must be from {least} to {most}.")


def natural(text: str) -> int | None:
    """The whole number that plain digits spell; None: other text, or more than 19 of them.

    Python's own tests of texts take digits that `int` does not, and `int` takes no 5000.

    Example:
        >>> natural("12"), natural("-1"), natural("²"), natural("9" * 5000)
        (12, None, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def shown(value: object) -> str:
    """A value for a message, or its type where it is long or has no words of its own."""
    if value is None or isinstance(value, _PLAIN):
        with suppress(ValueError):  # a whole number of more digits than Python writes
            return str(value) if isinstance(value, Fraction) else _short.repr(value)
    return f"a {type(value).__name__}"


@cache
def _types(owner: Any) -> dict[str, Any]:
    return get_type_hints(owner)


def _fits(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if kind in _FITS:
        return _FITS[kind](value)
    if is_typeddict(kind):
        types = get_type_hints(kind)
        return isinstance(value, dict) and all(
            name in value and _fits(value[name], one) for name, one in types.items()
        )
    if origin is None:
        return not _is_class(kind) or isinstance(value, kind)
    if not isinstance(origin, type):  # what is said of several arguments at once
        return True
    if not isinstance(value, origin) or getattr(value, "shape", None) == ():
        return False  # an array without dimensions says that it can be gone through
    if origin is os.PathLike:  # it may be one of bytes
        return isinstance(os.fspath(value), str)
    if issubclass(origin, collections.abc.Mapping):
        return all(_fits(key, inner[0]) and _fits(each, inner[1]) for key, each in value.items())
    if origin is tuple and inner[-1] is not Ellipsis:
        return len(value) == len(inner) and all(map(_fits, value, inner))
    if issubclass(origin, (tuple, list, set, frozenset)):
        return all(_fits(each, inner[0]) for each in value)
    return True


def _is_class(kind: Any) -> bool:
    """Whether `isinstance` can answer for it."""
    return (
        isinstance(kind, type)
        and kind is not Any
        and get_origin(kind) is None
        and not (getattr(kind, "_is_protocol", False) or is_typeddict(kind))
    )


def is_whole(value: Any) -> bool:
    """Whether it is an integer, of Python or of another library; True and False are not."""
    if _is_bool(value):
        return False
    try:
        operator.index(value)
    except (TypeError, ValueError, RuntimeError):  # a tensor of several numbers
        return False
    return True


def number_of(value: Any) -> float:
    """A number as a float, of Python or of another library; NaN for anything else, also bools."""
    try:
        is_none = _is_bool(value) or isinstance(value, (str, bytes, bytearray))
        return math.nan if is_none else float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # 10**400 is no float
        return math.nan


def _is_number(value: Any) -> bool:
    return not math.isnan(number_of(value))


def _is_bool(value: Any) -> bool:
    """Whether it is True or False, of Python or of NumPy."""
    return type(value).__name__ in ("bool", "bool_")


def _is_truth(value: Any) -> bool:
    return _is_bool(value) or (type(value) is int and value in (0, 1))


_FITS: dict[Any, Callable[[Any], bool]] = {
    Any: lambda value: True,
    object: lambda value: True,
    bool: _is_truth,
    int: is_whole,
    float: _is_number,
    Fraction: lambda value: isinstance(value, (Fraction, int)) and not isinstance(value, bool),
}


def _words(kind: Any) -> list[str]:
    """What a value must be, each way in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return list(dict.fromkeys(word for one in inner for word in _words(one)))
    if origin is Literal:
        return [f"one of {', '.join(map(str, inner))}"]
    named = origin or kind
    return [_WORDS.get(named, f"a {getattr(named, '__name__', named)}")]
