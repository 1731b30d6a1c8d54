"""Video files: frames out of them and into them, one at a time, all else carried along.

Frames are H W 3, float32 in [0, 1], upright. Colours make the round trip through
the matrix and range that the source file names, in its own number of bits, and the
written file carries the same tags. Sound, subtitles, chapters and title go along.
"""

from .clock import Clock
from .containers import VideoError
from .pixels import ColorTags, PixelKind
from .reader import Audio, VideoReader
from .writer import DEFAULT_CRF, ENCODERS, VideoWriter, check_suffix, encode_png, keeps_alpha

__all__ = [
    "DEFAULT_CRF",
    "ENCODERS",
    "Audio",
    "Clock",
    "ColorTags",
    "PixelKind",
    "VideoError",
    "VideoReader",
    "VideoWriter",
    "check_suffix",
    "encode_png",
    "keeps_alpha",
]
