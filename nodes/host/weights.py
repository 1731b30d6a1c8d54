"""Weights files in the models folders, by the names that nodes show."""

from __future__ import annotations

import os
from pathlib import Path

from ...rife_core.checkpoints.published import RELEASES, find_release
from ...rife_core.checkpoints.rife import SUFFIXES, list_weights
from .comfyui import comfyui
from .folders import MODEL_FOLDERS, folders_in_use

_OTHERS_WEIGHTS = "*[Ff]rame-[Ii]nterpolation*/ckpts/rife"
"""Where ComfyUI-Frame-Interpolation keeps its weights, below the folders of packs."""


def model_folders() -> list[Path]:
    """The folders in which weights are looked for."""
    paths = comfyui("folder_paths")
    if not paths:
        return list(folders_in_use().models)
    folders: list[Path] = []
    for key in MODEL_FOLDERS:
        paths.add_model_folder_path(key, os.path.join(paths.models_dir, key))
        places, endings = paths.folder_names_and_paths[key]
        paths.folder_names_and_paths[key] = (places, {*endings, *SUFFIXES})
        folders += map(Path, places)
    for place in paths.folder_names_and_paths.get("custom_nodes", ([],))[0]:
        folders += sorted(Path(place).glob(_OTHERS_WEIGHTS))
    return folders


def list_models() -> dict[str, Path]:
    """Every weights file that can be loaded, by the name that LoadRIFE shows."""
    return list_weights(model_folders())


def model_names() -> list[str]:
    """The choices of LoadRIFE: weights files, then every published release by its number."""
    kept = {release.filename for release in RELEASES.values()}
    return [*(name for name in list_models() if name not in kept), *RELEASES]


def chosen_path(name: str) -> Path | None:
    """The file that `model_names` shows as `name`; None for a release that is not here yet.

    Raises:
        ValueError: no such name is shown (any more).
    """
    if name in RELEASES:
        return find_release(name, model_folders())
    return model_path(name)


def model_path(name: str) -> Path:
    """The file that `list_models` shows as `name`; no other name is taken.

    Raises:
        ValueError: there is no such file (any more).
    """
    models = list_models()
    if name not in models:
        raise ValueError(
            f"There is no weights file {name!r}. Found: {', '.join(models) or 'none'}. Put RIFE "
            f"weights ({', '.join(SUFFIXES)}) into {' or '.join(map(str, model_folders()))}, "
            "and reload the list."
        )
    return models[name]
