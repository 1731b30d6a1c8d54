"""What sets the bundled network apart from published ones, and what that costs on one core.

    python tests/benchmarks/orders.py

Processor time of one thread, all in turn, so that it says something on a busy machine too.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from rife_video.rife_core.benchmark.cases import Case, frames_of, network_of
from rife_video.rife_core.engine.allocator import kept_memory
from rife_video.rife_core.inference.precision import set_precision

TURNS = 7


@torch.no_grad()
def main() -> None:
    """Prints the least time of each, milliseconds for one frame at 480p."""
    torch.set_num_threads(1)
    frames = frames_of(Case("default", "480p", 480, 720, 2), 2).permute(0, 3, 1, 2).split(1)
    row = network_of("default").spec
    pixels = replace(row, antialiased=False)
    bicubic = replace(pixels, both_orders=0)
    ways = {
        "bilinear, one order": replace(bicubic, sampling="bilinear"),
        "bicubic, one order": bicubic,
        "bicubic, both orders in the coarse blocks": pixels,
        "the same, and means of the frames there (the bundled row)": row,
        "the same, both orders in all": replace(row, both_orders=len(row.scales)),
    }
    for dtype in (torch.bfloat16, torch.float32):
        network = network_of("default")
        set_precision(network, dtype)
        taken: dict[str, list[float]] = {way: [] for way in ways}
        with kept_memory():
            for _ in range(TURNS):
                for way, spec in ways.items():
                    network.spec = spec
                    pair = [network.prepare(frame) for frame in frames]
                    began = time.process_time()
                    network.synthesize(*pair)
                    taken[way].append(time.process_time() - began)
        for way, seconds in taken.items():
            print(f"{dtype}: {way}: {1000 * min(seconds[1:]):.0f} ms")


if __name__ == "__main__":
    main()
