"""Model: network, optimiser and losses in one object, as RIFE's training code knows it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from ..basics.arguments import checked
from ..basics.whole_file import whole_file
from ..checkpoints.rife import load_rife, save_rife
from ..checkpoints.tensor_files import CheckpointError
from ..inference.precision import find_device
from ..inference.rife import RIFE, IFNet, IFNet_m
from ..losses.checks import check_numbers
from ..losses.edges import SOBEL
from ..losses.flow import EPE
from ..losses.laplacian import LapLoss
from ..networks.ifnet import Result
from ..networks.inputs import check_images, scales_of
from ..networks.padding import alignment, crop, pad_to_multiple

WEIGHTS_NAME = "flownet.pkl"
DISTILLATION_WEIGHT = 0.01


class Model:
    """The paper's network with everything around it: inference, training step, files.

    Args:
        local_rank: index of this process's GPU in distributed training, -1 for none.
        arbitrary: use IFNet_m, which takes any timestep, in place of IFNet.

    Example:
        >>> model = Model()
        >>> model.eval()
        >>> img0, img1 = torch.rand(2, 1, 3, 64, 64)
        >>> model.inference(img0, img1, TTA=True).shape
        torch.Size([1, 3, 64, 64])
    """

    @checked
    def __init__(self, local_rank: int = -1, arbitrary: bool = False) -> None:
        self.flownet: RIFE | DistributedDataParallel = IFNet_m() if arbitrary else IFNet()
        if torch.cuda.is_available():
            self.device(f"cuda:{max(local_rank, 0)}")
        self.optimG = torch.optim.AdamW(self.flownet.parameters(), lr=1e-6, weight_decay=1e-3)
        self.epe = EPE()
        self.lap = LapLoss()
        self.sobel = SOBEL()
        if local_rank != -1:
            devices = [local_rank] if torch.cuda.is_available() else None
            self.flownet = DistributedDataParallel(self.flownet, device_ids=devices)

    @property
    def network(self) -> RIFE:
        """The network itself, whether or not it is wrapped for distributed training."""
        inner = self.flownet
        return cast(RIFE, inner.module) if isinstance(inner, DistributedDataParallel) else inner

    def train(self) -> None:
        """Training mode."""
        self.flownet.train()

    def eval(self) -> None:
        """Evaluation mode."""
        self.flownet.eval()

    @checked
    def device(self, device: torch.device | str | None = None) -> None:
        """Moves the network to `device`: by default the GPU where there is one, else the CPU.

        Raises:
            ValueError: this machine has no such device.
        """
        default = "cuda" if torch.cuda.is_available() else "cpu"
        self.flownet.to(find_device(default if device is None else device))

    @checked
    def load_model(self, path: str | os.PathLike[str], rank: int = 0) -> None:
        """Loads weights, with or without the "module." prefix of distributed training.

        Args:
            path: a folder that holds flownet.pkl, or a weights file.
            rank: only process 0 (or less) reads.

        Raises:
            FileNotFoundError: no such file.
            CheckpointError: no weights of this network; nothing is changed then.
        """
        if rank > 0:
            return
        file = _weights_file(path)
        loaded, own = load_rife(file), self.network
        if not loaded.spec.same_network(own.spec):
            raise CheckpointError(
                f"{file.name} holds the network {loaded.spec.version!r}, but this model is "
                f"{own.spec.version!r}. Use load_rife for networks of other kinds."
            )
        weights = loaded.state_dict()
        if loaded.block_tea is None:  # published inference files leave the teacher out
            weights = {**own.state_dict(), **weights}
        own.load_state_dict(weights, strict=True)

    @checked
    def save_model(self, path: str | os.PathLike[str], rank: int = 0) -> None:
        """Saves the weights; they load again with `load_model` and `load_rife`.

        Args:
            path: a folder, which gets a flownet.pkl, or a file name (.pkl, .pth, .safetensors).
            rank: only process 0 writes.
        """
        if rank != 0:
            return
        file = _weights_file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".safetensors":
            save_rife(self.network, file)
            return
        with whole_file(file) as part:
            torch.save(self.network.state_dict(), part)

    @checked
    def inference(
        self,
        img0: Tensor,
        img1: Tensor,
        scale: float = 1,
        scale_list: Sequence[float] = (4, 2, 1),
        TTA: bool = False,  # noqa: N803 - the documented name
        timestep: float = 0.5,
    ) -> Tensor:
        """Makes the frame between two frames.

        Args:
            img0: B 3 H W in [0, 1], any H and W.
            img1: the same.
            scale: divides the pyramid's scales; below 1 for large frames.
            scale_list: the pyramid, coarsest first; it is read only.
            TTA: average with the result on frames turned by 180 degrees.
            timestep: 0 is img0, 1 is img1; read where the model is `arbitrary`.

        Returns:
            B 3 H W in [0, 1].

        Raises:
            ValueError: the images, scales or timestep do not fit.
        """
        check_images(img0=img0, img1=img1)
        check_numbers("Model.inference", above=True, scale=scale)
        scales = scales_of([level / scale for level in scales_of(scale_list)])
        imgs = torch.cat((img0, img1), 1)
        height, width = imgs.shape[-2:]
        imgs = pad_to_multiple(imgs, alignment(self.network.spec, max(scales)))
        made = self._merged(imgs, scales, timestep)
        if TTA:
            turned = self._merged(imgs.flip(2, 3), scales, timestep)
            made = (made + turned.flip(2, 3)) / 2
        return crop(made, height, width)

    @checked
    def update(
        self,
        imgs: Tensor,
        gt: Tensor,
        learning_rate: float = 0,
        mul: int = 1,
        training: bool = True,
        flow_gt: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One training step, or, with `training=False`, the same measurement without one.

        The loss is LapLoss of the student, LapLoss of the teacher and 0.01 of the
        distillation loss.

        Args:
            imgs: B 6 H W in [0, 1], img0 and img1; H and W multiples of 16.
            gt: B 3 H W in [0, 1], the true middle frame.
            learning_rate: of this step.
            mul: unused, kept for callers of the published code.
            training: take the step.
            flow_gt: unused, likewise.

        Returns:
            The interpolated frame B 3 H W, and a dictionary: merged_tea, mask, mask_tea (B 1 H W
            in [0, 1]), flow (B 2 H W, the middle frame to img0), flow_tea (B 4 H W, the
            teacher's flow; without training the student's, as the published code has it),
            loss_l1, loss_tea, loss_distill (scalars).

        Raises:
            ValueError: images or learning rate do not fit, the network has no teacher block, or
                the loss is not finite; then no step is taken.
        """
        check_images((6, 3), imgs=imgs, gt=gt)
        check_numbers("Model.update", learning_rate=learning_rate)
        for group in self.optimG.param_groups:
            group["lr"] = learning_rate
        self.train() if training else self.eval()
        with torch.set_grad_enabled(training):
            result = cast(Result, self.flownet(torch.cat((imgs, gt), 1)))
            flow_list, mask, merged, flow_teacher, merged_teacher, loss_distill = result
            if flow_teacher is None or merged_teacher is None:
                raise ValueError(
                    "update needs a network with its teacher block; this one has none."
                )
            loss_l1 = self.lap(merged[-1], gt).mean()
            loss_tea = self.lap(merged_teacher, gt).mean()
            loss = loss_l1 + loss_tea + DISTILLATION_WEIGHT * loss_distill
        if training:
            self._step(loss, imgs, gt)
        info: dict[str, Any] = {
            "merged_tea": merged_teacher,
            "mask": mask,
            "mask_tea": mask,
            "flow": flow_list[-1][:, :2],
            "flow_tea": flow_teacher if training else flow_list[-1],
            "loss_l1": loss_l1,
            "loss_tea": loss_tea,
            "loss_distill": loss_distill,
        }
        return merged[-1].detach(), {name: value.detach() for name, value in info.items()}

    def _step(self, loss: Tensor, imgs: Tensor, gt: Tensor) -> None:
        if not bool(loss.isfinite()):
            raise ValueError(_not_finite(loss, imgs=imgs, gt=gt))
        self.optimG.zero_grad()
        loss.backward()
        self.optimG.step()

    def _merged(self, imgs: Tensor, scales: Sequence[float], timestep: float) -> Tensor:
        result = cast(Result, self.flownet(imgs, scales, timestep=timestep))
        return result[2][-1]


def _not_finite(loss: Tensor, **given: Tensor) -> str:
    broken = [name for name, value in given.items() if not bool(value.isfinite().all())]
    reason = (
        f"{' and '.join(broken)} hold NaN or infinite values."
        if broken
        else "The weights have diverged; load them anew and take a smaller learning rate."
    )
    return f"The loss is {loss.item()}, so no step was taken. {reason}"


def _weights_file(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    return path if path.suffix in (".pkl", ".pth", ".safetensors") else path / WEIGHTS_NAME
