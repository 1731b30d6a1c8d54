"""The Laplacian pyramid loss."""

from ..losses import LapLoss

__all__ = ["LapLoss"]
