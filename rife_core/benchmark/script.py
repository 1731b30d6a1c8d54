"""A file made smoother the way the published inference script does it, as a program.

    python -m rife_video.rife_core.benchmark.script INPUT OUTPUT WEIGHTS MULTIPLIER

Frames are read and written by threads of their own; each pair of 8-bit frames becomes
float32, is padded, compared on 32 x 32 pixels, and passes the plain network; the result is
encoded as MPEG-4 part 2. Written anew for rows and machines that the script itself does
not run on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from queue import Queue
from threading import Thread
from typing import Any, cast

import av
import torch
import torch.nn.functional as F
from torch import Tensor

from ..inference.rife import RIFE
from ..losses.metrics import ssim_matlab
from .cases import network_of
from .reference import between

_MOST_WAITING = 500
_SMALL = (32, 32)
_ANOTHER_SCENE = 0.2
_BITRATE = 8_000_000

Frames = Queue[Any]


def main(arguments: Sequence[str]) -> None:
    """Reads, interpolates and writes."""
    source, target, weights, multiplier = arguments
    network = network_of("default", weights).float()
    with av.open(source) as opened:
        rate = cast(Fraction, opened.streams.video[0].average_rate) * int(multiplier)
    read, made = Frames(_MOST_WAITING), Frames(_MOST_WAITING)
    threads = [
        Thread(target=_read, args=(source, read), daemon=True),
        Thread(target=_write, args=(target, rate, made), daemon=True),
    ]
    for thread in threads:
        thread.start()
    last = None
    for last, following in pairwise(_taken(read)):
        made.put(last)
        for img in _between(network, _planes(last), _planes(following), int(multiplier)):
            made.put((img[0] * 255).byte().permute(1, 2, 0).numpy())
        last = following
    made.put(last)
    made.put(None)
    for thread in threads:
        thread.join()


def _between(network: RIFE, img0: Tensor, img1: Tensor, multiplier: int) -> list[Tensor]:
    small0, small1 = (F.interpolate(img, _SMALL, mode="bilinear") for img in (img0, img1))
    if ssim_matlab(small0, small1) < _ANOTHER_SCENE:
        return [img0] * (multiplier - 1)
    return between(network, img0, img1, multiplier)


def _planes(frame: Any) -> Tensor:
    return torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255


def _taken(frames: Frames) -> Iterator[Any]:
    while (frame := frames.get()) is not None:
        yield frame


def _read(source: str, frames: Frames) -> None:
    with av.open(source) as opened:
        for frame in opened.decode(video=0):
            frames.put(frame.to_ndarray(format="rgb24"))
    frames.put(None)


def _write(target: str, rate: Fraction, frames: Frames) -> None:
    with av.open(target, "w") as opened:
        stream: Any = None
        for pixels in _taken(frames):
            if stream is None:
                stream = cast(Any, opened.add_stream("mpeg4", rate))
                stream.height, stream.width = pixels.shape[:2]
                stream.bit_rate = _BITRATE
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            opened.mux(stream.encode(frame))
        if stream is not None:
            opened.mux(stream.encode(None))


if __name__ == "__main__":
    main(sys.argv[1:])
