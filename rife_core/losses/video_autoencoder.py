"""VideoAutoencoderLoss: what CogVideo's video autoencoder is trained with.

For the autoencoder: squared error, LPIPS on one frame of each clip, the verdict
of discriminators from `disc_start` on, and the quantizer's own losses. For the
discriminators: a hinge loss and a penalty on their slope at real video.

Where CogVideo's released code does something else than its documentation says,
this follows the documentation: the adversarial term starts at `disc_start` rather
than ending there; the adaptive weight is applied rather than only logged; a 2D
discriminator is used rather than only built; LPIPS never drops out.

Reference: Yang et al., "CogVideoX", ICLR 2025.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ..ops.dispatch import at_least_float32
from .adversarial import adaptive_weight, gradient_penalty, hinge_discr_loss, hinge_gen_loss
from .checks import check_folders, check_numbers, check_same, check_switches, check_tensor
from .discriminators.models import Discriminator, Discriminator3D, Discriminator3DWithfirstframe
from .lpips import LPIPS
from .pretrained import Weights

_FRAME_JUDGES = (Discriminator,)
_CLIP_JUDGES = (Discriminator3D, Discriminator3DWithfirstframe)

_VGG_ENUM = "VGG16_Weights."
_USUAL_VGG = ("DEFAULT", "IMAGENET1K_V1")

Log = dict[str, Tensor]


def draw_frames(batch: int, frames: int, device: torch.device | str = "cpu") -> Tensor:
    """One random frame index of each clip: B 1.

    Drawn on the CPU, so `torch.manual_seed` gives the same frames on every device.
    """
    return torch.randn(batch, frames, device="cpu").topk(1, dim=-1).indices.to(device)


def pick_video_frame(video: Tensor, frame_indices: Tensor) -> Tensor:
    """Picks the frames at `frame_indices`: B C T H W and B 1 -> B C H W.

    Example:
        >>> video = torch.arange(4.0).reshape(1, 1, 4, 1, 1)
        >>> pick_video_frame(video, torch.tensor([[2]])).flatten().tolist()
        [2.0]
    """
    batch = torch.arange(len(video), device=video.device)
    return video[batch, :, frame_indices.squeeze(1)]


class VideoAutoencoderLoss(nn.Module):
    """The loss of a video autoencoder and, in turn, of its discriminators.

    Args:
        disc_start: the first step at which the autoencoder feels the discriminators.
        perceptual_weight: of LPIPS; at 0 no LPIPS weights are needed.
        adversarial_loss_weight: of the discriminators' verdict.
        multiscale_adversarial_loss_weight: has no effect, and a warning says so: the
            documented loss has no multiscale discriminators.
        grad_penalty_loss_weight: of the discriminators' gradient penalty.
        quantizer_aux_loss_weight: of `aux_losses`.
        vgg_weights: file of VGG-16 weights, or the tensors; None, "DEFAULT" and
            torchvision's weight names mean the usual places, see `LPIPS`.
        discr_kwargs: arguments of `Discriminator`, which then judges single frames; or one
            that is built already.
        discr_3d_kwargs: arguments of `Discriminator3D`, or {"target": name, "params":
            arguments}, which then judges clips. Only the last part of the name counts:
            Discriminator3D or Discriminator3DWithfirstframe. Or one that is built already.
        adaptive: scale the adversarial term so that it pulls as hard as the perceptual
            one; needs `last_layer`, and is 1 without it. False only logs the weight: the
            sum that CogVideo released.
        lpips_weights: file of LPIPS's linear layers, or the tensors; None for the usual places.
        folders: where else to look for the weights.

    With both discriminators their losses add up. In evaluation mode the adversarial
    term is left out, as in the released code.

    The autoencoder's turn trains no weight of this module. So in distributed training wrap
    it in DistributedDataParallel and call the wrapper for the discriminators' turn, its
    `.module` for the autoencoder's.

    Shape:
        inputs, reconstructions: B C T H W, in [-1, 1]

    Raises:
        MissingWeightsError: LPIPS weights are needed and not there.
        ValueError: arguments that do not fit each other.

    Example:
        >>> loss = VideoAutoencoderLoss(disc_start=0, perceptual_weight=0)
        >>> video = torch.zeros(1, 3, 4, 16, 16)
        >>> total, log = loss(video, video + 0.1, optimizer_idx=0, global_step=0)
        >>> round(log["train/recon_loss"].item(), 4)
        0.01
    """

    zero: Tensor

    def __init__(
        self,
        disc_start: int,
        perceptual_weight: float = 1,
        adversarial_loss_weight: float = 0,
        multiscale_adversarial_loss_weight: float = 0,
        grad_penalty_loss_weight: float = 0,
        quantizer_aux_loss_weight: float = 0,
        vgg_weights: object = None,
        discr_kwargs: Mapping[str, Any] | nn.Module | None = None,
        discr_3d_kwargs: Mapping[str, Any] | nn.Module | None = None,
        *,
        adaptive: bool = True,
        lpips_weights: Weights = None,
        folders: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        check_numbers(self, most=math.inf, disc_start=disc_start)
        check_switches(self, adaptive=adaptive)
        check_folders(self, folders)
        vgg = _vgg_choice(vgg_weights)
        super().__init__()
        self.disc_start = disc_start
        self.perceptual_weight = perceptual_weight
        self.adversarial_loss_weight = adversarial_loss_weight
        self.multiscale_adversarial_loss_weight = multiscale_adversarial_loss_weight
        self.grad_penalty_loss_weight = grad_penalty_loss_weight
        self.quantizer_aux_loss_weight = quantizer_aux_loss_weight
        self.adaptive = adaptive
        check_numbers(self, **{name: vars(self)[name] for name in vars(self) if "_weight" in name})
        self.discriminator = _build(discr_kwargs, _FRAME_JUDGES, "discr_kwargs")
        self.discriminator_3d = _build(discr_3d_kwargs, _CLIP_JUDGES, "discr_3d_kwargs")
        if adversarial_loss_weight and not self.get_trainable_params():
            raise ValueError(
                f"adversarial_loss_weight is {adversarial_loss_weight}, but there is no "
                "discriminator. Give discr_3d_kwargs or discr_kwargs, or leave the weight at 0."
            )
        if multiscale_adversarial_loss_weight:
            warnings.warn(
                "multiscale_adversarial_loss_weight has no effect: there are no multiscale "
                "discriminators. Leave it at 0.",
                stacklevel=2,
            )
        self.perceptual_model: LPIPS | None = None
        if perceptual_weight:
            self.perceptual_model = LPIPS(
                weights=vgg, linear_weights=lpips_weights, folders=folders
            )
        self.register_buffer("zero", torch.tensor(0.0), persistent=False)

    def get_trainable_params(self) -> list[nn.Parameter]:
        """The discriminators' parameters: what the optimizer of `optimizer_idx` 1 trains."""
        return [p for judge in self._judges() for p in judge.parameters()]

    def get_trainable_parameters(self) -> list[nn.Parameter]:
        """The same as `get_trainable_params`."""
        return self.get_trainable_params()

    def forward(
        self,
        inputs: Tensor,
        reconstructions: Tensor,
        optimizer_idx: int,
        global_step: int,
        aux_losses: Tensor | float | None = None,
        last_layer: Tensor | None = None,
        split: str = "train",
    ) -> tuple[Tensor, Log]:
        """Total loss, and its parts without a graph.

        Args:
            inputs: real video.
            reconstructions: what the autoencoder made of it, of the same shape.
            optimizer_idx: 0 for the autoencoder's turn, 1 for the discriminators'.
            global_step: the training step.
            aux_losses: the quantizer's losses, or a number; of several the mean.
            last_layer: weight of the decoder's last layer, for the adaptive weight.
            split: what the names in the log begin with.

        Returns:
            Scalar, and {f"{split}/{name}": scalar}. Names at 0: total_loss, recon_loss,
            perceptual_loss, gen_loss, aux_losses, adaptive_weight. At 1:
            total_disc_loss, discr_loss, grad_penalty_loss, logits_real, logits_fake.

        Raises:
            ValueError: shapes that differ or are no clips, another `optimizer_idx`, or
                `optimizer_idx` 1 without a discriminator.
        """
        _check_clips(inputs, reconstructions)
        if optimizer_idx not in (0, 1):
            raise ValueError(
                f"optimizer_idx is {optimizer_idx}; it is 0 for the autoencoder's turn, 1 for "
                "the discriminators'."
            )
        check_numbers(self, least=-math.inf, global_step=global_step)
        if not isinstance(last_layer, (Tensor, type(None))):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"last_layer is a {type(last_layer).__name__}; give a weight.")
        if optimizer_idx == 1:
            total, log = self._discriminator_turn(inputs, reconstructions)
        else:
            total, log = self._generator_turn(
                inputs, reconstructions, global_step, aux_losses, last_layer
            )
        return total, {f"{split}/{name}": value.detach() for name, value in log.items()}

    def _generator_turn(
        self,
        inputs: Tensor,
        reconstructions: Tensor,
        global_step: int,
        aux_losses: Tensor | float | None,
        last_layer: Tensor | None,
    ) -> tuple[Tensor, Log]:
        recon_loss = F.mse_loss(at_least_float32(reconstructions), at_least_float32(inputs))
        perceptual_loss = gen_loss = weight = self.zero
        if self.perceptual_model is not None:
            picked = _pick_same(inputs, reconstructions)
            perceptual_loss = self.perceptual_model(*picked).mean()
        if self.training and self.adversarial_loss_weight and global_step >= self.disc_start:
            # With its weights out of the graph, a discriminator costs the generator's turn no
            # gradients that the next turn would have to throw away.
            verdicts = [
                functional_call(judge, _frozen(judge), tuple(view))
                for judge, *view in self._views(reconstructions)
            ]
            gen_loss = torch.stack([hinge_gen_loss(fake) for fake in verdicts]).sum()
            weight = torch.ones_like(self.zero)
            if perceptual_loss.requires_grad and last_layer is not None:
                weight = adaptive_weight(perceptual_loss, gen_loss, last_layer)
        aux = self.zero if aux_losses is None else _mean_of(aux_losses).to(self.zero)
        total = recon_loss
        for share, term in (
            (self.perceptual_weight, perceptual_loss),
            (self.adversarial_loss_weight, gen_loss * (weight if self.adaptive else 1)),
            (self.quantizer_aux_loss_weight, aux),
        ):
            if share:  # a NaN in what does not count must not reach the total
                total = total + share * term
        return total, {
            "total_loss": total,
            "recon_loss": recon_loss,
            "perceptual_loss": perceptual_loss,
            "gen_loss": gen_loss,
            "aux_losses": aux,
            "adaptive_weight": weight,
        }

    def _discriminator_turn(self, inputs: Tensor, reconstructions: Tensor) -> tuple[Tensor, Log]:
        if not self._judges():
            raise ValueError(
                "optimizer_idx is 1, but there is no discriminator to train. Give "
                "discr_3d_kwargs or discr_kwargs."
            )
        penalised = bool(self.grad_penalty_loss_weight) and torch.is_grad_enabled()
        hinges: list[Tensor] = []
        penalties: list[Tensor] = []
        verdicts: list[tuple[Tensor, Tensor]] = []
        for judge, real, made in self._views(inputs.detach(), reconstructions.detach()):
            real = real.clone().requires_grad_() if penalised else real
            on_real, on_made = judge(real), judge(made)
            hinges.append(hinge_discr_loss(on_made, on_real))
            penalties.append(gradient_penalty(real, on_real) if penalised else self.zero)
            verdicts.append((on_real, on_made))
        hinge, penalty = torch.stack(hinges).sum(), torch.stack(penalties).sum()
        total = hinge + self.grad_penalty_loss_weight * penalty
        reals, fakes = zip(*verdicts, strict=True)
        return total, {
            "total_disc_loss": total,
            "discr_loss": hinge,
            "grad_penalty_loss": penalty,
            "logits_real": torch.cat(reals).mean(),
            "logits_fake": torch.cat(fakes).mean(),
        }

    def _judges(self) -> list[nn.Module]:
        both = (self.discriminator, self.discriminator_3d)
        return [judge for judge in both if judge is not None]

    def _views(self, *videos: Tensor) -> Iterator[tuple[Any, ...]]:
        """Each discriminator with what it sees of each of the videos."""
        if self.discriminator is not None:
            yield self.discriminator, *_pick_same(*videos)
        if self.discriminator_3d is not None:
            yield self.discriminator_3d, *videos


