"""How the two frames are sampled for the blend: as the row says, or as a user chose."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from ..basics.arguments import checked
from ..networks.ifnet import FlowNetwork
from ..networks.specs import Sampling

SAMPLINGS: tuple[str, ...] = ("auto", *get_args(Sampling))


@checked
def set_sampling(network: FlowNetwork, name: str) -> None:
    """Lets a network sample in the way that `name` means; set it before the backend.

    "auto" leaves it as the row says: as it was published, or trained. Published networks blend
    bilinear samples; bicubic ones are sharper.

    Raises:
        ValueError: no such name, or the network refines its blend, which it learned to do on
            samples of one kind.

    Example:
        >>> from .rife import build_network
        >>> network = build_network("4.25.lite")
        >>> set_sampling(network, "bicubic")
        >>> network.spec.sampling
        'bicubic'
    """
    if name not in SAMPLINGS:
        raise ValueError(f"sampling is {name!r}; it must be one of {', '.join(SAMPLINGS)}.")
    spec = network.spec
    if name in ("auto", spec.sampling):
        return
    if spec.refine:
        raise ValueError(
            f"The network {spec.version!r} refines frames that were blended of {spec.sampling} "
            f"samples, and knows no others; sampling {name!r} is for networks without "
            "refinement. Choose auto."
        )
    network.spec = replace(spec, sampling=name)  # pyright: ignore[reportArgumentType]
