"""CUDA graphs: a step is recorded once for each size, and started as a whole from then on.

These networks consist of hundreds of small kernels; at 480p and below, starting them one
by one takes longer than they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from ...ops.recording import record
from ..rife import RIFE
from .checked import Checked, InferenceStep, Program


class CUDAGraphs(Checked):
    """Runs the steps of a network as CUDA graphs that share one pool of memory."""

    name = "cudagraphs"

    def __init__(self, network: RIFE) -> None:
        super().__init__(network)
        self._pool: Any = torch.cuda.graph_pool_handle()

    def build(self, step: InferenceStep, inputs: Sequence[Tensor]) -> Program:
        return _Graph(step, inputs, self._pool)


class _Graph:
    """A recorded step with its own places for what goes in and comes out."""

    def __init__(self, step: InferenceStep, inputs: Sequence[Tensor], pool: Any) -> None:
        self._inputs = [x.clone() for x in inputs]
        self._lock = Lock()
        self._graph, self._outputs = record(lambda: step(*self._inputs), pool)

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        with self._lock:
            for place, tensor in zip(self._inputs, inputs, strict=True):
                place.copy_(tensor)
            self._graph.replay()
            return [x.clone() for x in self._outputs]
