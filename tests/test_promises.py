"""The table of docs/promises.md: what it quotes is said, what it names is tested."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TABLE = (ROOT / "docs" / "promises.md").read_text("utf-8")


def plain(text):
    return " ".join(text.split())


def rows():
    """(document, promise, test) of each line of the table."""
    for section in TABLE.split("\n## ")[1:]:
        document, _, lines = section.partition("\n")
        for promise, test in re.findall(r"^\| (.+) \| `(.+)` \|$", lines, re.MULTILINE):
            yield document, promise, test


ROWS = list(rows())


@cache
def names_in(path):
    return {node.name for node in ast.parse(path.read_text("utf-8")).body if hasattr(node, "name")}


def test_every_row_is_read():
    assert len(ROWS) == TABLE.count("\n| ") - TABLE.count("\n## ") > 200


@pytest.mark.parametrize(("document", "promise", "test"), ROWS, ids=[row[1][:60] for row in ROWS])
def test_a_promise_is_made_and_tested(document, promise, test):
    said = plain((ROOT / document).read_text("utf-8"))
    assert promise in said, f"{document} does not say this any more"
    path, _, name = test.partition("::")
    assert name in names_in(ROOT / path)


def test_the_promises_of_contributing_are_all_there():
    section = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## Promises")[1]
    bullets = re.findall(r"^- (.+)$", section.split("\n## ")[0], re.MULTILINE)
    assert len(bullets) >= 4
    for bullet in bullets:
        assert any(promise in bullet for _, promise, _ in ROWS), bullet
