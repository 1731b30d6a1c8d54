"""What travels along a RIFE_MODEL wire: a network that ComfyUI can move in and out of memory."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

import torch

from ...rife_core.checkpoints.fetch import fetch_release
from ...rife_core.checkpoints.published import RELEASES, load_release
from ...rife_core.checkpoints.rife import load_rife
from ...rife_core.engine.memory_plan import Plan, first_plan
from ...rife_core.engine.options import Options
from ...rife_core.inference.backends import AUTO, EAGER, resolve_backend, set_backend
from ...rife_core.inference.precision import resolve_precision, set_precision
from ...rife_core.inference.rife import RIFE
from ...rife_core.inference.sampling import set_sampling
from ...rife_core.networks.specs import get_spec
from .comfyui import comfyui
from .device import compute_device
from .progress_bar import progress
from .weights import chosen_path, model_folders


class RIFEModel:
    """What travels along a RIFE_MODEL wire: a network, its name, and how to run it.

    Args:
        network: float32, in evaluation mode. Read it; to change weights, take a
            `trainable_copy`.
        name: what to call it in reports.
        precision: "auto", "fp32", "bf16" or "fp16".
        backend: see `BACKENDS`.
        sampling: see `set_sampling`.

    Raises:
        ValueError: the compute device is not for that precision or backend, something that the
            backend needs is not installed, or the network does not take that sampling.
    """

    def __init__(
        self,
        network: RIFE,
        name: str,
        precision: str = "auto",
        backend: str = AUTO,
        sampling: str = AUTO,
    ) -> None:
        set_sampling(network, sampling)
        self.network = network
        self.name = name
        self.precision = precision
        self.dtype = resolve_precision(precision, compute_device())
        self.backend = resolve_backend(backend, compute_device())

    @classmethod
    def load(
        cls, name: str, precision: str = "auto", backend: str = AUTO, sampling: str = AUTO
    ) -> RIFEModel:
        """The model shown as `name`; a release that is not here is fetched.

        Raises ValueError or OSError where it cannot be read or had.
        """
        path = chosen_path(name)
        if path is None:
            with progress(f"Fetch RIFE {name}", unit="B") as report:
                path = fetch_release(name, model_folders()[0], report)
        network = load_release(name, path) if name in RELEASES else load_rife(path)
        return cls(network, name, precision, backend, sampling)

    def __str__(self) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        spec = self.network.spec
        ways = [f", {self.backend}"] if self.backend != EAGER else []
        if spec.sampling != get_spec(spec.version).sampling:
            ways.append(f", {spec.sampling}")
        return f"{self.name!r} (RIFE {spec.version}, {kind}, {compute_device()}{''.join(ways)})"

    @cached_property
    def working(self) -> RIFE:
        """The network in its precision, wherever it lies now: for asking, not for running."""
        network = self.network if self.dtype == torch.float32 else copy.deepcopy(self.network)
        set_precision(network, self.dtype)
        return network

    def ready(self, memory_required: int = 0) -> RIFE:
        """The network in its precision on the compute device, ready to run.

        Call it right before running: ComfyUI moves other models out of the way, and
        may later move this one.

        Args:
            memory_required: bytes that the run needs besides the weights.
        """
        if management := comfyui("comfy.model_management"):
            management.load_models_gpu([self._patcher], memory_required=memory_required)
        # Where memory is short, ComfyUI leaves a plain module on the CPU without a word.
        network = self.working.to(compute_device())
        if network.backend is None:
            set_backend(network, self.backend)
        return network

    def planned(self, height: int, width: int, options: Options) -> tuple[RIFE, Plan]:
        """`ready` for the engine, with room for frames of that size; and the plan for them."""
        plan = first_plan(self.network, height, width, options, compute_device())
        return self.ready(plan.memory(self.network)), plan

    def trainable_copy(self) -> RIFE:
        """A float32 copy on the compute device whose weights can be trained.

        This model stays as it is. Nodes run in inference mode; train inside
        `with torch.inference_mode(False), torch.enable_grad():`.
        """
        with torch.inference_mode(False):
            return copy.deepcopy(self.network).to(compute_device()).requires_grad_()

    @cached_property
    def _patcher(self) -> Any:
        patcher = comfyui("comfy.model_patcher").ModelPatcher(
            self.working,
            load_device=compute_device(),
            offload_device=comfyui("comfy.model_management").unet_offload_device(),
        )

        def release(*_: Any) -> None:
            self.working.backend = None

        # When the weights make room for another model, so does what was compiled for them.
        patcher.add_callback("on_detach_after", release)
        return patcher
