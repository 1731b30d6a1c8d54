"""What commands say of their options, and what documents say of them, agree."""

import re
from pathlib import Path

import command_reference
import pytest

ROOT = Path(__file__).parent.parent
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
WITH_OPTIONS = ["README.md", "weights/README.md", "docs/files.md", "docs/headless.md"]
WITH_OPTIONS += ["docs/cluster.md", "docs/benchmark.md"]


def options_of_commands():
    return {
        parser.prog: command_reference.options(parser) for parser in command_reference.parsers()
    }


def test_the_reference_has_what_the_commands_say():
    assert (
        command_reference.DOCUMENT.read_text(encoding="utf-8") == command_reference.reference()
    ), "an option changed: run python tests/command_reference.py"


def test_each_option_is_explained():
    for parser in command_reference.parsers():
        for action in parser._actions:
            assert action.help or not action.option_strings, (parser.prog, action.option_strings)


CALL = re.compile(r"rife-video ([a-z]+)((?:[^\n|#`]|\\\n)*)")
QUOTED = re.compile(r"`(--[a-z][a-z0-9-]*)")


@pytest.mark.parametrize("document", WITH_OPTIONS)
def test_each_option_that_a_document_names_exists(document):
    """Those after the name of a command are its own; quoted ones are of some command."""
    of = options_of_commands()
    content = (ROOT / document).read_text(encoding="utf-8")
    for name, rest in CALL.findall(content):
        known = of.get(f"rife-video {name}")
        assert known is None or set(OPTION.findall(rest)) <= known, f"rife-video {name}{rest}"
    assert set(QUOTED.findall(content)) <= set().union(*of.values())
