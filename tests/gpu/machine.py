"""What the machine is, and its two ceilings: matrix products and copies on the device."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import torch
from rife_video.rife_core.benchmark.harness import machine

SIDE = 8192
COPIED = 2**30


def seconds(call, device: torch.device, repeats: int = 10) -> float:
    """Mean seconds of a call, after two to warm up."""
    for _ in range(2):
        call()
    wait(device)
    began = time.perf_counter()
    for _ in range(repeats):
        call()
    wait(device)
    return (time.perf_counter() - began) / repeats


def wait(device: torch.device) -> None:
    """Until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main(name: str) -> None:
    """Prints both, a line each."""
    device = torch.device(name)
    for key, value in machine(name).items():
        print(f"{key}: {value}")
    if shutil.which("nvidia-smi"):
        print(subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=False).stdout)
    side, copied = (SIDE, COPIED) if device.type == "cuda" else (512, 2**24)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        a, b = torch.randn(2, side, side, device=device, dtype=torch.float32).to(dtype)
        rate = 2 * side**3 / seconds(lambda a=a, b=b: a @ b, device)
        print(f"| matrix product, {dtype} | {rate / 1e12:.1f} TFLOP/s |")
    source = torch.empty(copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    rate = 2 * copied / seconds(lambda: target.copy_(source), device)
    print(f"| copy on the device, read and written | {rate / 1e9:.0f} GB/s |")


if __name__ == "__main__":
    main(sys.argv[1])
