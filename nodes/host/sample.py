"""The clip that the templates open with, where ComfyUI's page can load it."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from ...rife_core.basics.whole_file import whole_file
from .comfyui import comfyui
from .folders import input_folder

SAMPLE = Path(__file__).parents[2] / "workflows/rife_sample.mp4"
"""A clip to try the nodes on, painted by `rife-video sample`."""


def offer_sample() -> None:
    """Puts the clip that the templates open with into ComfyUI's input folder, if it is not there.

    A page can load videos from that folder only, and marks a template red whose clip is missing.
    """
    if not comfyui("folder_paths"):
        return
    place = input_folder() / SAMPLE.name
    with suppress(OSError):  # a folder that cannot be written to is no reason not to start
        if not place.exists():
            with whole_file(place) as part:
                shutil.copyfile(SAMPLE, part)
