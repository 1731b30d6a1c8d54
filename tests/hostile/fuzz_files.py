"""Interpolates broken copies of small files; prints what became of them, as JSON.

    python tests/hostile/fuzz_files.py FIRST COUNT    # which of them, by number

Each number always breaks the same file in the same way. A copy that hangs for minutes ends the
process, and its number is the last one on standard error.
"""

import contextlib
import faulthandler
import io
import json
import random
import sys
import tempfile
import traceback
import wave
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HANGS_AFTER = 300  # seconds; a picture that claims to stay for hours takes one
FRAMES, WIDTH, HEIGHT, FPS = 6, 32, 32, 12
KINDS = {  # file type: picture, sound
    ".mp4": ("libx264", "aac"),
    ".mov": ("mpeg4", "pcm_s16le"),
    ".mkv": ("libx264", "flac"),
    ".webm": ("libvpx-vp9", "libopus"),
    ".ts": ("mpeg2video", "mp2"),
    ".avi": ("mjpeg", "pcm_s16le"),
    ".gif": ("gif", None),
    ".h264": ("libx264", None),
    ".flv": ("flv", "libmp3lame"),
    ".y4m": ("rawvideo", None),
    ".mpg": ("mpeg2video", "mp2"),
    ".3gp": ("libx264", "aac"),
}
LAYOUTS = {"gif": "rgb8", "mjpeg": "yuvj420p"}


def seeds(folder):
    """A whole file of each kind."""
    for suffix, (codec, sound) in KINDS.items():
        path = folder / f"seed{suffix}"
        with av.open(path, "w") as container:
            video = container.add_stream(codec, rate=FPS)
            video.width, video.height = WIDTH, HEIGHT
            video.pix_fmt = LAYOUTS.get(codec, "yuv420p")
            audio = container.add_stream(sound, rate=48000) if sound else None
            if audio:
                audio.layout = "stereo"
            container.metadata["title"] = "Füchse"
            for index in range(FRAMES):
                y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
                picture = np.stack((x * 7, y * 7, (x + y + 5 * index) * 3), -1).astype(np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=video.pix_fmt)
                frame.pts, frame.time_base = index, Fraction(1, FPS)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            if audio:
                for begin in range(0, 48000 * FRAMES // FPS, 1152):
                    tone = np.sin(np.arange(begin, begin + 1152) / 20, dtype=np.float32)
                    frame = av.AudioFrame.from_ndarray(np.stack((tone, tone)), "fltp", "stereo")
                    frame.sample_rate, frame.pts = 48000, begin
                    container.mux(audio.encode(frame))
                container.mux(audio.encode(None))
        yield path.name, path.read_bytes()
    sound_only = io.BytesIO()
    with wave.open(sound_only, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(4000))
    yield "seed.wav", sound_only.getvalue()
    yield "seed.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nseed.ts\n#EXT-X-ENDLIST\n"


def broken(data, chance):
    """A copy with bytes changed, cut off, moved, doubled or blanked."""
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        size = max(1, len(data))
        near = chance.choice((64, 512, size))  # headers matter most
        at = chance.randrange(min(near, size))
        if chance.random() < 0.2:  # of some types the header is at the end
            at = size - 1 - at
        length = chance.choice((1, 4, 16, 256))
        how = chance.randrange(7)
        if how < 2:
            for _ in range(chance.choice((1, 8, 40))):
                place = min(size - 1, at + chance.randrange(length))
                data[place : place + 1] = bytes((chance.randrange(256),))
        elif how == 2:
            del data[at:]
        elif how == 3:
            del data[at : at + length]
        elif how == 4:
            data[at:at] = data[at : at + length]
        elif how == 5:
            data[at : at + 4] = chance.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff")
            )
        else:
            other = chance.randrange(size)
            data[at:at] = data[other : other + length]
    return bytes(data)


def interpolate(network, path, result, chance):
    """As `rife-video interpolate`."""
    from rife_video.rife_core.files import interpolate_file
    from rife_video.rife_core.files.sources import open_source
    from rife_video.rife_core.timeline import Timeline

    source = open_source(str(path), str(result), allow_damaged=chance.random() < 0.5)
    timeline = Timeline.multiply(2 if chance.random() < 0.1 else 1)
    return interpolate_file(network, source, result, timeline)


def is_own(error):
    """Whether the project says so itself, in a sentence."""
    if isinstance(error, UnicodeError) or not isinstance(error, (ValueError, FileNotFoundError)):
        return False
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "rife_core" in last.filename and str(error).rstrip().endswith((".", ")", "av"))


def main(first, count):
    """Tries the copies from number `first` on."""
    import torch
    from rife_video.rife_core import build_network

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = build_network("4.22.lite").eval()
    outcomes, faults = Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        whole = list(seeds(here))
        for number in range(first, first + count):
            chance = random.Random(number)
            name, data = whole[number % len(whole)]
            path = here / f"in{Path(name).suffix}"
            path.write_bytes(broken(data, chance))
            result = here / f"out{chance.choice(('.mp4', '.mkv', '.mov', '.webm', '.ts', '.avi'))}"
            print(number, file=sys.stderr, flush=True)
            faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
            try:
                interpolate(network, path, result, chance)
                outcomes["interpolated"] += 1
                assert result.stat().st_size
            except Exception as error:
                kind = "refused" if is_own(error) else "fault"
                outcomes[kind] += 1
                if kind == "fault":
                    trace = traceback.format_exception(error)[-4:]
                    faults.append({"number": number, "trace": "".join(trace)})
                elif result.exists():
                    faults.append({"number": number, "trace": f"refused, but written: {error}"})
            finally:
                faulthandler.cancel_dump_traceback_later()
                with contextlib.suppress(FileNotFoundError):
                    result.unlink()
            left = {file.name for file in here.iterdir()} - {n for n, _ in whole} - {path.name}
            if any(not name.startswith("in.") for name in left):
                faults.append({"number": number, "trace": f"left behind: {sorted(left)}"})
    print(json.dumps({"outcomes": outcomes, "faults": faults}))


if __name__ == "__main__":
    av.logging.set_level(None)
    main(*map(int, sys.argv[1:3]))
