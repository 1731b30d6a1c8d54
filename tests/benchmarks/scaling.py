"""How far a job scales, from 1 to 1000 workers, by simulation from times measured here.

    python tests/benchmarks/scaling.py [--network-ms 15] [--storage 2000] [--link 1000]

Measured on this machine, in processor time of one thread: decoding, the network, encoding and
joining a frame of 1080p, planning a clip, and one step of the driver. The driver of the simulation
is the real one (`HandOut`) over workers whose clock is simulated: each has two parts at most, reads
and writes through its own link, and the storage that all share bounds the whole. What the driver
costs is the processor time that it took. Decode, network, encode and join are told as shares of the
work; storage, plan and driver as shares of the time.
"""

import argparse
import heapq
import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import torch
from rife_video.rife_core.checkpoints.rife import find_weights, load_rife, save_rife
from rife_video.rife_core.files.jobs import Recipe
from rife_video.rife_core.files.jobs.folder import Folder
from rife_video.rife_core.files.jobs.hand_out import HandOut
from rife_video.rife_core.files.jobs.plan import plan
from rife_video.rife_core.files.jobs.workers import IN_FLIGHT, Outcome, Workers
from rife_video.rife_core.files.resume import LENGTH
from rife_video.rife_core.inference.precision import resolve_precision, set_precision
from rife_video.rife_core.video import VideoReader, VideoWriter
from rife_video.rife_core.video.sample_clip import frames as sample_frames

COUNTS = (1, 3, 10, 30, 100, 300, 1000)
SIZE = 1080, 1920
START = 10.0  # seconds until a worker has loaded what it needs
MEASURED = 8  # frames
JOINED, PLANNED = 10, 20  # segments, clips


@dataclass
class Stages:
    """Seconds for each output frame, at multiplier 2; `plan` for each clip.

    Attributes:
        size: bytes of an encoded frame.
    """

    decode: float
    network: float
    encode: float
    join: float
    size: float
    plan: float


@dataclass
class Load:
    """What is to be done: so many films, of so many parts, of so many output frames each."""

    name: str
    films: int
    parts: int
    frames: int


class Simulated(Workers):
    """Workers whose time is counted, not spent."""

    device = "cuda"

    def __init__(self, count, load, stages, link):
        super().__init__()
        self.count, self.load, self.stages = count, load, stages
        self.link, self.moved = link, 0.0
        self.now, self.driver, self.busy = 0.0, 0.0, Counter()
        self._mark = time.process_time()

    def open(self, folder, opener, tasks):
        self._waiting = [0] * self.count
        self._until = [START] * self.count
        self._room = [(0, worker) for worker in range(self.count)]
        heapq.heapify(self._room)
        self._ends = []
        self._tick()

    def submit(self, task, avoid=frozenset()):
        if not self._room:
            return False
        held, worker = heapq.heappop(self._room)
        if held + 1 < IN_FLIGHT:
            heapq.heappush(self._room, (held + 1, worker))
        self._waiting[worker] = held + 1
        begin = max(self._until[worker], self.now)
        self._until[worker] = begin + self._work(task)
        heapq.heappush(self._ends, (self._until[worker], worker, task))
        return True

    def wait(self, seconds):
        self._tick()
        end, worker, task = heapq.heappop(self._ends)
        self.now = max(self.now, end)
        held = self._waiting[worker]
        if held == IN_FLIGHT:
            heapq.heappush(self._room, (held - 1, worker))
        else:
            self._room.remove((held, worker))
            heapq.heapify(self._room)
            heapq.heappush(self._room, (held - 1, worker))
        self._waiting[worker] = held - 1
        self._mark = time.process_time()
        return [Outcome(task, str(worker), "done")]

    def close(self, grace=0):
        pass

    def _tick(self):
        """The driver's own time passes for all."""
        took = time.process_time() - self._mark
        self.driver += took
        self.now += took
        self._mark = time.process_time()

    def _work(self, task):
        frames, stages = self.load.frames, self.stages
        if task < self.load.films * self.load.parts:
            steps = {each: frames * getattr(stages, each) for each in ("decode", "network")}
            steps["encode"] = frames * stages.encode
            # Stages of a part overlap: the slowest sets the pace. Shares are of the work.
            took, moved = max(steps.values()), 1.5 * frames * stages.size
        else:
            frames *= self.load.parts
            steps = {"join": frames * stages.join}
            took, moved = steps["join"], 3 * frames * stages.size
        self.busy.update(steps)
        self.moved += moved
        return max(took, moved / self.link)


