"""Where the time of an interpolated frame goes: PyTorch's profiler over eager runs."""

from __future__ import annotations

import sys

import torch
from rife_video.rife_core.benchmark.cases import cases, network_of
from rife_video.rife_core.inference.precision import resolve_precision, set_precision
from torch.profiler import ProfilerActivity, profile

ROWS = ("4.26", "4.6", "rife")
FRAMES = 5


@torch.no_grad()
def main(name: str, size: str) -> None:
    """Prints a table for each row."""
    device = torch.device(name)
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device.type == "cuda")
    order = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    for case in cases(ROWS, [size], [2]):
        network = network_of(case.row, None).eval().to(device)
        set_precision(network, resolve_precision("auto", device))
        img0, img1 = torch.rand(2, 1, 3, case.height, case.width, device=device)
        for _ in range(3):
            network.inference(img0, img1)
        with profile(activities=kinds) as profiler:
            for _ in range(FRAMES):
                network.inference(img0, img1)
        print(f"| {case} | {FRAMES} frames |")
        print(profiler.key_averages().table(sort_by=order, row_limit=20, max_name_column_width=60))


if __name__ == "__main__":
    main(*sys.argv[1:3])
