"""RIFE's training losses: pure functions first, then modules that own the buffers.

Everything is computed in float32 (float64 where the input is), whatever
precision the images come in and whether or not autocast is on: differences of
nearly equal images are what half precision is worst at. A NaN in an input comes
out as NaN, in the maps only at the pixels that it reaches.

Reference: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame
Interpolation", ECCV 2022.
"""

from .census import Ternary, ternary
from .edges import SOBEL, sobel
from .flow import EPE, epe
from .laplacian import LapLoss, lap_loss, laplacian_pyramid
from .vgg import MeanShift, VGGPerceptualLoss, mean_shift

__all__ = [
    "EPE",
    "SOBEL",
    "LapLoss",
    "MeanShift",
    "Ternary",
    "VGGPerceptualLoss",
    "epe",
    "lap_loss",
    "laplacian_pyramid",
    "mean_shift",
    "sobel",
    "ternary",
]
