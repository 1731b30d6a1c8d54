"""Which values are of which types, and that all types that are declared can be looked at."""

import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from typing import Any, Literal, Protocol, SupportsFloat, TypedDict, get_type_hints

import numpy as np
import pytest
import rife_video.nodes
import torch
from rife_video import rife_core
from rife_video.rife_core.basics.arguments import (
    check_fields,
    checked,
    fitted,
    one_of,
    shown,
    within,
)
from typing_extensions import Unpack


class Sound(TypedDict):
    rate: int


class Speaks(Protocol):
    def speak(self) -> str: ...


NAN = float("nan")
RIGHT = [
    *((np.int64(2), int), (torch.tensor(2), int), (10**400, int), (2, float)),
    *((np.float32(2), float), (Fraction(1, 2), float), (Decimal("0.5"), float)),
    *((True, bool), (np.bool_(False), bool), (1, bool), (0, bool), (3, Fraction)),
    *((None, int | None), ("x", Literal["x"]), (len, Callable[[], int] | None)),
    *((frozenset({1}), frozenset[int]), ((1, 2), tuple[int, ...]), ((1, "a"), tuple[int, str])),
    *(({"a": 1}, Mapping[str, int]), ({"rate": 3}, Sound), (3, Speaks), ([], list[int])),
]
WRONG = [
    *((2.0, int), (True, int), ("2", int), (torch.ones(2), int), (None, int), (1j, float)),
    *((NAN, float), (Decimal("nan"), float), (torch.tensor(NAN), float), (np.float64(NAN), float)),
    *((np.bool_(True), int), (np.bool_(True), float), (bytearray(b"1"), float)),
    *((True, float), ("1", float), (2, bool), ("no", bool), (None, bool), (0.5, Fraction)),
    *(({1}, frozenset[int]), (frozenset({"a"}), frozenset[int]), ([1], tuple[int, ...])),
    *((("a",), tuple[int, ...]), ((1, "a"), tuple[int, ...]), (["a"], list[int])),
    *(((1, 2, 3), tuple[int, int]), ({"a": "b"}, Mapping[str, int]), ({}, Sound), ([], Sound)),
    *(
        (10**400, float),
        (1, Literal[True]),
        ("y", Literal["x"]),
        (3, Callable[[], int]),
        (b"x", str),
        (3, str),
        (np.array(2.0), Iterable[str]),  # both say that they can be gone through
        (torch.tensor(2.0), Iterable[str]),
    ),
]


@pytest.mark.parametrize(("value", "kind"), RIGHT, ids=repr)
def test_what_fits(value, kind):
    made = fitted("it", value, kind)
    assert made == value
    assert not isinstance(made, np.generic | torch.Tensor)


@pytest.mark.parametrize(("value", "kind"), WRONG, ids=repr)
def test_what_does_not_fit(value, kind):
    with pytest.raises(ValueError, match=r"^it is .*; it must be ") as error:
        fitted("it", value, kind)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("value", "kind", "arrives"),
    [
        *((1, float, int), (0, Literal[0, 1], int), (1, bool, bool), (np.bool_(True), bool, bool)),
        *((np.int64(3), float, float), (np.int64(3), int | float, int), (3, int | Fraction, int)),
    ],
)
def test_a_number_arrives_as_one_of_pythons(value, kind, arrives):
    assert type(fitted("it", value, kind)) is arrives


@pytest.mark.parametrize("kind", [Any, object, SupportsFloat, int | Any])
@pytest.mark.parametrize("value", [np.int64(3), np.float32(2), np.bool_(True), None], ids=repr)
def test_where_anything_fits_it_stays_what_it_is(value, kind):
    assert fitted("it", value, kind) is value


def test_the_fields_of_a_frozen_dataclass():
    @dataclass(frozen=True)
    class Size:
        width: int
        name: str = ""

        def __post_init__(self):
            check_fields(self)

    assert type(Size(np.int64(3)).width) is int
    assert Size(3, "x") == Size(np.int64(3), "x")
    with pytest.raises(ValueError, match="name is 3; it must be text"):
        Size(3, 3)


class Wishes(TypedDict, total=False):
    rate: int


def test_options_that_are_unpacked_are_left_to_who_takes_them():
    @checked
    def wish(**options: Unpack[Wishes]) -> dict[str, object]:
        return {**options}

    assert wish(rate="x") == {"rate": "x"}


def test_both_ends_of_a_range_are_in_it():
    for value in (1, 5, 10):
        within("width", value, 1, 10)
    for value in (0.9, 10.1, NAN):
        with pytest.raises(ValueError, match="must be from 1 to 10"):
            within("width", value, 1, 10)


def test_a_tensor_that_is_wanted_stays_one():
    for value in (torch.tensor(0.5), torch.ones(2)):
        assert fitted("it", value, float | torch.Tensor) is value


def test_values_are_shown_in_short():
    deep = []
    deep.append(deep)
    for value in ("x" * 10**6, 10**5000, [1] * 10**6, {str(i): i for i in range(999)}, deep):
        assert len(shown(value)) < 300
    assert shown(torch.ones(2)) == "a Tensor"


def test_one_of_takes_anything():
    for value in ([], {}, None, torch.ones(2), "y"):
        with pytest.raises(ValueError, match="must be one of x"):
            one_of("it", value, {"x": 1})


def test_a_method_keeps_its_name_its_words_and_its_signature():
    class Thing:
        @classmethod
        @checked
        def of(cls, count: int, *more: str, **options: float) -> int:
            """Words."""
            return count + len(more)

    assert Thing.of(1, "2", x=0.5) == 2
    for wrong in ((1, 2), {}), ((1,), {"x": "y"}):
        with pytest.raises(ValueError, match="must be"):
            Thing.of(*wrong[0], **wrong[1])
    assert (Thing.of.__name__, Thing.of.__doc__) == ("of", "Words.")
    assert list(inspect.signature(Thing.of).parameters) == ["count", "more", "options"]
    with pytest.raises(ValueError, match="count is 'x'; it must be a whole number"):
        Thing.of(count="x")


def _modules():
    for package in (rife_core, rife_video.nodes):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if "triton" not in found.name and not found.name.endswith("__main__"):
                yield import_module(found.name)


def test_declared_types_can_be_looked_at():
    """A type that is imported for type checkers only would fail where a caller is."""
    seen = 0
    for module in _modules():
        text = inspect.getsource(module)
        if "@checked" not in text and "check_fields(self)" not in text:
            continue
        for value in list(vars(module).values()):
            owners = [value, *vars(value).values()] if inspect.isclass(value) else [value]
            for owner in owners:
                owner = getattr(owner, "__func__", owner)
                if getattr(owner, "__module__", "") == module.__name__ and callable(owner):
                    seen += bool(get_type_hints(owner))
    assert seen > 30


def test_the_first_fault_is_the_one_that_is_named():
    @checked
    def three(first: int, second: int, third: int) -> None: ...

    with pytest.raises(ValueError, match="first is 'a'"):
        three("a", "b", third="c")
