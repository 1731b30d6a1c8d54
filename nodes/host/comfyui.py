"""ComfyUI's own modules, where this process is ComfyUI.

Nothing else of the project asks for them. Each call asks anew, so nothing happens at import
and the same nodes run in a script, in a test and on a server.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def comfyui(module: str) -> Any:
    """A module of ComfyUI, or None where this process is not ComfyUI.

    Only what ComfyUI has loaded itself tells: `comfy` alone may be somebody else's.
    """
    here = "comfy.model_management" in sys.modules and "folder_paths" in sys.modules
    return importlib.import_module(module) if here else None
