"""Fine-tuning on one clip: a copy learns the clip's own triplets, and is kept only if better."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

import torch
from torch import Tensor

from ..inference.precision import has_bfloat16
from ..inference.rife import RIFE
from ..losses.laplacian import lap_loss
from ..losses.metrics import psnr
from .clips import is_triplet_cut

HELD_BACK = 4
"""Every so many triplets, one is not trained on but judges."""
WORTH = 0.02
"""Decibels that the copy must gain to be kept."""
_JUDGES = 8
_BATCH = 4
_CROP = 256
_LEAST = 33  # pixels that the Laplacian pyramid needs; smaller frames are padded


@dataclass(frozen=True)
class Adapted:
    """The result of fine-tuning.

    Attributes:
        network: the better of the two, in evaluation mode.
        kept: whether that is the trained copy.
        before, after: mean PSNR in dB on the triplets held back.
        steps: how many were trained.
    """

    network: RIFE
    kept: bool
    before: float
    after: float
    steps: int

    def __str__(self) -> str:
        outcome = "kept" if self.kept else "not better, so the original stays"
        return (
            f"{self.before:.2f} dB before, {self.after:.2f} dB after {self.steps} steps on frames "
            f"that were held back: {outcome}."
        )


def adapt(
    network: RIFE,
    frames: Sequence[Tensor],
    *,
    steps: int = 200,
    seconds: float = math.inf,
    lr: float = 5e-5,
    seed: int = 0,
    report: Callable[[int, int | None], None] | None = None,
) -> Adapted:
    """Trains a copy of `network` on triplets of a clip.

    The frame in the middle of three neighbours is what the copy learns to make from the
    other two. Every eighth triplet is held back, and its neighbours, which share frames with it,
    are left out; it is judged on the triplets held back alone.

    Args:
        network: float32; stays as it is.
        frames: H W 3 each, float32 in [0, 1], in order; at least 12.
        steps: at most so many.
        seconds: at most so long.
        lr: learning rate after the warm-up.
        seed: decides which crops are taken.
        report: is told the steps done and their number; what it raises ends the training.

    Raises:
        ValueError: the clip is too short, has no triplet without a cut, or a frame with NaN or
            infinite values; or the training diverges.
    """
    for number, frame in enumerate(frames, 1):
        if not bool(frame.isfinite().all()):
            raise ValueError(
                f"Frame {number} of the clip has NaN or infinite values. Look at what made it, or "
                "leave it out."
            )
    triplets = [
        start
        for start in range(len(frames) - 2)
        if not is_triplet_cut(*(_chw(frame) for frame in frames[start : start + 3]))
    ]
    # Neighbouring triplets share frames: those that touch a judge are not trained on.
    judges = triplets[HELD_BACK // 2 :: 2 * HELD_BACK]
    pupils = [t for t in triplets if all(abs(t - judge) > 1 for judge in judges)]
    if not judges or not pupils:
        raise ValueError(
            f"The clip has {len(frames)} frames and {len(triplets)} triplets without a cut; "
            "adapting needs 12 frames or more."
        )
    judges = judges[:: math.ceil(len(judges) / _JUDGES)]
    before = _score(network, frames, judges)
    trained, done = _trained(network, frames, pupils, steps, seconds, lr, seed, report)
    after = _score(trained, frames, judges)
    kept = after > before + WORTH
    return Adapted(trained if kept else network, kept, before, after, done)


def _trained(
    network: RIFE,
    frames: Sequence[Tensor],
    pupils: Sequence[int],
    steps: int,
    seconds: float,
    lr: float,
    seed: int,
    report: Callable[[int, int | None], None] | None,
) -> tuple[RIFE, int]:
    copied = copy.deepcopy(network).requires_grad_().train()
    device = next(copied.parameters()).device
    average = {name: p.detach().clone() for name, p in copied.named_parameters()}
    optimizer = torch.optim.AdamW(copied.parameters(), lr=lr, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(seed)
    bf16 = has_bfloat16(device)
    began, done = time.monotonic(), 0
    while done < steps and time.monotonic() - began < seconds:
        share = max(done / steps, (time.monotonic() - began) / seconds)
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1, (done + 1) / 10) * 0.5 * (1 + math.cos(math.pi * share))
        batch = _batch(frames, pupils, copied.spec.align, generator).to(device)
        img0, gt, img1 = batch.unbind(1)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            merged = copied(torch.cat((img0, img1), 1))[2][-1]
        loss = lap_loss(merged, gt) + (merged - gt).abs().mean()
        if not bool(loss.isfinite()):
            raise ValueError(
                f"The training diverged at step {done + 1}: the loss is {loss.item()}. Give a "
                f"smaller learning rate than {lr:g}."
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(copied.parameters(), 1.0)
        if bool(torch.isfinite(norm)):
            optimizer.step()
        done += 1
        decay = min(0.98, done / (done + 5))
        with torch.no_grad():
            for name, parameter in copied.named_parameters():
                average[name].lerp_(parameter, 1 - decay)
        if report:
            report(done, steps if math.isinf(seconds) else None)
    with torch.no_grad():
        for name, parameter in copied.named_parameters():
            parameter.copy_(average[name])
    return copied.requires_grad_(False).eval(), done


def _batch(
    frames: Sequence[Tensor], pupils: Sequence[int], align: int, generator: torch.Generator
) -> Tensor:
    """Random crops of random triplets: B 3 3 S S."""
    height, width, _ = frames[0].shape
    least = math.ceil(_LEAST / align) * align
    side = max(least, min(_CROP, height, width) // align * align)

    def pick(count: int) -> int:
        return int(torch.randint(max(count, 1), (1,), generator=generator, device="cpu"))

    samples: list[Tensor] = []
    for _ in range(_BATCH):
        start = pupils[pick(len(pupils))]
        triplet = torch.stack([_chw(frame) for frame in frames[start : start + 3]])
        triplet = torch.nn.functional.pad(
            triplet, (0, max(0, side - width), 0, max(0, side - height)), mode="replicate"
        )
        top, left = pick(triplet.shape[-2] - side + 1), pick(triplet.shape[-1] - side + 1)
        crop = triplet[..., top : top + side, left : left + side]
        flips = [axis for axis in (0, 2, 3) if pick(2)]
        samples.append(crop.flip(flips) if flips else crop)
    return torch.stack(samples).float()


def _score(network: RIFE, frames: Sequence[Tensor], judges: Sequence[int]) -> float:
    device = next(network.parameters()).device
    network = network.eval()
    scores: list[float] = []
    for start in judges:
        img0, gt, img1 = (_chw(frame)[None].to(device) for frame in frames[start : start + 3])
        scores.append(float(psnr(network.inference(img0, img1), gt.clamp(0, 1))))
    return mean(scores)


def _chw(frame: Tensor) -> Tensor:
    return frame.permute(2, 0, 1).float()
