"""How frames are interpolated: in batches, side by side or in tiles, as memory allows.

Where memory runs out, the plan gets smaller and the work goes on; what is finished is kept.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import ExitStack
from itertools import groupby
from typing import cast

import torch
from torch import Tensor

from ..inference.rife import RIFE
from ..networks.estimate import EncodedFrame
from ..networks.padding import crop
from ..ops.dispatch import is_out_of_memory
from .allocator import kept_memory
from .carry_on import carried_on
from .memory_plan import Plan
from .report import Report
from .tasks import DeviceFrame, InterpolatedFrame, NetworkCall, Request, SourceFrame
from .threads import FramePool
from .tiling import tiles
from .transfers import Transfers, transfers_for

_SEEN = 4
"""Every so many pixels of a row and a column are looked at to see whether the sides agree."""


class Synthesizer:
    """Runs a network on requests; a context manager.

    Args:
        network: any row, in evaluation mode.
        plan: how to begin.
        report: told of every plan.
        ensemble: see `RIFE.inference`.
        wants_maps: whether frames come with their maps; else those are 0.

    Attributes:
        network, plan, transfers: as they are now; memory may have changed them.
    """

    def __init__(
        self,
        network: RIFE,
        plan: Plan,
        report: Report,
        *,
        ensemble: bool = False,
        wants_maps: bool = False,
    ) -> None:
        self.network = network
        self.plan = plan
        self.transfers = transfers_for(plan.device)
        self._report = report
        self._ensemble = ensemble
        self._wants_maps = wants_maps
        self._in_float32: RIFE | None = None
        self._pool: FramePool | None = None
        self._resources = ExitStack()
        report.memory = plan.memory(network)
        report.plans.append(str(plan))

    def __enter__(self) -> Synthesizer:
        if self.plan.device.type == "cpu":
            self._resources.enter_context(kept_memory())
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def upload(self, source: SourceFrame) -> None:
        """Starts copying a source frame to the device before it is needed there."""
        if self.transfers.ahead and self.plan.tile is None:
            source.upload(self.transfers)

    def synthesize(
        self, requests: list[Request], *, in_float32: bool = False
    ) -> list[InterpolatedFrame]:
        """Interpolates what is requested; goes down the ladder where memory runs out.

        Raises:
            torch.OutOfMemoryError: there is not enough for the smallest plan.
        """
        results: list[InterpolatedFrame] = []
        while len(results) < len(requests):
            batch = requests[len(results) : len(results) + self.plan.batch_size]
            try:
                results += self._at_once(self._float32() if in_float32 else self.network, batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                lower = self.plan.smaller()
                if lower is None:
                    raise torch.OutOfMemoryError(
                        f"There is not enough memory for frames of {self.plan.width} x "
                        f"{self.plan.height} ({self.plan}). Close other programs, or make the "
                        "frames smaller."
                    ) from error
                self._descend(lower)
        return results

    def _float32(self) -> RIFE:
        self._in_float32 = self._in_float32 or copy.deepcopy(self.network).float()
        return self._in_float32

    def _descend(self, plan: Plan) -> None:
        if plan.device != self.plan.device:
            self.network = copy.deepcopy(self.network).to(plan.device).float()
            self.transfers = transfers_for(plan.device)
            self._in_float32 = None
        self.plan = plan
        self._report.plans.append(str(plan))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _at_once(self, network: RIFE, requests: list[Request]) -> list[InterpolatedFrame]:
        side, calls = self.plan.tile, [self._call(request) for request in requests]
        if side is not None:
            return [self._tiled(network, call, side) for call in calls]
        if self.plan.device.type == "cpu" and len(calls) > 1 and torch.get_num_threads() > 1:
            return self._side_by_side(network, calls)
        results: list[InterpolatedFrame] = []
        for _, alike in groupby(calls, key=lambda call: (call.scale, call.is_beyond)):
            results += self._whole(network, list(alike))
        return results

    def _call(self, request: Request) -> NetworkCall:
        # Whole frames stay off a device that they do not fit on.
        transfers = Transfers(torch.device("cpu")) if self.plan.tile else self.transfers
        low, high = (request.pair.at(end, transfers) for end in (request.low, request.high))
        return NetworkCall(low, high, request.share, request.scale)

    def _tiled(self, network: RIFE, call: NetworkCall, side: int) -> InterpolatedFrame:
        height, width = self.plan.height, self.plan.width
        total: Tensor | None = None
        signs = torch.zeros(3, dtype=torch.float32, device="cpu")
        for tile in tiles(network, height, width, side, call.scale):
            low, high = (
                frame.tile(tile.rows, tile.columns, self.plan.device)
                for frame in (call.low, call.high)
            )
            (part,) = self._whole(network, [call._replace(low=low, high=high)])
            alpha = part.image[:0] if part.alpha is None else part.alpha
            channels = torch.cat((part.image, part.maps, alpha)).cpu()
            if total is None:
                total = channels.new_zeros(len(channels), height, width)
            total[:, tile.rows, tile.columns] += channels * tile.weight
            signs += part.signs.cpu() * tile.weight.sum() / (height * width)
        assert total is not None
        signs[2] = call.scale  # a mean of equal numbers need not be that number
        image, maps, alpha = total.tensor_split((3, 5))
        return InterpolatedFrame(image, alpha if len(alpha) else None, maps, signs)

    def _side_by_side(self, network: RIFE, calls: list[NetworkCall]) -> list[InterpolatedFrame]:
        """The same as `_whole`, each frame in a thread of its own."""
        if self._pool is None:
            self._pool = FramePool(min(self.plan.batch_size, torch.get_num_threads()))
            self._resources.callback(self._pool.close)
        used = {(id(frame), call.scale): frame for call in calls for frame in (call.low, call.high)}
        self._pool.map(lambda one: one[1].frame(network, one[0][1]), used.items())
        results = self._pool.map(lambda call: self._whole(network, [call]), calls)
        return [result for (result,) in results]

    def _whole(self, network: RIFE, calls: list[NetworkCall]) -> list[InterpolatedFrame]:
        """Frames of one scale, all between or all beyond their pairs, by one run of the network."""
        lows, highs = [call.low for call in calls], [call.high for call in calls]
        times, scale = [call.time for call in calls], calls[0].scale
        frame0, frame1 = (
            EncodedFrame.join([each.frame(network, scale) for each in side])
            for side in (lows, highs)
        )
        moments = torch.tensor(times, dtype=torch.float32, device="cpu")
        if calls[0].is_beyond:
            synthesis = carried_on(network, frame0, frame1, moments, scale)
        else:
            synthesis = network.synthesize(frame0, frame1, moments, scale, self._ensemble)
        height, width = lows[0].pixels.image.shape[-2:]
        padded = synthesis.image.shape[-2:]
        images = crop(synthesis.image, height, width)
        estimate = synthesis.estimate
        alphas = _alphas(estimate.carry, lows, highs, padded)
        maps = (
            torch.cat((estimate.disagreement(), estimate.doubt()), 1)
            if self._wants_maps
            else synthesis.image.new_zeros(1, 1, 1, 1).expand(len(times), 2, *padded)
        )
        maps = crop(maps, height, width)
        sides = (
            crop(each, height, width)[..., ::_SEEN, ::_SEEN]
            for each in (estimate.warped_img0, estimate.warped_img1)
        )
        sums = images.sum((1, 2, 3))
        signs = torch.stack((sums, _mean_distance(*sides), torch.full_like(sums, scale)), 1)
        return [
            InterpolatedFrame(
                image, None if alphas is None else crop(alphas[i], height, width), maps[i], sign
            )
            for i, (image, sign) in enumerate(zip(images, signs, strict=True))
        ]


def _alphas(
    carry: Callable[[Tensor, Tensor], Tensor],
    lows: list[DeviceFrame],
    highs: list[DeviceFrame],
    padded: torch.Size,
) -> Tensor | None:
    sides = [[each.pixels.alpha for each in side] for side in (lows, highs)]
    if any(alpha is None for side in sides for alpha in side):
        return None
    alpha0, alpha1 = (torch.cat(cast(list[Tensor], side)) for side in sides)
    return carry(_extended(alpha0, padded), _extended(alpha1, padded)).clamp(0, 1)


def _extended(image: Tensor, size: torch.Size) -> Tensor:
    bottom, right = size[0] - image.shape[2], size[1] - image.shape[3]
    return torch.nn.functional.pad(image, (0, right, 0, bottom), mode="replicate")


def _mean_distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))
