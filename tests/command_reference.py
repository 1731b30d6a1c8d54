"""Writes docs/commands.md from what each command says of itself.

python tests/command_reference.py
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
HEAD = """# All commands

Each option of each command, as `rife-video COMMAND --help` tells it; written by \
`python tests/command_reference.py`.
"""


def parsers():
    """The argument parser of each command, of subcommands too, by its full name."""
    from rife_video.__main__ import commands

    for name, command in commands().items():
        parser = argparse.ArgumentParser(prog=f"rife-video {name}", description=command.help)
        command.add_arguments(parser)
        yield from _with_subcommands(parser)


def _with_subcommands(parser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _with_subcommands(each)


def options(parser):
    """The options of a command, with all their spellings."""
    return {name for action in parser._actions for name in action.option_strings}


def reference():
    """The document."""
    sections = [HEAD]
    for parser in parsers():
        rows = [_row(parser, action) for action in parser._actions if action.dest != "help"]
        table = "\n".join(["| | |", "|---|---|", *rows])
        sections.append(f"## {parser.prog}\n\n{parser.description or ''}\n\n{table}\n")
    return "\n".join(section.replace("\n\n\n", "\n\n") for section in sections)


def _row(parser, action):
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if isinstance(action, argparse._SubParsersAction):
        value, names = " ".join(action.choices), ""
    elif action.choices and not action.metavar:
        value = ", ".join(map(str, action.choices))
    elif not names:
        value = action.metavar or action.dest
    if isinstance(value, tuple):
        value = " ".join(value)
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    cell = " ".join(filter(None, (names, f"`{value}`" if value else "")))
    return f"| {cell} | {' '.join(text.split())} |".replace("|---", "|")


if __name__ == "__main__":
    DOCUMENT.write_text(reference(), encoding="utf-8")
