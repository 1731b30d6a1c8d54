"""What convolution by tiles brings in float32 on a CPU: chains of eight, then whole frames.

    python tests/benchmarks/winograd.py THREADS [ROW ...]

With and without it in turn, the least of all turns: processor time of chains (one thread), and
processor and clock time of an interpolated frame at 480p by the engine, which gives each thread
a frame of its own. PSNR is against plain operations.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from rife_video.rife_core.benchmark.cases import Case, frames_of, network_of
from rife_video.rife_core.engine import interpolate
from rife_video.rife_core.inference.precision import set_precision
from rife_video.rife_core.networks.layers import ResConv, conv
from rife_video.rife_core.ops import winograd_tiles
from rife_video.rife_core.ops.dispatch import plain_ops
from rife_video.rife_core.ops.psnr import psnr
from rife_video.rife_core.timeline import Timeline
from torch import nn

TURNS = 9
SIZES = [(240, 30, 46), (150, 60, 92), (90, 120, 184)]  # of rife at 480p
BETA_SIZES = [(192, 15, 23), (128, 30, 46), (96, 60, 92), (64, 120, 184)]  # of 4.6


def in_turn(run: Callable[[], object]) -> list[list[tuple[float, float]]]:
    """Processor and clock time of each turn, without tiles and with them."""
    form, spent = winograd_tiles._conv_chain, [[], []]
    for turn in range(TURNS + 1):
        for tiles in (False, True):
            form.off = not tiles
            began = time.process_time(), time.perf_counter()
            run()
            if turn:
                took = time.process_time() - began[0], time.perf_counter() - began[1]
                spent[tiles].append(took)
    return spent


def told(name: str, spent: list[list[tuple[float, float]]], unit: str, share: float) -> None:
    """Prints the least of each kind of time."""
    for kind, index in (("processor", 0), ("clock", 1)):
        before, after = (min(each[index] for each in times) * share for times in spent)
        print(f"{name}: {kind} {before:.1f} -> {after:.1f} ms {unit}, {before / after:.2f}")


@torch.no_grad()
def chains() -> None:
    """Eight layers as the trunks have them."""
    for sizes, layer in ((SIZES, lambda c: conv(c, c)), (BETA_SIZES, ResConv)):
        for channels, height, width in sizes:
            layers = nn.Sequential(*(layer(channels) for _ in range(8)))
            layers.to(memory_format=torch.channels_last)
            x = torch.randn(1, channels, height, width).to(memory_format=torch.channels_last)
            spent = in_turn(lambda x=x, layers=layers: winograd_tiles.conv_chain(layers, x))
            told(f"{channels} channels, {height}x{width}", spent, "a layer", 1000 / 8)


@torch.no_grad()
def frames(row: str) -> None:
    """Two interpolated frames at a time."""
    network = network_of(row)
    set_precision(network, torch.float32)
    given = frames_of(Case(row, "480p", 480, 720, 2), 3)
    double = Timeline.multiply(2)
    told(row, in_turn(lambda: interpolate(network, given, double)), "a frame", 1000 / 2)
    made = interpolate(network, given, double)
    with plain_ops():
        plain = interpolate(network, given, double)
    print(f"{row}: {float(psnr(made[1::2], plain[1::2]).min()):.1f} dB")


if __name__ == "__main__":
    torch.set_num_threads(1)
    chains()
    torch.set_num_threads(int(sys.argv[1]))
    for row in sys.argv[2:] or ("rife", "4.6", "4.26", "default"):
        frames(row)
