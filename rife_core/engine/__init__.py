"""Frames in, frames out: a network run along a timeline."""

from .loop import Watch, interpolate, stream
from .scheduler import Progress

__all__ = ["Progress", "Watch", "interpolate", "stream"]
