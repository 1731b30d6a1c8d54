"""The nodes, by the ids under which workflows know them. An id never changes."""

from __future__ import annotations

from .adapt_rife import AdaptRIFE
from .interpolate_frames import InterpolateFrames
from .load_rife import LoadRIFE

NODE_CLASS_MAPPINGS = {
    "LoadRIFE": LoadRIFE,
    "InterpolateFrames": InterpolateFrames,
    "AdaptRIFE": AdaptRIFE,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    node_id: node.DISPLAY_NAME for node_id, node in NODE_CLASS_MAPPINGS.items()
}
