"""The source of frames: a video file, numbered pictures, a pipe or memory, in one type.

Each has `path`, `width`, `height`, `fps`, `kind`, `channels`, `has_alpha`, `audio_codecs`,
`beside`, `allow_damaged`, `skip_damaged`, `explains_count` and `clock`, and the methods `timed`,
`check`, `check_unchanged`, `notes` and `identity`; `VideoReader` says what they mean. A clock that
counts no frames does not know how many come; an identity of None cannot be read twice.
"""

from __future__ import annotations

from typing import TypeAlias

from .image_sequence import ImageSequenceReader
from .memory import MemoryReader
from .pipes import PipeReader
from .reader import VideoReader

FrameSource: TypeAlias = VideoReader | ImageSequenceReader | PipeReader | MemoryReader
