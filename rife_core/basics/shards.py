"""A large file in shards of a few megabytes, for roads on which no large file travels."""

from __future__ import annotations

from contextlib import ExitStack
from glob import escape
from pathlib import Path

from .whole_file import whole_file


def write_shards(path: Path, data: bytes | memoryview, size: int) -> list[Path]:
    """Writes `path`.000, `path`.001 and so on, of at most `size` bytes each.

    None takes its name before all are written, and the first one takes it last. What an earlier
    writer left of the same file, whole or in more shards, is removed.

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
    """The file, or where there is none its shards in order; nothing where there are none."""
    if path.is_file():
        return [path]
    return sorted(path.parent.glob(f"{escape(path.name)}.[0-9][0-9][0-9]"))
