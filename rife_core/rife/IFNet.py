"""The paper's network and its block."""

from ..inference.rife import IFNet
from ..networks.block import IFBlock
from ..networks.layers import conv, deconv
from ..ops.warp import warp

__all__ = ["IFBlock", "IFNet", "conv", "deconv", "warp"]
