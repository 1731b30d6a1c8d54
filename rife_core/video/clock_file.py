"""A clock as bytes: what one process has read of a file, another need not read again."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from typing import Any

import numpy as np

from .clock import Clock, KeyFrame, Shift


def pack_clock(clock: Clock) -> bytes:
    """A few bytes a frame at most; times that follow each other evenly take next to none."""
    header = {
        "count": clock.count,
        "constant": clock.constant,
        "fps": str(clock.fps),
        "tick": str(clock.tick),
        "end": str(clock.end),
        "packets": clock.packets,
        "dealt": clock.dealt,
        "seams": clock.seams,
        "shifts": [
            [track, number, str(seconds)]
            for track, shifts in clock.shifts.items()
            for number, seconds in shifts
        ],
        "damage": clock.damage,
    }
    file = io.BytesIO()
    np.savez_compressed(
        file,
        header=np.frombuffer(json.dumps(header).encode(), np.uint8),
        steps=np.diff(clock.ticks, prepend=0),
        keys=np.array(clock.keys, np.int64).reshape(-1, 3),
    )
    return file.getvalue()


def unpack_clock(content: bytes) -> Clock:
    """What `pack_clock` packed.

    Raises:
        ValueError: it was changed since.
    """
    try:
        return _unpacked(content)
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds
        reason = str(error) or type(error).__name__
        raise ValueError(f"the times of the source are damaged ({reason[:80]})") from error


def _unpacked(content: bytes) -> Clock:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        header: dict[str, Any] = json.loads(arrays["header"].tobytes())
        steps, keys = arrays["steps"], arrays["keys"].tolist()
    shifts: dict[int, list[Shift]] = {}
    for track, number, seconds in header.pop("shifts"):
        shifts.setdefault(track, []).append(Shift(number, Fraction(seconds)))
    for name in ("fps", "tick", "end"):
        header[name] = Fraction(header[name])
    header["seams"] = tuple(header["seams"])
    return Clock(
        **header,
        ticks=np.cumsum(steps),
        shifts=shifts,
        keys=tuple(KeyFrame(frame, packet, bool(is_open)) for frame, packet, is_open in keys),
    )
