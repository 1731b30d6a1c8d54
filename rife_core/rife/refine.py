"""The refinement of the blended frame."""

from ..networks.layers import Conv2, conv, deconv
from ..networks.refine import Contextnet, Unet
from ..ops.warp import warp

__all__ = ["Contextnet", "Conv2", "Unet", "conv", "deconv", "warp"]
