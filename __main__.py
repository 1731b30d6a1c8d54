"""The `rife-video` command: the subcommands of `rife_core`, and those that run workflows.

Only the standard library is imported at the top: the process is made safe for closed
streams and Ctrl-C before the seconds that importing PyTorch takes.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from .rife_core.cli import Command

_FAILED = 1
_INTERRUPTED = 130
_NO_ROOM = ("failed to map segment", "annot allocate memory")
"""What the loader of shared libraries says where memory is limited."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status.

    Args:
        argv: the arguments. None: those of this process, which is then made ready for
            closed streams and Ctrl-C at any moment, and is expected to end afterwards.
    """
    if argv is None:
        with _process():
            return _main(None)
    return _main(argv)


def commands() -> Mapping[str, Command]:
    """All subcommands."""
    from .rife_core import cli
    from .workflows import commands

    return {**cli.COMMANDS, **commands.COMMANDS}


def _main(argv: Sequence[str] | None) -> int:
    try:
        from .rife_core import cli

        table = commands()
        cli.preload(argv, table)  # before Ctrl-C is an exception, which PyTorch may swallow
    except Exception as error:  # also what packages say of variables that they cannot read
        print(f"rife-video: {_not_loaded(error)}", file=sys.stderr)  # noqa: T201
        return _FAILED
    with _ctrl_c(signal.default_int_handler):
        return cli.main(argv, table)


def _not_loaded(error: Exception) -> str:
    text = " ".join(str(error).split())  # NumPy's has many lines
    if isinstance(error, MemoryError) or any(words in text for words in _NO_ROOM):
        return "There is not enough memory to load PyTorch."
    if isinstance(error, ImportError):
        return f"{text}. Is all of it installed? pip install rife-video"
    read = [name for name, value in os.environ.items() if name in text or repr(value) in text]
    told = f"A package did not load: {type(error).__name__}: {text.rstrip('.')}."
    return f"{told} Is the environment variable {' or '.join(read[:3])} right?" if read else told


@contextmanager
def _process() -> Generator[None]:
    """The state of a process that is a command from its first moment to its last."""
    _open_closed_streams()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else a shell ignores it
        signal.signal(signal.SIGINT, _stop_at_once)
    try:
        yield
    except KeyboardInterrupt:  # a second one, while the first was answered
        _stop_at_once()


@contextmanager
def _ctrl_c(handler: signal.Handlers | object) -> Generator[None]:
    """Answers Ctrl-C by another handler, where this process has one of its own."""
    if signal.getsignal(signal.SIGINT) is not _stop_at_once:
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _stop_at_once)


def _stop_at_once(*_: object) -> NoReturn:
    """Ends the process where nothing is to be tidied up: before a command runs, and after it."""
    with suppress(OSError):
        os.write(2, b"Stopped.\n")
    os._exit(_INTERRUPTED)


def _open_closed_streams() -> None:
    """No file that is opened later takes the place of a closed standard stream.

    What is written to a closed standard error is dropped; standard input and output stay
    None in `sys`, so that frames are not lost without a word.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)  # the lowest free number is taken
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever its encoding lacks


if __name__ == "__main__":
    sys.exit(main())
