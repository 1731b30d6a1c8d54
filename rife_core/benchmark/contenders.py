"""The contenders: the reference, this project in every way it can run, and its peers."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch

from ..engine.loop import interpolate
from ..inference import backends
from ..inference.backends import EAGER
from ..inference.precision import resolve_precision, set_precision
from ..inference.rife import RIFE
from ..networks.specs import NetworkSpec, get_spec
from ..timeline import Timeline
from .peers import PEERS, Run, assemble
from .reference import between


@dataclass(frozen=True)
class Contender(ABC):
    """Something that is timed. Instances are sent to a process of their own.

    Attributes:
        name: as the table shows it.
        precision: what its convolutions run in; a peer's, as it ships on a CPU.
        kind: what it is to the table: "reference", "own" or "peer".
    """

    name: str
    precision: str = "fp32"
    kind: ClassVar[str]

    def fits(self, spec: NetworkSpec) -> bool:
        """Whether it runs the network of a row."""
        return True

    @abstractmethod
    def open(
        self, network: RIFE, multiplier: int, device: torch.device
    ) -> AbstractContextManager[Run]:
        """Prepares it to run. It owns the network and may change it."""


@dataclass(frozen=True)
class Reference(Contender):
    """The published way, in plain PyTorch; see `reference`."""

    kind = "reference"

    def open(
        self, network: RIFE, multiplier: int, device: torch.device
    ) -> AbstractContextManager[Run]:
        made = partial(between, network.to(device), multiplier=multiplier)
        return nullcontext(lambda clip: assemble(clip, multiplier, made, device))


@dataclass(frozen=True)
class Own(Contender):
    """This project's engine; see `own`.

    Attributes:
        backend: "eager", or a name that `backends` knows.
        batch_size: see `options.Options`.
    """

    kind = "own"
    backend: str = EAGER
    batch_size: int = 0

    @contextmanager
    def open(self, network: RIFE, multiplier: int, device: torch.device) -> Generator[Run]:
        """See `Contender`.

        Raises:
            ValueError: the backend gave way to another one.
        """
        set_precision(network, resolve_precision(self.precision, device))
        network.to(device)
        taken = backends.set_backend(network, self.backend)
        if self.backend not in (backends.AUTO, taken):
            raise ValueError(f"the backend {self.backend} gave way to {taken}")
        timeline = Timeline.multiply(multiplier)
        with warnings.catch_warnings():
            # A backend that cannot do it goes on in eager mode and warns; here that is a failure.
            warnings.filterwarnings(
                "error", "The (backend|fast form) .* is not used", RuntimeWarning
            )
            yield lambda clip: interpolate(network, clip, timeline, batch_size=self.batch_size)


@dataclass(frozen=True)
class Visitor(Contender):
    """A peer, from its checkout.

    Attributes:
        path: of the checkout.
    """

    kind = "peer"
    path: Path = Path()

    def fits(self, spec: NetworkSpec) -> bool:
        """Whether the peer runs that network; of the published widths only."""
        published = spec == get_spec(spec.version)
        return published and PEERS[self.name].fits(self.path, spec)

    def open(
        self, network: RIFE, multiplier: int, device: torch.device
    ) -> AbstractContextManager[Run]:
        return PEERS[self.name].open(self.path, network, multiplier, device)


def own(backend: str, precision: str, batch_size: int = 0) -> Own:
    """This project with one backend, in one precision."""
    return Own(f"{backend} {precision}", precision, backend, batch_size)


def parse_peer(text: str) -> Visitor:
    """A peer as the command line names it.

    Raises:
        ValueError: no such peer, or no folder at that path.
    """
    name, _, path = text.partition("=")
    if name not in PEERS or not path:
        raise ValueError(
            f"--peer is {text!r}; it must be NAME=PATH, NAME one of {', '.join(PEERS)}."
        )
    if not Path(path).is_dir():
        raise ValueError(f"--peer {name}: there is no folder {path}. Give a checkout's path.")
    return Visitor(name, path=Path(path).resolve())
