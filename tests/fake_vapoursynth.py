"""As much of VapourSynth's documented interface (R66 to R81) as the filter uses, in plain Python.

VapourSynth needs Python 3.12; where it is there, the same tests run on it.
"""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np

RGBS, RGBH, RGB24, YUV420P8 = 555810816, 554762240, 537395200, 805830913
_FORMATS = {
    RGBS: ("RGBS", np.float32),
    RGBH: ("RGBH", np.float16),
    RGB24: ("RGB24", np.uint8),
    YUV420P8: ("YUV420P8", np.uint8),
}


class VideoFrame:
    """Planes and properties; only copies can be written."""

    def __init__(self, planes, props, *, writable=False):
        self._planes, self.props = planes, props
        for plane in planes:
            plane.flags.writeable = writable

    def __getitem__(self, plane):
        return memoryview(self._planes[plane])

    def copy(self):
        planes = [plane.copy() for plane in self._planes]
        return VideoFrame(planes, dict(self.props), writable=True)


class VideoNode:
    """A clip: a function from a number to a frame."""

    def __init__(self, get, num_frames, fps, format_id, width, height):
        name = _FORMATS[format_id][0]
        self.format = SimpleNamespace(id=format_id, name=name)
        self.width, self.height, self.num_frames = width, height, num_frames
        self.fps = fps
        self.fps_num, self.fps_den = fps.numerator, fps.denominator
        self._get = get
        self.std = SimpleNamespace(
            BlankClip=lambda **options: _blank(self, **options),
            AssumeFPS=lambda fpsnum, fpsden: self._with(fps=Fraction(fpsnum, fpsden)),
        )

    def _with(self, get=None, num_frames=None, fps=None):
        return VideoNode(
            get or self._get,
            num_frames or self.num_frames,
            self.fps if fps is None else fps,
            self.format.id,
            self.width,
            self.height,
        )

    def set_output(self, index=0):
        """What vspipe would show."""

    def get_frame(self, number):
        if not 0 <= number < self.num_frames:
            raise ValueError(f"there is no frame {number}")
        return self._get(number)

    def __getitem__(self, number):
        if not 0 <= number < self.num_frames:
            raise IndexError(number)
        return self._with(lambda _: self._get(number), num_frames=1)


def _blank(
    clip=None,
    format=None,
    width=0,
    height=0,
    length=1,
    fpsnum=24,
    fpsden=1,
    keep=False,
):
    format_id, width, height = (
        (clip.format.id, clip.width, clip.height) if clip else (int(format), width, height)
    )

    def get(_):
        planes = [np.zeros((height, width), _FORMATS[format_id][1]) for _ in range(3)]
        return VideoFrame(planes, {"_DurationNum": fpsden, "_DurationDen": fpsnum})

    return VideoNode(get, length, Fraction(fpsnum, fpsden), format_id, width, height)


def _frame_eval(clip, eval, prop_src=None, clip_src=None):
    """Frames beyond the end of the node that is chosen are its last one."""

    def get(number):
        node = eval(n=number)
        return node.get_frame(min(number, node.num_frames - 1))

    return clip._with(get)


def _modify_frame(clip, clips, selector):
    def get(number):
        frame = selector(n=number, f=[each.get_frame(number) for each in clips])
        return VideoFrame(frame._planes, frame.props)

    return clip._with(get)


core = SimpleNamespace(
    std=SimpleNamespace(BlankClip=_blank, FrameEval=_frame_eval, ModifyFrame=_modify_frame)
)
