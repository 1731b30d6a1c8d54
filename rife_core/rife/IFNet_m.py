"""The paper's network with a timestep input."""

from ..inference.rife import IFNet_m
from ..networks.block import IFBlock
from ..networks.layers import conv, deconv
from ..ops.warp import warp

__all__ = ["IFBlock", "IFNet_m", "conv", "deconv", "warp"]