def _mean_of(losses: object) -> Tensor:
    try:
        on = losses.device if isinstance(losses, Tensor) else "cpu"
        found = torch.as_tensor(losses, device=on).float()
    except (TypeError, ValueError, RuntimeError):
        found = None
    if found is None or not found.numel():
        raise ValueError(f"aux_losses is {losses!r}; it must be a number, or numbers.")
    return found.mean()


def _pick_same(*videos: Tensor) -> list[Tensor]:
    """One random frame of each clip, the same one of each video."""
    batch, _, frames = videos[0].shape[:3]
    indices = draw_frames(batch, frames, videos[0].device)
    return [pick_video_frame(video, indices) for video in videos]


def _frozen(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in module.named_parameters()}


def _check_clips(inputs: Tensor, reconstructions: Tensor) -> None:
    for name, video in (("inputs", inputs), ("reconstructions", reconstructions)):
        check_tensor("VideoAutoencoderLoss", video, f"(B, C, T, H, W) for {name}")
        if video.ndim != 5 or not video.numel() or not video.is_floating_point():
            raise ValueError(
                f"VideoAutoencoderLoss: {name} has shape {tuple(video.shape)} and type "
                f"{video.dtype}, expected (B, C, T, H, W), not empty, in floating point."
            )
    check_same("VideoAutoencoderLoss", inputs, reconstructions)


