"""Crops beside the teacher's flow on a machine without PyAV: OpenCV reads the clips."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import torch
from rife_video.rife_core.checkpoints.rife import load_rife
from rife_video.rife_core.inference.precision import resolve_precision, set_precision
from rife_video.rife_core.training.clips import sources_in
from rife_video.rife_core.training.taught import Clip, Teacher, write_crops

SCALES = {"4.0": (1.0, 0.5), "3.1": (1.0, 0.5)}
"""At which a teacher looks, by its row; others look at 1 alone."""

WRITERS = 12
"""Processes: while one waits for its processor, another's teachers look."""

Clips = Mapping[Path, Clip]


def read(path: Path) -> Clip:
    """All frames of a video."""
    video = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = video.read()
        if not there:
            return Clip(frames, video.get(cv2.CAP_PROP_FPS) or 8.0)
        frames.append(torch.from_numpy(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)))


def write(pack: Path, folder: Path, device: str, share: tuple[int, int], clips: Clips) -> None:
    """Writes the files of one process: so many, of the seed that is its number."""
    files, seed = share
    teachers: list[Teacher] = []
    for path in sorted((pack / "teachers").glob("*.safetensors")):
        network = load_rife(path).eval().requires_grad_(False).to(device)
        set_precision(network, resolve_precision("auto", device))
        scales = SCALES.get(network.spec.version, (1.0,))
        teachers += [Teacher(network, scale) for scale in scales]

    def tell(done: int, count: int) -> None:
        print(f"crops {seed}: {done} of {count} files", flush=True)

    torch.set_num_threads(1)
    write_crops(folder, [pack / "clips"], teachers, files, seed, tell, clips.__getitem__)


def main(pack: Path, folder: Path, device: str, files: int) -> None:
    """Writes so many files of crops; those that are there stay.

    The clips are read once, before the device is touched: processes that are forked then share
    the frames.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # processes of its own end with it
    paths = sources_in(pack / "clips")
    with ThreadPoolExecutor() as pool:
        clips = dict(zip(paths, pool.map(read, paths), strict=True))
    frames = sum(len(clip.frames) for clip in clips.values())
    print(f"{len(clips)} clips, {frames} frames", flush=True)
    count = min(WRITERS, files)
    shares = [(files // count + (number < files % count), number) for number in range(count)]
    fork = multiprocessing.get_context("fork")
    place = (pack, folder, device)
    writers = [
        fork.Process(target=write, args=(*place, share, clips), daemon=True) for share in shares
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
