"""Backward warping."""

from ..ops.warp import warp

__all__ = ["warp"]
