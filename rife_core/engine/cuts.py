"""The cut detector: how similar two frames are, and whether one repeats the other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .pixel_formats import from_bytes

SAME_MEAN, SAME_BLOCK = 1 / 255, 3 / 255

_GLANCE = 8
_LONG_SIDE = 64
_BLOCK = 16
_SAMPLES = 4  # pixels looked at in each direction for each one of the small picture
_REACH = 9  # pixels of the small picture: a seventh of the frame's width
_DETAIL = 0.012  # deviation below which a block has nothing to be found by
CUT_BELOW = 0.62
_FADE = 0.15  # mean change from or to a picture without detail that is no cut
UNCHANGED_BELOW = 0.06  # mean difference of small pictures that no cut leaves so small

_SMOOTH_STEP, _SMOOTH = 2, 0.8
"""Pixels, and how well the blocks of a smooth picture fit it when they are so far off."""
_SMOOTH_CUT_BELOW = 0.5


_USUAL_CONTRAST = 0.2
"""Deviation of a small picture that the thresholds above are meant for."""
_LEAST_CONTRAST = 0.004  # of a picture in which there is anything to see: one step of 8 bits
_MOST_GAIN = 6.0  # beyond it the noise of a dark picture would count as detail


def is_cut(a: Tensor, b: Tensor) -> bool:
    """Whether two small pictures show different scenes.

    What counts as a change, and as detail, goes by the contrast of the pictures, in brightness
    and in colour, so that cuts between dark, flat or equally bright scenes are found as others
    are. A block of a smooth picture fits somewhere in any other one, so blocks of smooth pictures
    are searched for together.

    Shape:
        a, b: C h w, of one size
    """
    contrasts = torch.stack((a, b)).flatten(2).var(2).mean(1).sqrt()
    contrast = float(contrasts.amax())
    if contrast < _USUAL_CONTRAST and float(contrasts.amin()) > _LEAST_CONTRAST:
        gain = min(_USUAL_CONTRAST / contrast, _MOST_GAIN)
        a, b = a * gain, b * gain
    if float((a - b).abs().mean()) <= UNCHANGED_BELOW:
        return False
    if likeness(a, b) < CUT_BELOW:
        return True
    return _is_smooth(a) and _is_smooth(b) and _likeness_as_one(a, b) < _SMOOTH_CUT_BELOW


def small_picture(frame: Tensor) -> Tensor:
    """H W C in [0, 1] (or 8 bit), downsampled to 64 pixels on the long side: C h w, no alpha."""
    height, width = frame.shape[:2]
    factor = min(1.0, _LONG_SIDE / max(height, width))
    step = max(1, int(1 / (_SAMPLES * factor)))
    image = from_bytes(frame[::step, ::step, :3].permute(2, 0, 1)[None]).float()
    size = (max(_BLOCK, round(height * factor)), max(_BLOCK, round(width * factor)))
    return F.interpolate(image, size, mode="area")[0].nan_to_num().clamp(0, 1)


def likeness(a: Tensor, b: Tensor) -> float:
    """How much of one small picture can be found in the other: about 1 within a scene.

    Blocks are searched for up to a seventh of the width away. They correlate with all channels
    together, each without its mean: brightness, contrast and a moderate tint of the light do not
    count; one texture in two colours is as alike as the cosine between them. Where a picture has
    nothing to be found by (black, white, fog), its mean change decides. Measured on real clips:
    0.85 to 1 from frame to frame, mostly above 0.7 for frames half a second apart, below 0.6 for
    different scenes.

    Shape:
        a, b: C h w, of one size
    """
    found = [
        maps.flatten(1).amax(1).clamp(0, 1).mean()
        for maps in (_correlations(a, b), _correlations(b, a))
        if maps is not None
    ]
    if len(found) < 2:
        return float((a - b).abs().mean() < _FADE)
    return float(min(found))


def _is_smooth(picture: Tensor) -> bool:
    """Whether the blocks of a picture fit it almost as well a few pixels away."""
    maps = _correlations(picture, picture)
    if maps is None:
        return False
    near, far = _REACH - _SMOOTH_STEP, _REACH + _SMOOTH_STEP
    around = maps[:, (near, far, _REACH, _REACH), (_REACH, _REACH, near, far)]
    return float(around.mean()) > _SMOOTH


def _likeness_as_one(a: Tensor, b: Tensor) -> float:
    """`likeness` of two smooth pictures whose blocks move as one, and by a pixel on their own."""
    both = (_correlations(a, b), _correlations(b, a))
    shares = [F.max_pool2d(maps[None], 3, 1, 1)[0].mean(0) for maps in both if maps is not None]
    return min(float(share.amax()) for share in shares)


def _correlations(a: Tensor, b: Tensor) -> Tensor | None:
    """How the detailed blocks of `a` correlate, all channels together, with places near in `b`.

    Shape:
        returns: blocks, 2 reach + 1, 2 reach + 1; None where no block has detail
    """
    blocks = _tiles(a, _BLOCK)
    blocks = blocks - blocks.mean((2, 3), keepdim=True)
    deviation = blocks.square().mean((1, 2, 3), keepdim=True)[:, 0].sqrt()
    detailed = deviation.flatten() > _DETAIL
    if not bool(detailed.any()):
        return None
    around = F.pad(b[None], [_REACH] * 4, mode="replicate")[0]
    variance = (_means(around.square()) - _means(around).square()).mean(0, keepdim=True)
    spread = _tiles(variance.clamp(min=1e-8).sqrt(), 2 * _REACH + 1)[:, 0]
    blocks, windows = blocks[detailed], _tiles(around, _BLOCK + 2 * _REACH)[detailed]
    kernels = blocks.flatten(0, 1)[:, None]  # one for each channel: much faster than for all
    products = F.conv2d(windows.flatten(0, 1)[None], kernels, groups=len(kernels)) / _BLOCK**2
    products = products[0].unflatten(0, blocks.shape[:2]).mean(1)
    return products / (spread * deviation)[detailed]


def _means(picture: Tensor) -> Tensor:
    """Of every block of a picture C h w, at each place."""
    return picture.unfold(1, _BLOCK, 1).mean(3).unfold(2, _BLOCK, 1).mean(3)


def _tiles(picture: Tensor, side: int) -> Tensor:
    """Squares of a picture C h w, a block apart: tiles C side side."""
    tiles = picture.unfold(1, side, _BLOCK).unfold(2, side, _BLOCK)
    return tiles.flatten(1, 2).transpose(0, 1)


def is_repeat(a: Tensor, b: Tensor, threshold: float = 1.0) -> bool:
    """Whether two frames show the same picture, apart from compression noise.

    Args:
        a, b: the frames.
        threshold: by how many 255ths they may differ in the mean; three times that where they
            differ most. 0 takes equal frames only.

    Shape:
        a, b: H W C
    """
    scale = 255.0 if a.dtype == torch.uint8 else 1.0
    for step in (_GLANCE, 1):  # most frames differ at a glance
        difference = (a[::step, ::step].float() - b[::step, ::step].float()).abs().div_(scale)
        if not float(difference.mean()) <= threshold * SAME_MEAN * (2 if step > 1 else 1):
            return False
    image = difference.permute(2, 0, 1)[None]
    blocks = F.avg_pool2d(image, 8, ceil_mode=True, count_include_pad=False)
    return float(blocks.max()) <= threshold * SAME_BLOCK
