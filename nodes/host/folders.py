"""The folders of a graph's files: ComfyUI's, or those that a script has chosen."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from .comfyui import comfyui

MODEL_FOLDERS = ("rife", "frame_interpolation")
"""ComfyUI's model folders in which weights are looked for, the first one first."""


@dataclass(frozen=True)
class Folders:
    """The folders of a graph's files when ComfyUI is not there to say.

    Attributes:
        input: clips and images that a graph may read.
        output: where a graph may write.
        models: folders of weights files.
        temp: for files that only the graph itself needs.
    """

    input: Path = Path("input")
    output: Path = Path("output")
    models: tuple[Path, ...] = tuple(Path("models", name) for name in MODEL_FOLDERS)
    temp: Path = Path(tempfile.gettempdir())


_used_folders: ContextVar[Folders | None] = ContextVar("folders", default=None)


def folders_in_use() -> Folders:
    """Those of the innermost `use_folders`, or the usual ones."""
    return _used_folders.get() or Folders()


@contextmanager
def use_folders(folders: Folders) -> Generator[None]:
    """Without ComfyUI: lets graphs read and write in `folders` while the block runs."""
    token = _used_folders.set(folders)
    try:
        yield
    finally:
        _used_folders.reset(token)


def input_folder() -> Path:
    """The folder of the files that a graph reads."""
    if paths := comfyui("folder_paths"):
        return Path(paths.get_input_directory())
    return folders_in_use().input


def output_folder() -> Path:
    """Where the files that a graph writes go."""
    if paths := comfyui("folder_paths"):
        return Path(paths.get_output_directory())
    return folders_in_use().output


def temporary_path(suffix: str) -> Path:
    """A path for a new file that the rest of the graph may read; ComfyUI empties the folder."""
    paths = comfyui("folder_paths")
    folder = Path(paths.get_temp_directory()) if paths else folders_in_use().temp
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"rife_{uuid.uuid4().hex}{suffix}"


def inside(folder: Path, name: str) -> Path:
    """The path of `name` in `folder`, for names that come from a prompt.

    A link that somebody laid in the folder is followed, as ComfyUI does.

    Raises:
        ValueError: the name leads out of the folder.
    """
    root = os.path.abspath(folder)
    path = os.path.abspath(os.path.join(root, name))
    if "\0" in name or os.path.commonpath((root, path)) != root:
        raise ValueError(f"{name!r} leads out of its folder; give a name inside it.")
    return Path(path)
