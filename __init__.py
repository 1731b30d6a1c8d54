"""RIFE Video: frame interpolation with RIFE, as ComfyUI nodes, a command line and a library.

The nodes are imported when ComfyUI asks for them, so that `rife_core` and the command
line start without them.
"""

from __future__ import annotations

from typing import Any

WEB_DIRECTORY = "./nodes/web"


def __getattr__(name: str) -> Any:
    if name in ("NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"):
        from . import nodes

        return getattr(nodes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
