"""Checks that a tag fits the project's version, and prints that version's part of the changelog.

Usage: python .ci/release.py v0.2.0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def release_notes(tag: str, root: Path = ROOT) -> str:
    """The text below the heading of the version that `tag` names.

    Raises:
        ValueError: the tag is not the version of pyproject.toml and CITATION.cff, or
            CHANGELOG.md has nothing to say about it.
    """
    version = tag.removeprefix("v")
    for name, pattern in (
        ("pyproject.toml", r'^version = "(.*)"$'),
        ("CITATION.cff", r"^version: (.*)$"),
    ):
        found = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        if found is None or found[1] != version:
            has = found[1] if found else "no version"
            raise ValueError(f"the tag is {tag}, but {name} has {has}; they must agree")
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## |\Z)"
    section = re.search(heading, changes, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        raise ValueError(f"CHANGELOG.md has nothing under '## [{version}]'; write what changed")
    return section[1].strip() + "\n"


if __name__ == "__main__":
    try:
        sys.stdout.write(release_notes(sys.argv[1]))
    except (IndexError, ValueError) as error:
        sys.exit(f"release: {error}")
