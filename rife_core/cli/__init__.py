"""The `rife-video` command: one table of subcommands, each in a module of its own.

A command's module has `add_arguments(parser)` and `run(args) -> int`; it is
imported only when its command is called. PyTorch is not imported here: some commands go
without.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from ..basics.environment import is_on

_FAILED = 1
_INTERRUPTED = 130
_BROKEN_PIPE = 141
_TOO_LONG = re.compile(r"(?<!\S)(\S{200})\S{3896,}(\S)")  # no path has as many letters

_NO_VALUE = re.compile(r"(--[^=]+=|-\w=?)--")
"""An option whose value is --, which argparse before Python 3.13 takes for an empty list."""

TRACEBACK = "RIFE_VIDEO_TRACEBACK"
"""The environment variable that lets errors through; see `is_on`."""

_FORESEEN = (ValueError, OSError, ImportError)


class Command(NamedTuple):
    """One subcommand.

    Attributes:
        help: what it does, in a few words.
        module: where it is, by its full name.
        has_network: whether it runs a network, and so can do without fast forms.
    """

    help: str
    module: str
    has_network: bool = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds all that it takes."""
        import_module(self.module).add_arguments(parser)
        if self.has_network:
            parser.add_argument(
                "--plain-ops",
                action="store_true",
                help="run every operation in its plain form, to rule the fast ones out",
            )


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "interpolate": Command(
            "make a video smoother, or many of them", f"{__name__}.interpolate", True
        ),
        "preview": Command(
            "show three interpolated frames before a long run", f"{__name__}.preview", True
        ),
        "work": Command("make parts of a job of many clips", f"{__name__}.work", True),
        "join": Command("put the parts of a job together", f"{__name__}.join"),
        "status": Command("show how far a job has come", f"{__name__}.status"),
        "sample": Command("paint a short clip to try things on", f"{__name__}.sample"),
        "strip": Command("show source and interpolated frames in one picture", f"{__name__}.strip"),
        "models": Command("list the weights that can be loaded", f"{__name__}.models"),
        "weights": Command("list, fetch and verify published networks", f"{__name__}.weights"),
        "doctor": Command("say what is there and what is missing", f"{__name__}.doctor"),
        "train": Command("train a network", f"{__name__}.train", True),
        "evaluate": Command("measure weights on real clips", f"{__name__}.evaluate", True),
        "bench": Command("time it beside its peers", f"{__name__}.bench", True),
        "adapt": Command("fine-tune weights on one clip", f"{__name__}.adapt", True),
        "export": Command("write a network as an ONNX file", f"{__name__}.export"),
        "crops": Command("write crops of clips beside a teacher's flow", f"{__name__}.crops", True),
    }
)
"""The subcommands that need nothing but `rife_core`."""


def preload(argv: Sequence[str] | None, table: Mapping[str, Command]) -> None:
    """Imports what the command needs; see `main`.

    Raises:
        ImportError: something is not installed.
    """
    if command := table.get(_called(argv)):
        import_module(command.module)


def main(argv: Sequence[str] | None = None, table: Mapping[str, Command] = COMMANDS) -> int:
    """Runs the command line; returns the exit status.

    Whatever ends a command is told in one sentence. RIFE_VIDEO_TRACEBACK=1 in the
    environment lets errors through, for those who look for the place.

    Args:
        argv: the arguments; those of the process by default.
        table: the subcommands.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    called = _called(argv)
    try:
        try:
            return _run(argv, called, table)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:  # whoever read the frames has seen enough
        _let_go_of_stdout()
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        _tell("Stopped.")
        return _INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and sys.stdout is not None:
            _let_go_of_stdout()
        if is_on(TRACEBACK):
            raise
        _tell(f"rife-video {called}: {sentence(error)}")
        return _FAILED


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with an argument, shortened if it is long."""

    def error(self, message: str) -> NoReturn:
        super().error(_readable(message))


def _called(argv: Sequence[str] | None) -> str:
    words = sys.argv[1:] if argv is None else argv
    return next((word for word in words if not word.startswith("-")), "")


def _run(argv: list[str], called: str, table: Mapping[str, Command]) -> int:
    parser = _Parser(prog="rife-video", description="Video frame interpolation with RIFE.")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    run = None
    for name, command in table.items():
        subparser = commands.add_parser(name, help=command.help, description=command.help)
        if name == called:
            command.add_arguments(subparser)
            run = import_module(command.module).run
    for word in argv[: argv.index("--") if "--" in argv else None]:
        if option := _NO_VALUE.fullmatch(word):
            parser.error(f"argument {option[1].rstrip('=')}: found '--', expected a value")
    for word in argv:  # a shell hands none on, but other programs may
        if not _is_word(word):
            parser.error(f"found {word[:60]!r}, which holds what no name or value does")
    args, more = parser.parse_known_args(argv)
    files = getattr(args, "input", None)
    if isinstance(files, list) and not any(word.startswith("-") for word in more):
        files += more  # files after an option
    elif more:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    assert run is not None, "argparse accepts the commands of the table only"
    if not getattr(args, "plain_ops", False):
        return run(args)
    from ..ops.dispatch import plain_ops  # brings PyTorch, which not every command needs

    with plain_ops(children=True):
        return run(args)


def _is_word(text: str) -> bool:
    """Whether the system could hand this on as a word of a command line."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def sentence(error: Exception) -> str:
    """An error in words for a person.

    Errors of the kinds that this project raises, and the system's, speak for themselves.
    Of any other, which nobody foresaw, the kind and the first line are told.

    Example:
        >>> sentence(FileNotFoundError(2, "No such file or directory", "clip.mp4"))
        'clip.mp4: No such file or directory'
        >>> sentence(ValueError("scale is 3; use 1 or 2."))
        'scale is 3; use 1 or 2.'
        >>> sentence(KeyError("flow"))
        "KeyError: 'flow' (RIFE_VIDEO_TRACEBACK=1 shows where)"
        >>> sentence(MemoryError())
        'There is not enough memory.'
    """
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if name]
        return f"{' and '.join(names)}: {error.strerror}"
    text = (error.strerror if isinstance(error, OSError) else "") or str(error)
    if text and _is_foreseen(error):
        return " ".join(text.split()) if isinstance(error, ImportError) else text
    first = (text.splitlines() or [""])[0]
    from ..ops.dispatch import is_out_of_memory  # brings PyTorch, which not every command needs

    if is_out_of_memory(error):
        return f"There is not enough memory{first and f': {first}'}."
    kind = type(error).__name__
    return f"{kind}{first and f': {first}'} ({TRACEBACK}=1 shows where)"


def _is_foreseen(error: Exception) -> bool:
    torch = sys.modules.get("torch")  # where nobody has imported it, none of its errors can come
    return isinstance(error, _FORESEEN) or (
        torch is not None and isinstance(error, torch.OutOfMemoryError)
    )


def _tell(text: str) -> None:
    with suppress(OSError, ValueError):  # nobody may be there to read it
        print(_readable(text), file=sys.stderr)  # noqa: T201


def _readable(text: str) -> str:
    """Text fit for a terminal: control characters removed, names longer than any path shortened."""
    shown = (c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)
    return _TOO_LONG.sub(r"\1...\2", "".join(shown))


def _let_go_of_stdout() -> None:
    """Else the interpreter complains when it flushes what cannot be written at its end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
