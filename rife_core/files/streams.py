"""From frames to where they are written one by one: numbered pictures, or a pipe."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Protocol

from torch import Tensor

from ..engine.loop import Progress, Watch
from ..engine.report import Report
from ..video import VideoError
from ..video.image_sequence import ImageSequenceWriter
from .lock import FolderLock

_STATE, _JOB = ".rife-video", "job.json"


class FrameSink(Protocol):
    """Where frames go; `count` of them are there."""

    count: int

    def write(self, frame: Tensor) -> None:
        """Takes the next one."""
        ...
