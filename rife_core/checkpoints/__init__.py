"""Weights files: loaded without running anything in them, recognised by their tensors, saved."""

from .rife import (
    DEFAULT,
    SUFFIXES,
    detect_spec,
    find_weights,
    list_weights,
    load_rife,
    save_rife,
)
from .tensor_files import CheckpointError, read_tensors

__all__ = [
    "DEFAULT",
    "SUFFIXES",
    "CheckpointError",
    "detect_spec",
    "find_weights",
    "list_weights",
    "load_rife",
    "read_tensors",
    "save_rife",
]
