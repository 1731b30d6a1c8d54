"""From one video file to another."""

from .convert import FileReport, interpolate_file

__all__ = ["FileReport", "interpolate_file"]
