"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


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
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
