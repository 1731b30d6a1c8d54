"""Adversarial losses: generator and discriminator in hinge form, their penalty and their weight.

Reference: Lim and Ye, "Geometric GAN", 2017 (hinge); Gulrajani et al., "Improved Training
of Wasserstein GANs", NeurIPS 2017 (gradient penalty); Esser et al., "Taming Transformers for
High-Resolution Image Synthesis", CVPR 2021 (adaptive weight).
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.dispatch import at_least_float32
from .checks import full_precision

_LEAST_NORM = 1e-3
_MOST_WEIGHT = 1e3


def hinge_gen_loss(fake: Tensor) -> Tensor:
    """Generator loss: minus the mean logit of reconstructed video."""
    return -at_least_float32(fake).mean()


def hinge_discr_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Hinge loss of the discriminator; 0 once fake logits are below -1 and real ones above 1.

    Example:
        >>> hinge_discr_loss(torch.tensor([-1.0]), torch.tensor([0.5])).item()
        0.5
    """
    fake, real = at_least_float32(fake), at_least_float32(real)
    return (F.relu(1 + fake) + F.relu(1 - real)).mean()


def gradient_penalty(samples: Tensor, logits: Tensor) -> Tensor:
    """Mean squared distance from 1 of the norm of each sample's gradient.

    The result has a graph of its own, so that it can be trained on.

    Args:
        samples: what the logits were computed from; requires grad.
        logits: one for each sample.
    """
    (gradients,) = torch.autograd.grad(logits.sum(), samples, create_graph=True)
    with full_precision(gradients.device):
        norms = at_least_float32(gradients).flatten(1).norm(dim=1)
        return (norms - 1).square().mean()


def adaptive_weight(perceptual_loss: Tensor, gen_loss: Tensor, last_layer: Tensor) -> Tensor:
    """Ratio of the gradient norms of both losses with respect to `last_layer`.

    Scaled by it, the adversarial term pulls as hard as the perceptual one.

    Returns:
        A scalar from 0 to 1000 without a graph; 1 where the ratio is NaN.

    Raises:
        ValueError: one of the losses does not depend on `last_layer`.
    """
    norms = [_gradient_norm(loss, last_layer) for loss in (perceptual_loss, gen_loss)]
    ratio = norms[0] / norms[1].clamp(min=_LEAST_NORM)
    return ratio.clamp(max=_MOST_WEIGHT).nan_to_num(nan=1.0)


def _gradient_norm(loss: Tensor, layer: Tensor) -> Tensor:
    if not layer.requires_grad:
        raise ValueError("last_layer does not require grad; give the decoder's last weight.")
    found = torch.autograd.grad(loss, layer, retain_graph=True, allow_unused=True)
    gradient = cast(Tensor | None, found[0])
    if gradient is None:
        raise ValueError(
            "last_layer took no part in making the reconstructions; give the weight of the "
            "decoder's last layer, the very parameter that was used."
        )
    return at_least_float32(gradient).norm()
