"""A step's loss and gradients as CUDA graphs.

Forward and backward pass of a step are some thousands of small kernels. Starting them one by
one takes the processor longer than they take a device, so what a batch goes through is recorded
once for each kind of batch, and started as a whole from then on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..ops.recording import record
from .objective import LossWeights
from .synthetic import SceneBatch

Learn: TypeAlias = Callable[[SceneBatch, tuple[float, ...], LossWeights], dict[str, Tensor]]
"""Leaves the gradients of a batch at the parameters, which have none before; returns figures."""


class RecordedSteps:
    """A step's work, recorded for each shape of batch, pyramid and set of weights.

    Where it cannot be recorded, one warning is given, and it runs kernel by kernel.

    Args:
        learn: the work; it may not wait for the device.
        parameters: those that learn.

    Returns (of a call):
        The figures; the next call writes over them.
    """

    def __init__(self, learn: Learn, parameters: Iterable[nn.Parameter]) -> None:
        self._learn, self._parameters = learn, list(parameters)
        self.fails = False
        self._pool: Any = torch.cuda.graph_pool_handle()
        self._recorded: dict[object, _Graph] = {}

    def __call__(
        self, batch: SceneBatch, scales: tuple[float, ...], weights: LossWeights
    ) -> dict[str, Tensor]:
        shapes = tuple((name, tensor.shape) for name, tensor in batch.tensors().items())
        kind = (shapes, scales, weights)
        if not self.fails and kind not in self._recorded:
            try:
                self._recorded[kind] = self._record(batch, scales, weights)
            except Exception as error:  # whatever a library or the driver may raise
                self._step_aside(error)
        if self.fails:
            return self._learn(batch, scales, weights)
        return self._recorded[kind](batch)

    def _record(self, batch: SceneBatch, scales: tuple[float, ...], weights: LossWeights) -> _Graph:
        places = replace(batch, **{name: each.clone() for name, each in batch.tensors().items()})

        def learn() -> dict[str, Tensor]:
            for parameter in self._parameters:
                parameter.grad = None
            return self._learn(places, scales, weights)

        with torch.cuda.device(self._parameters[0].device):
            return _Graph(learn, places, self._parameters, self._pool)

    def _step_aside(self, error: Exception) -> None:
        self.fails = True
        self._recorded.clear()
        for parameter in self._parameters:
            parameter.grad = None
        warnings.warn(
            f"Steps are not recorded as CUDA graphs: {type(error).__name__}: {error}. They run "
            "kernel by kernel, in more time.",
            RuntimeWarning,
            stacklevel=3,
        )


class _Graph:
    """A recorded step with its own places for the batch, the figures and the gradients."""

    def __init__(
        self,
        learn: Callable[[], dict[str, Tensor]],
        places: SceneBatch,
        parameters: list[nn.Parameter],
        pool: Any,
    ) -> None:
        self._places, self._parameters = places.tensors(), parameters
        # Another thread may be making the next batch meanwhile, and take memory for it.
        self._graph, self._figures = record(learn, pool, errors="thread_local")
        self._gradients = [parameter.grad for parameter in parameters]

    def __call__(self, batch: SceneBatch) -> dict[str, Tensor]:
        for name, tensor in batch.tensors().items():
            self._places[name].copy_(tensor)
        self._graph.replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._figures