def run(count, load, stages, link, storage):
    """A row of the table."""
    workers = Simulated(count, load, stages, link)
    missing = Counter(dict.fromkeys(range(load.films), load.parts))
    parts = load.films * load.parts

    def done(task):
        film = task // load.parts
        if task >= parts:
            return ()
        missing[film] -= 1
        return () if missing[film] else (parts + film,)

    hands = HandOut(workers, done, lambda *_: None, lambda: None)
    hands.run(Folder("/nowhere"), open, range(parts))
    seconds = max(workers.now, workers.moved / storage) + load.films * stages.plan
    work = sum(workers.busy.values())
    shares = {name: workers.busy[name] / work for name in ("decode", "network", "encode", "join")}
    return {
        "workers": count,
        "fps": parts * load.frames / seconds,
        "seconds": seconds,
        **shares,
        "storage": workers.moved / storage / seconds,
        "plan": load.films * stages.plan / seconds,
        "driver": workers.driver / seconds,
    }


def cost(work):
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def measure(network_ms):
    """The stages on this machine, one thread each."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = list(sample_frames(MEASURED, *SIZE))
        paths = [folder / f"{number}.mp4" for number in range(2)]

        def encode():
            for path in paths:
                with VideoWriter(path, Fraction(24)) as writer:
                    for frame in clip:
                        writer.write(frame)

        encoded, _ = cost(encode)
        decoded, _ = cost(lambda: list(VideoReader(paths[0])))

        segment = folder / "segment.mp4"
        with VideoWriter(segment, Fraction(24)) as writer:
            for _ in range(LENGTH):
                writer.write(clip[0][:64, :64])

        def join():
            with VideoWriter(folder / "whole.mp4", Fraction(24)) as writer:
                for _ in range(JOINED):
                    writer.append(segment)

        clips = {folder / f"{number}.mp4": f"{number}.mp4" for number in range(2, 2 + PLANNED)}
        for path in clips:
            path.write_bytes(paths[0].read_bytes())

        joined, _ = cost(join)
        network = load_rife(find_weights("default"))
        save_rife(network, folder / "w.safetensors")
        recipe = Recipe(str(folder / "w.safetensors"))
        planned, _ = cost(
            lambda: plan(
                Folder(folder / "job"),
                f"{name}/out",
                {str(path): result for path, result in clips.items()},
                recipe,
                "cuda",
            )
        )
        if network_ms:
            made = network_ms / 1000
        else:
            set_precision(network, resolve_precision("auto", "cpu"))
            with torch.inference_mode():
                left, right = (
                    network.prepare(frame.permute(2, 0, 1)[None]) for frame in islice(clip, 2)
                )
                network.synthesize(left, right)
                made, _ = cost(lambda: network.synthesize(left, right))
        return Stages(
            decoded / MEASURED / 2,
            made / 2,
            encoded / 2 / MEASURED,
            joined / JOINED / LENGTH,
            paths[0].stat().st_size / MEASURED,
            planned / PLANNED,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network-ms", type=float, help="of a GPU (default: measured here)")
    parser.add_argument("--encode-threads", type=int, default=8, help="that each worker has")
    parser.add_argument("--link", type=float, default=1000, help="MB/s of each machine")
    parser.add_argument("--storage", type=float, default=2000, help="MB/s of all together")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    stages = measure(args.network_ms)
    stages.decode /= args.encode_threads
    stages.encode /= args.encode_threads
    print(
        f"For each output frame: decode {1000 * stages.decode:.2f} ms, network "
        f"{1000 * stages.network:.2f} ms, encode {1000 * stages.encode:.2f} ms, join "
        f"{1000 * stages.join:.3f} ms, {stages.size / 1000:.1f} kB; plan of a clip "
        f"{1000 * stages.plan:.0f} ms."
    )
    pace = max(stages.decode, stages.network, stages.encode)
    part = max(1, round(40 / pace))
    film = 2 * 3600 * 48
    short = 5 * 48
    loads = [
        Load("one film of 2 h", 1, max(1, film // part), min(part, film)),
        Load("100 films of 2 h", 100, max(1, film // part), min(part, film)),
        Load("20,000 clips of 5 s", 20_000, 1, short),
    ]
    columns = ("decode", "network", "encode", "join", "storage")
    rows = []
    for load in loads:
        print(f"\n{load.name}: {load.films * load.parts} parts of {load.frames} frames\n")
        print(f"| workers | frames/s | of ideal | {' | '.join(columns)} | plan | driver |")
        print("| " + " | ".join("---" for _ in range(5 + len(columns))) + " |")
        for count in COUNTS:
            row = run(count, load, stages, args.link * 1e6, args.storage * 1e6)
            rows.append({"load": load.name, **row})
            ideal = rows[-1]["fps"] * pace / count
            cells = [f"{row[name]:.1%}" for name in (*columns, "plan", "driver")]
            print(f"| {count} | {row['fps']:.0f} | {ideal:.0%} | {' | '.join(cells)} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
