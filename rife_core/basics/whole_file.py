"""Complete files: written beside their name and then renamed; read only if they are files."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
"""What the system says where there is no room."""

_KINDS = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
_SHOWN = 40  # letters of the name; with the rest below 255 bytes, the longest name on most systems


class PartFile:
    """A file that is written beside its name, and takes the name once it is whole.

    As a context manager it removes at the end what has no name by then.

    Args:
        path: the name that it is to have.

    Attributes:
        part: where to write; hidden, and no other writer's, whatever machine it runs on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f"{_shown(path)}{secrets.token_hex(4)}.part")

    def __enter__(self) -> PartFile:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.discard()
        if isinstance(error, OSError) and (
            error.filename == str(self.part) or (error.filename is None and error.errno in FULL)
        ):
            error.filename = str(self.path)  # nobody knows the hidden name

    def keep(self, *, lasting: bool = False) -> None:
        """Gives the file its name; one that has it is replaced.

        Args:
            lasting: whether it must outlast a loss of power from now on.
        """
        if lasting:
            sync(self.part)
        self.part.replace(self.path)
        if lasting:
            sync(self.path.parent)

    def claim(self, *, lasting: bool = False) -> bool:
        """Gives the file its name unless that is taken; of several at once, one returns True."""
        if lasting:
            sync(self.part)
        try:
            os.link(self.part, self.path)  # fails where the name is taken, and is whole at once
        except FileExistsError:
            return False
        except (OSError, NotImplementedError):  # a file system without links
            try:
                self.path.open("xb").close()  # empty for a moment
            except FileExistsError:
                return False
            try:
                self.part.replace(self.path)
            except OSError:  # the part is gone, say
                self.path.unlink(missing_ok=True)
                raise
        if lasting:
            sync(self.path.parent)
        return True

    def discard(self) -> None:
        """Removes what was written, if it has no name yet."""
        self.part.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """A path beside `path` to write to; moved there when the block ends well, else removed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder) / "a.txt") as part:
        ...         _ = part.write_text("whole")
        ...     print([(file.name, file.read_text()) for file in Path(folder).iterdir()])
        [('a.txt', 'whole')]
    """
    with PartFile(path) as file:
        yield file.part
        file.keep()


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Writes a file that appears under its name when it is complete: text in UTF-8.

    Bytes of file names that Python could not read in the locale become what they are in UTF-8.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_whole(path := Path(folder) / "a.txt", "4 × 2")
        ...     print(path.read_text("utf-8"))
        4 × 2
    """
    if isinstance(content, str):
        named = content.encode("utf-8", "surrogateescape")
        content = named.decode("utf-8", "backslashreplace").encode()
    with whole_file(path) as part:
        part.write_bytes(content)


def check_file(path: Path) -> None:
    """Raises FileNotFoundError, in a sentence, unless `path` is a file.

    A folder, a pipe or a device is none: a pipe may never say a word, a device never end.
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except PermissionError:
        raise
    except (OSError, ValueError):  # ValueError: a name that no file can have
        raise FileNotFoundError(f"There is no file {str(path)!r}.") from None
    if kind != stat.S_IFREG:
        raise FileNotFoundError(f"{path} is a {_KINDS.get(kind, 'device')}; give a file.")


def content_of(path: Path, most: int) -> bytes:
    """The content of a file.

    Raises:
        FileNotFoundError: there is none, see `check_file`.
        OSError: it cannot be read.
        ValueError: it has more than `most` bytes.
    """
    check_file(path)
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path.name} is larger than {most / 2**20:g} MB.")
    return content


def text_of(path: Path, most: int) -> str:
    """The content of a file of text in UTF-8.

    Raises:
        OSError, ValueError: see `content_of`.
        ValueError: it is no such text.
    """
    try:
        return content_of(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} cannot be read: {unread(error)}.") from None


def unread(error: Exception) -> str:
    r"""Why text could not be read, for a person; Python's own message describes its internals.

    Example:
        >>> unread(UnicodeDecodeError("utf-8", b"caf\xe9", 3, 4, "unexpected end of data"))
        'byte 4 is no UTF-8'
        >>> unread(ValueError("Exceeds the limit (4300 digits) for integer string conversion"))
        'a number has too many digits'
        >>> unread(ValueError("Expecting value: line 1 column 1 (char 0)"))
        'Expecting value: line 1 column 1 (char 0)'
    """
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is no {error.encoding.upper()}"
    text = str(error)
    return "a number has too many digits" if "integer string conversion" in text else text


def room_for(path: Path) -> Path:
    """`path`, where a file can be written once the work is done: its folder is made.

    Raises:
        OSError: it is a folder, a pipe or a device, its folder cannot be made, or nothing can be
            written to it.
    """
    if not path.name or "\0" in str(path):
        raise FileNotFoundError(f"{str(path)!r} is no name of a file; give one.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():
        kind = _KINDS.get(stat.S_IFMT(path.stat().st_mode), "device")
        raise FileExistsError(f"{path} is a {kind}; give the name of a file.")
    try_folder(path.parent)
    return path


def try_folder(folder: Path) -> None:
    """Raises OSError unless a file can be written to a folder, or to where it would be made."""
    whole = folder.absolute()
    there = next(place for place in (whole, *whole.parents) if _is_there(place))
    for name in whole.relative_to(there).parts:  # one that cannot be, below a folder to be made
        _is_there(there / name)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(there)) from None


def _is_there(path: Path) -> bool:
    """Whether anything has this name, even a dangling link; an impossible name raises."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def leftovers(path: Path) -> Iterator[Path]:
    """Part files that killed writers of `path` left behind; only while nobody writes `path`."""
    return path.parent.glob(f"{escape(_shown(path))}[0-9a-f]*.part")


def _shown(path: Path) -> str:
    return f".{path.name[:_SHOWN]}."


def sync(path: Path) -> None:
    """Flushes a file, or the names in a folder, to disk, where the system can do that."""
    with suppress(OSError):  # Windows opens no folder, and some file systems sync none
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
