"""What was stored comes back as it was, and nothing else comes."""

import json
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import pytest
from rife_video.rife_core.checkpoints.stored import is_inside, parse, stored


class Pair(NamedTuple):
    left: int
    right: float = 0.0


@dataclass(frozen=True)
class Everything:
    folder: object
    text: str
    number: int
    share: float
    truth: bool
    maybe: int | str | None
    word: Literal["a", "b"]
    rate: Fraction
    pairs: tuple[Pair, ...]
    runs: list[tuple[int, int]]
    names: dict[str, str] = field(default_factory=dict)
    anything: Any = None


WHOLE = Everything(
    "here", "x", 3, 0.5, True, None, "a", Fraction(24000, 1001), (Pair(1), Pair(2, 3)), [(1, 2)]
)
PLAIN = json.loads(
    json.dumps(
        {
            **{name: value for name, value in asdict(WHOLE).items() if name != "folder"},
            "rate": "24000/1001",
            "pairs": [pair._asdict() for pair in WHOLE.pairs],
        }
    )
)


def test_what_was_stored_comes_back():
    assert stored(PLAIN, Everything, folder="here") == WHOLE
    less = {name: value for name, value in PLAIN.items() if name not in ("names", "anything")}
    assert stored(less, Everything, folder="here") == WHOLE
    assert stored([{"left": 1}], list[Pair]) == [Pair(1)]
    assert stored(less, Everything, folder="here", anything=3).anything == 3


def test_numbers_up_to_their_bounds():
    assert stored(2**63 - 1, int) == 2**63 - 1
    for text in ("24", "24/1", "0" * 1022 + "24"):
        assert stored(text, Fraction) == 24


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("text", (3, None, ["x"])),
        ("number", (True, 0.5, "3", None, 2**63)),
        ("share", (True, "0.5", None, 10**400)),
        ("truth", (1, 0, "yes", None)),
        ("maybe", (0.5, [], True)),
        ("word", ("c", None, ["a"])),
        ("rate", (24, "24/0", "24/x", "-1", "1e5", "", "٣", "0" * 1023 + "24", None)),
        ("pairs", ({}, [1], [{"left": "1"}], [{"right": 1}], [{"left": 1, "more": 2}], None)),
        ("runs", ([1], [[1]], [[1, 2, 3]], [[1, "2"]], {})),
        ("names", ([], {"a": 1}, None)),
        ("more", (3,)),
    ],
)
def test_something_else_is_refused_with_its_place(name, values):
    for value in values:
        with pytest.raises(ValueError, match="expected") as error:
            stored({**PLAIN, name: value}, Everything, folder="here")
        assert len(str(error.value)) < 400
    with pytest.raises(ValueError, match="expected"):
        stored({each: value for each, value in PLAIN.items() if each != "text"}, Everything)


def test_what_is_no_json():
    for content in (b"", b"{", b"[" * 100_000, b"\xff"):
        with pytest.raises(ValueError, match=r"."):
            parse(content)
    assert parse(b"[1]") == [1]


def test_names_that_lead_elsewhere():
    for name in ("a", "a/b.mp4", ".a", "a..b", "...", "a: b.mp4", "a" * 1024):
        assert is_inside(name)
    for name in ("", "/", "/a", "..", "a/../b", "a\0", "a" * 1025):
        assert not is_inside(name)
