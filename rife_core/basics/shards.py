"""A large file split into shards of a few megabytes, for places that take no large files."""

from __future__ import annotations

from contextlib import ExitStack
from glob import escape
from pathlib import Path

from .whole_file import whole_file


def write_shards(path: Path, data: bytes | memoryview, size: int) -> list[Path]:
    """Writes `path`.000, `path`.001 and so on, of at most `size` bytes each.

    None takes its name before all are written, and the first one takes it last. Whatever is
    left of an earlier version, one file or more shards, is removed.

    Returns:
        The files, in order.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "state")
        ...     names = [file.name for file in write_shards(path, b"abcde", 2)]
        ...     names, b"".join(file.read_bytes() for file in files_of(path))
        (['state.000', 'state.001', 'state.002'], b'abcde')
    """
    starts = range(0, len(data), size)
    files = [path.with_name(f"{path.name}.{number:03d}") for number in range(len(starts))]
    with ExitStack() as shards:
        for file, start in zip(files, starts, strict=True):
            shards.enter_context(whole_file(file)).write_bytes(data[start : start + size])
    path.unlink(missing_ok=True)
    for file in files_of(path)[len(files) :]:
        file.unlink()
    return files


def files_of(path: Path) -> list[Path]:
    """The file itself, or its shards in order if there is no such file."""
    if path.is_file():
        return [path]
    return sorted(path.parent.glob(f"{escape(path.name)}.[0-9][0-9][0-9]"))
