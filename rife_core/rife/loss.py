"""The losses that RIFE is trained with."""

from ..losses import EPE, SOBEL, MeanShift, Ternary, VGGPerceptualLoss

__all__ = ["EPE", "SOBEL", "MeanShift", "Ternary", "VGGPerceptualLoss"]
