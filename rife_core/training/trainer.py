"""The training loop: stages, averaged weights, checkpoints that resume bit for bit.

All that is random follows from the seed and the step, so a checkpoint holds no more
than weights, optimiser and the step. Several processes share a batch by its shards;
their gradients are averaged.
"""

from __future__ import annotations

import copy
import csv
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ..basics.whole_file import write_whole
from ..charts.training import Curve, curve_svg, preview_png
from ..checkpoints.rife import save_rife
from ..engine.allocator import kept_memory
from ..inference.precision import has_bfloat16
from ..losses.lpips_alex import LPIPSAlex
from ..losses.vgg import VGGPerceptualLoss
from ..networks.ifnet import FlowNetwork
from .batches import Ahead, BatchSource, Mixture, Stock
from .config import Stage, TrainConfig
from .growth import build_fresh, build_tied, transplant
from .objective import LossWeights, objective
from .recorded_steps import Learn, RecordedSteps
from .scene import SceneSettings
from .state import Means, Moments, State, cut_log, read_state, shapes_of, write_state
from .synthetic import SceneBatch, SceneGenerator
from .taught import TaughtCrops

LOG = "log.csv"
WEIGHTS = "weights.safetensors"
CURVE = "curve.svg"
PREVIEW = "preview.png"
LOGGED = (
    *("loss", "flow", "mask", "frame", "frames", "squared", "census", "distill", "vgg"),
    *("lpips", "taught", "taught_mask"),
    *("epe", "zero", "psnr", "norm", "lr", "seconds"),
)
MAX_SKIPPED = 20
STAGE_SEEDS = 1000
"""Seeds of one stage's material and the next's are this far apart."""