def _vgg_choice(vgg_weights: object) -> Weights:
    """A file or tensors as they are; None for whatever means the usual weights."""
    name = getattr(vgg_weights, "name", vgg_weights)
    name = name.removeprefix(_VGG_ENUM) if isinstance(name, str) else name
    if vgg_weights is None or name in _USUAL_VGG:
        return None
    if isinstance(vgg_weights, (str, os.PathLike, Mapping)):
        return cast(Weights, vgg_weights)
    raise ValueError(
        f"vgg_weights is {vgg_weights!r}; give the path of a VGG-16 weights file, its tensors, "
        f"None, or one of {', '.join(_USUAL_VGG)}."
    )


def _build(
    config: Mapping[str, Any] | nn.Module | None, known: Sequence[type[nn.Module]], name: str
) -> nn.Module | None:
    """Builds the discriminator that `config` describes; names are looked up, never imported."""
    if config is None or isinstance(config, tuple(known)):
        return config
    if not isinstance(config, (Mapping, nn.Module)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"VideoAutoencoderLoss: {name} is {config!r}; it must be a dictionary of arguments, a "
            "discriminator, or None."
        )
    if isinstance(config, nn.Module):
        names = " or ".join(kind.__name__ for kind in known)
        raise ValueError(f"{name} is a {type(config).__name__}; it takes a {names}.")
    kind, arguments = known[0], config
    if "target" in config:
        kinds = {kind.__name__: kind for kind in known}
        target = str(config["target"]).rpartition(".")[2]
        if target not in kinds or config.keys() - {"target", "params"}:
            raise ValueError(
                f"{name} is {dict(config)!r}; it takes a target that ends in "
                f"{' or '.join(kinds)}, and params."
            )
        kind, arguments = kinds[target], config.get("params", {})
        if not isinstance(arguments, Mapping):
            raise ValueError(f"{name}: params is {arguments!r}; it must be a dictionary.")
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ValueError(
            f"{name}: {dict(arguments)!r} do not fit {kind.__name__}: {error}"
        ) from error
