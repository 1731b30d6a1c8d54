"""Frames in, frames out: a network run along a timeline."""

from .loop import Progress, Watch, interpolate, stream

__all__ = ["Progress", "Watch", "interpolate", "stream"]