class Trainer:
    """Trains one network as a configuration says, in a folder of its own.

    Where the folder holds a state, it goes on from there.

    Args:
        config: what to do.
        out: folder for state, weights, log, curve and previews.
        device: where to train.
        clips: real material by crop size, for stages with `real` above 0.
        start: weights to start from in place of fresh ones.
        shard_bytes: the state is written in files of at most this size; 0 for one file.
    """

    def __init__(
        self,
        config: TrainConfig,
        out: Path,
        device: torch.device | str = "cpu",
        clips: Mapping[int, BatchSource] | None = None,
        start: FlowNetwork | None = None,
        shard_bytes: int = 0,
    ) -> None:
        self.config = config
        self.out = out
        self.device = torch.device(device)
        self.clips = clips or {}
        self.shard_bytes = shard_bytes
        self.perceptual: dict[str, Callable[[Tensor, Tensor], Tensor]] = {}
        if any(stage.weights.vgg for stage in config.stages):
            self.perceptual["vgg"] = VGGPerceptualLoss(weights=config.vgg or None).to(self.device)
        if any(stage.weights.lpips for stage in config.stages):
            lpips = LPIPSAlex(weights=config.lpips or None).to(self.device)
            self.perceptual["lpips"] = lambda a, b: lpips(2 * a - 1, 2 * b - 1)
        self.rank, self.world = _place_in_world()
        if config.shards % self.world:
            raise ValueError(
                f"The batches are made in {config.shards} shards, which {self.world} processes "
                "cannot share evenly; set shards to a multiple of the number of processes."
            )
        self.bf16 = config.bf16 and has_bfloat16(self.device)
        self.step = self.updates = self.skipped = 0
        out.mkdir(parents=True, exist_ok=True)
        state = read_state(out, self.device)
        if state is None:
            self._enter(0, start)
        else:
            self._resume(state)

    def run(
        self, until: int | None = None, seconds: float = math.inf, *, fit: bool = False
    ) -> None:
        """Trains to step `until` (or the end), or for so many seconds; then saves.

        With `fit` the last stage has as many steps as the time allows, so that its learning
        rate has fallen when the time is over.

        Raises:
            ValueError: several processes are to fit, which would each count on its own.
        """
        if fit and self.world > 1:
            raise ValueError("Several processes cannot fit their steps to the time; train in one.")
        began = saved = time.monotonic()
        log = Means()
        with kept_memory(), _stop_on_signal() as stopped:
            while time.monotonic() - began < seconds and not stopped:
                config = self.config
                end = min(config.total_steps, config.total_steps if until is None else until)
                if self.step >= end:
                    break
                stage, inside = config.place(self.step)
                if stage != self.stage:
                    self._enter(stage, self.network)
                log.add(self.train_step(inside))
                self.step += 1
                if self.step % config.log_every == 0:
                    means = log.take()
                    if self.rank == 0:
                        self._log(config.stages[stage].name, means, end)
                    # The first steps tell of no pace: libraries try and choose their ways in them.
                    settled = inside + 1 >= 2 * config.log_every
                    if fit and settled and stage == len(config.stages) - 1:
                        left = max(seconds - (time.monotonic() - began), 0)
                        self._fit(inside + 1 + int(left / means["seconds"]))
                if time.monotonic() - saved > config.save_minutes * 60:
                    self.save()
                    saved = time.monotonic()
            self.save()

    def train_step(self, inside: int) -> dict[str, float]:
        """One optimiser step of the current stage; returns the figures to log."""
        plan, shards = self.plan, self.config.shards
        rate = plan.lr * schedule(inside, plan)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        found: list[dict[str, Tensor]] = []
        coarse, turn = is_turn(inside, plan.coarse.share if plan.coarse else 0.0)
        if coarse and plan.coarse and self.coarse:
            weights, scales, batches = plan.coarse.weights, plan.coarse.scales, self.coarse
        else:
            weights, scales, batches = plan.weights, self.scales, self.batches
            turn = inside - turn
            if is_turn(turn, plan.coarser)[0]:
                scales = tuple(2 * scale for scale in scales)
        for shard in range(self.rank, shards, self.world):
            batch = batches.take(turn * shards + shard)
            found.append(self.learn(batch, tuple(scales), weights))
            if self.config.preview_every and self.step % self.config.preview_every == 0:
                self._preview(batch)
        self._share_gradients()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        found.append({"norm": norm})
        log = Means()
        for figures in read_figures(found):
            log.add(figures)
        figures = {**self._shared(log), "lr": rate}
        if not math.isfinite(figures["norm"]):
            self._skip()
            return {"lr": rate}
        self.optimizer.step()
        self.updates += 1
        decay = min(self.config.ema, (1 + self.updates) / (10 + self.updates))
        parameters = dict(self.network.named_parameters())
        average = get_ema_multi_avg_fn(decay)
        average([self.ema[name] for name in parameters], list(parameters.values()), self.updates)
        return figures

    def _gradients(
        self, batch: SceneBatch, scales: tuple[float, ...], weights: LossWeights
    ) -> dict[str, Tensor]:
        """Adds the gradients of one shard's loss to those there are; returns its figures."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss, figures = objective(
                self.network, batch, scales, weights, self.plan.detach, self.perceptual
            )
        (loss * self.world / self.config.shards).backward()
        return figures

    def averaged(self) -> FlowNetwork:
        """The network with the averaged weights, on the CPU, as it will be used."""
        network = copy.deepcopy(self.network).cpu()
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(self.ema[name])
        if self.plan.tied:
            spec = self.config.spec
            width = network.spec.channels[0]
            untied = build_fresh(replace(spec, channels=(width,) * len(spec.channels)), 0)
            transplant(network, untied)
            network = untied
        return network.to(memory_format=torch.contiguous_format).eval()  # pyright: ignore

    def save(self) -> None:
        """Writes the state to resume from, the averaged weights and the curve."""
        if self.rank:
            return
        state = State(
            self.step,
            self.stage,
            self.updates,
            self.skipped,
            self.network.state_dict(),
            self.ema,
            Moments(**self.optimizer.state_dict()),
        )
        write_state(state, self.out, self.shard_bytes)
        save_rife(self.averaged(), self.out / WEIGHTS)
        if (self.out / LOG).is_file():
            write_whole(self.out / CURVE, curve_of_log(self.out / LOG))

    def _fit(self, steps: int) -> None:
        """Makes the last stage, which is under way, so many steps long."""
        *before, last = self.config.stages
        last = replace(last, steps=steps)
        self.config = replace(self.config, stages=(*before, last))
        self.plan = last
        for batches in filter(None, (self.batches, self.coarse)):
            batches.indices = range(steps * self.config.shards)

    def _resume(self, state: State) -> None:
        """Resumes from a state.

        Raises:
            ValueError: it is that of another training.
        """
        if not self._takes(state):
            raise ValueError(
                f"The state in {self.out} is that of another training: it does not fit the stages "
                "or the network of this one. Train into another folder."
            )
        cut_log(self.out / LOG, state.step)
        self.step, self.updates, self.skipped = state.step, state.updates, state.skipped
        self.network.load_state_dict(state.network)
        self.ema = dict(state.ema)
        self.optimizer.load_state_dict(state.optimizer._asdict())

    def _takes(self, state: State) -> bool:
        """Whether a state fits; enters its stage."""
        if state.stage >= len(self.config.stages):
            return False
        self._enter(state.stage, None)
        return (
            shapes_of(state.network) == shapes_of(self.network.state_dict())
            and shapes_of(state.ema) == shapes_of(self.ema)
            and state.optimizer.are_of([p.shape for p in self._learning()])
        )

    def _enter(self, stage: int, source: FlowNetwork | None) -> None:
        """Builds network, optimiser and material of a stage; weights go on from `source`."""
        config = self.config
        self.stage, self.plan = stage, config.stages[stage]
        plan, seed = self.plan, config.seed + stage
        spec = config.spec
        self.scales = plan.scales or spec.scales
        if plan.tied:
            network = build_tied(spec, seed, config.tied_width or spec.channels[-1], self.scales)
        else:
            network = build_fresh(spec, seed)
        if source is not None:
            transplant(source, network)
        network.to(self.device)
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        for block in network.blocks[: plan.frozen]:
            block.requires_grad_(False)
        self.network = network.train()
        self.ema = {n: p.detach().clone() for n, p in network.named_parameters()}
        self.updates = 0
        on_cuda = self.device.type == "cuda"
        self.optimizer = torch.optim.AdamW(
            self._learning(), lr=plan.lr, weight_decay=config.weight_decay, fused=on_cuda or None
        )
        # Gradients of several shards add up; those of a recorded step are written anew.
        recorded = on_cuda and config.shards == 1
        self.learn: Learn = (
            RecordedSteps(self._gradients, self._learning()) if recorded else self._gradients
        )
        seed = config.seed + STAGE_SEEDS * (stage + 1)
        clips = self.clips.get(plan.scenes.size)
        pictures = clips.pictures if isinstance(clips, TaughtCrops) else ()

        def painted(settings: SceneSettings, seed: int) -> BatchSource:
            scenes = SceneGenerator(settings, seed, self.device, pictures)
            return Stock(scenes, plan.stock, plan.stock_turns) if plan.stock else scenes

        scenes = painted(plan.scenes, seed)
        self.batches = self._ahead(Mixture(scenes, clips, plan.real), plan.batch)
        self.coarse = None
        if plan.coarse:
            small = painted(plan.coarse.scenes, seed + 1)
            self.coarse = self._ahead(small, plan.coarse.batch)

    def _learning(self) -> list[nn.Parameter]:
        return [p for p in self.network.parameters() if p.requires_grad]

    def _ahead(self, source: BatchSource, batch: int) -> Ahead:
        shards = self.config.shards
        return Ahead(
            source,
            batch // shards,
            range(self.plan.steps * shards),
            self.device,
            stride=self.world,
        )

    def _share_gradients(self) -> None:
        if self.world == 1:
            return
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.world
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def _shared(self, log: Means) -> dict[str, float]:
        """The mean figures of all processes."""
        if self.world == 1:
            return log.take()
        each = [(log.sums.get(name, 0.0), float(log.counts.get(name, 0))) for name in LOGGED]
        table = torch.tensor(each, device=self.device)
        dist.all_reduce(table)
        rows = zip(LOGGED, table.tolist(), strict=True)
        return {name: total / count for name, (total, count) in rows if count}

    def _skip(self) -> None:
        self.skipped += 1
        if self.skipped > MAX_SKIPPED:
            raise RuntimeError(
                f"The gradient was not finite in {self.skipped} steps; lower lr in stage "
                f"{self.plan.name!r} and go on from the last checkpoint."
            )

    def _log(self, stage: str, means: dict[str, float], end: int) -> None:
        path = self.out / LOG
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(("step", "stage", *LOGGED))
            row = [f"{means[name]:.6g}" if name in means else "" for name in LOGGED]
            writer.writerow((self.step, stage, *row))
        left = means.get("seconds", 0) * (end - self.step) / 60
        shown = " ".join(f"{k} {means[k]:.4g}" for k in LOGGED if k in means and k != "seconds")
        sys.stderr.write(f"{self.step}/{end} {stage}: {shown}; {left:.0f} min left\n")

    def _preview(self, batch: SceneBatch) -> None:
        with torch.no_grad():
            last = self.network.flow_pyramid(
                batch.img0[:4], batch.img1[:4], batch.timestep[:4], self.scales
            )[-1]
        rows = (batch.img0[:4], batch.gt[:4], last.blend(), batch.img1[:4])
        write_whole(self.out / PREVIEW, preview_png(rows))


def read_figures(found: Sequence[Mapping[str, Tensor]]) -> list[dict[str, float]]:
    """Figures as numbers, read at once: a device is waited for once, not once for each."""
    values = [value.float() for figures in found for value in figures.values()]
    read = iter(torch.stack(values).tolist())
    return [{name: next(read) for name in figures} for figures in found]


def is_turn(step: int, share: float) -> tuple[bool, int]:
    """Whether a step is one of a share of all, evenly spread, and how many were before it.

    Example:
        >>> [is_turn(step, 0.5) for step in range(4)]
        [(False, 0), (True, 0), (False, 1), (True, 1)]
    """
    before = int(step * share)
    return int((step + 1) * share) > before, before


def schedule(step: int, plan: Stage) -> float:
    """Share of the learning rate at a step of a stage: linear warm-up, then cosine."""
    warm = min(1.0, (step + 1) / max(plan.warmup, 1))
    cosine = 0.5 * (1 + math.cos(math.pi * step / max(plan.steps, 1)))
    return warm * (plan.lr_end + (1 - plan.lr_end) * cosine)


def curve_of_log(path: Path) -> str:
    """The picture (SVG) of a training log."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))

    def column(name: str) -> Sequence[tuple[float, float]]:
        return [(float(row["step"]), float(row[name])) for row in rows if row.get(name)]

    ratio = [
        (float(r["step"]), float(r["epe"]) / max(float(r["zero"]), 1e-9))
        for r in rows
        if r.get("epe") and r.get("zero")
    ]
    return curve_svg(
        [Curve("flow error, share of no flow", ratio), Curve("PSNR, dB", column("psnr"))],
        marks=[(float(r["step"]), r["stage"]) for r in rows],
    )


@contextmanager
def _stop_on_signal() -> Generator[list[int]]:
    """A list that is no longer empty once the process was asked to end."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def _place_in_world() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
