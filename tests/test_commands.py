"""What commands say of their options, and what documents say of them, agree."""

import re
from pathlib import Path

import command_reference
import pytest

ROOT = Path(__file__).parent.parent
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
WITH_OPTIONS = ["README.md", "weights/README.md", "docs/files.md", "docs/headless.md"]
WITH_OPTIONS += ["docs/cluster.md", "docs/benchmark.md"]
OF_OTHER_PROGRAMS = {"--nproc-per-node", "--opt", "--help", "--head", "--port", "--address"}
SCHEDULERS = {"--array", "--dependency", "--parsable", "--wrap", "--gpus", "--header"}


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


@pytest.mark.parametrize("document", WITH_OPTIONS)
def test_each_option_that_a_document_names_exists(document):
    of = options_of_commands()
    known = set().union(*of.values()) | OF_OTHER_PROGRAMS | SCHEDULERS
    lines = (ROOT / document).read_text(encoding="utf-8").replace("\\\n", " ").split("\n")
    for line in lines:
        assert set(OPTION.findall(line)) <= known, line
        command = re.match(r" *(?:\$ )?rife-video ([a-z]+)", line)
        if command and "|" not in line:
            mine = of[f"rife-video {command[1]}"] | SCHEDULERS
            assert set(OPTION.findall(line.partition(" #")[0])) <= mine, line
