"""How many samples a second a configuration trains with, and how many its scenes alone give.

    python tests/benchmarks/training.py CONFIG.toml [--device cuda] [--steps 5] [--threads 2]

A line for each stage. Where the second figure is far above the first, material never keeps the
network waiting; on a CPU both share the cores.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from rife_video.rife_core.training.config import load_config
from rife_video.rife_core.training.trainer import Trainer


def seconds(work, device, times):
    """Mean time of one call, after one that does not count."""
    work(0)
    times_taken = []
    for index in range(1, times + 1):
        began = time.perf_counter()
        work(index)
        if device == "cuda":
            torch.cuda.synchronize()
        times_taken.append(time.perf_counter() - began)
    return sum(times_taken) / times


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    config = load_config(given.config)
    print("| stage | batch | crop | trained, samples/s | scenes alone, samples/s |")
    print("|---|---|---|---|---|")
    for stage in config.stages:
        alone = replace(config, stages=(replace(stage, real=0.0),))
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(alone, Path(folder), given.device)
            trained = seconds(trainer.train_step, given.device, given.steps)
            scenes = trainer.batches.source
            made = seconds(
                lambda index, s=scenes, n=stage.batch: s.batch(10**6 + index, n),
                given.device,
                given.steps,
            )
        size = stage.scenes.size
        rates = " | ".join(f"{stage.batch / each:.1f}" for each in (trained, made))
        print(f"| {stage.name} | {stage.batch} | {size} | {rates} |", flush=True)


if __name__ == "__main__":
    main()
