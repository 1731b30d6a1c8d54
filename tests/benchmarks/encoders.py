"""Each encoder of the table that this machine has, on the sample clip: size, PSNR and speed.

    python tests/benchmarks/encoders.py    # writes the table of docs/files.md anew

Each writes the clip at its default quality and preset into its first file type, which is read
again. Speed is the best of three, with the conversion of colours.
"""

import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import av
import torch
from rife_video.rife_core.video import ENCODER_TABLE, EncoderRequest, VideoReader, VideoWriter
from rife_video.rife_core.video.encoders import fault_of
from rife_video.rife_core.video.sample_clip import frames

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from matrices import write

COUNT, ROUNDS = 48, 3


def answers(row):
    """Whether an encoder works here, tried on one frame."""
    settings = tuple(row.settings(row.suffixes[0], None, None).items()) if row.available else ()
    return bool(row.available) and fault_of(row.codec, row.available[0], 256, 144, settings) is None


def measured(name, row, clip, folder):
    """A line of the table."""
    path, seconds = folder / f"{name}{row.suffixes[0]}", []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        with VideoWriter(path, 24, encoder=EncoderRequest(name)) as writer:
            for frame in clip:
                writer.write(frame)
        seconds.append(time.perf_counter() - started)
    error = torch.stack([(a - b).square().mean() for a, b in zip(clip, VideoReader(path))]).mean()  # noqa: B905
    quality = "without loss" if error == 0 else f"{-10 * torch.log10(error).item():.1f} dB"
    with av.open(str(path)) as container:
        layout = container.streams.video[0].codec_context.pix_fmt
        assert sum(1 for _ in container.decode(video=0)) == len(clip)
    size = path.stat().st_size / len(clip) / 1024
    speed = len(clip) / min(seconds)
    return f"| `{name}` | {path.suffix} | {layout} | {size:.1f} | {quality} | {speed:.0f} |"


def main():
    """Writes the table."""
    clip = [frame.mul(255).round().div(255) for frame in islice(frames(), COUNT)]
    height, width = clip[0].shape[:2]
    lines = [
        f"| {width}x{height}, 24 fps | file | pixels | KiB a frame | PSNR | frames a second |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name, row in ENCODER_TABLE.items():
            if answers(row):
                lines.append(measured(name, row, clip, Path(folder)))
                print(lines[-1], flush=True)
    write({"encoders": "\n".join(lines)})


if __name__ == "__main__":
    main()
