"""Video files: read and written a frame at a time, with everything else in them kept.

Frames are H W 3, float32 in [0, 1], upright. Colours make the round trip through
the matrix and range that the source file names, in its own number of bits, and the
written file carries the same tags. Sound, subtitles, chapters and title go along.
"""

from ..charts.png import encode_png
from .animations import AnimationWriter, check_animation
from .clock import Clock
from .containers import VideoError
from .encoder_choice import EncoderRequest, choose_encoder, keeps_alpha
from .encoders import DEFAULT_CRF, ENCODER_TABLE, FILE_TYPES
from .excerpt import Part, excerpt
from .frame_source import FrameSource
from .image_sequence import (
    GAPS,
    ImageSequenceReader,
    ImageSequenceWriter,
    is_image_sequence,
)
from .memory import MemoryReader
from .pipes import PIPE, PIPE_FORMATS, PipeReader, PipeWriter, RawVideo
from .pixels import ColorTags, PixelKind
from .reader import Audio, VideoReader
from .writer import VideoWriter, check_suffix

__all__ = [
    "DEFAULT_CRF",
    "ENCODER_TABLE",
    "FILE_TYPES",
    "GAPS",
    "PIPE",
    "PIPE_FORMATS",
    "AnimationWriter",
    "Audio",
    "Clock",
    "ColorTags",
    "EncoderRequest",
    "FrameSource",
    "ImageSequenceReader",
    "ImageSequenceWriter",
    "MemoryReader",
    "Part",
    "PipeReader",
    "PipeWriter",
    "PixelKind",
    "RawVideo",
    "VideoError",
    "VideoReader",
    "VideoWriter",
    "check_animation",
    "check_suffix",
    "choose_encoder",
    "encode_png",
    "excerpt",
    "is_image_sequence",
    "keeps_alpha",
]
