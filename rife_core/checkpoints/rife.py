"""Weights files: read without running code, recognised, loaded strictly, saved.

The parameters are the configuration: their names and shapes tell which row of
the table a file holds. Files written here also say it in their metadata, and so
may hold a row in other widths than the published ones.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..inference.rife import RIFE
from ..networks.ifnet import FlowNetwork
from ..networks.specs import SPECS, NetworkSpec, distinct_specs, with_channels
from .tensor_files import CheckpointError, read_tensors

SUFFIXES = (".safetensors", ".pkl", ".pth")

_PREFIXES = ("module.", "flownet.", "model.", "_orig_mod.")
_WRAPPERS = ("state_dict", "model", "params")
_NEVER_USED = ("teacher.", "caltime.")
_TEACHER = "block_tea."
_PAPER_ONLY = (_TEACHER, "contextnet.", "unet.")
_RENAMED_BLOCK = re.compile(r"^blocks\.(\d+)\.")
_ROW, _CHANNELS = "rife_row", "rife_channels"


DEFAULT = "default"
"""The name of the weights that come with the package."""

BUNDLED = Path(__file__).parents[2] / "weights" / "default.safetensors"

Shapes = Mapping[str, tuple[int, ...]]


def load_rife(path: str | os.PathLike[str]) -> RIFE:
    """Reads the network in a file: .safetensors, or a .pkl or .pth of tensors.

    Returns:
        The network, in float32, on the CPU, in evaluation mode.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file holds no RIFE network, or is damaged or unsafe.
    """
    path = Path(path)
    state, metadata = _read(path)
    state = canonical_names(state)
    shapes = _shapes(state)
    spec = _declared_spec(metadata, path) if _ROW in metadata else None
    spec = spec or detect_spec(shapes)
    if spec is None:
        raise CheckpointError(_foreign(path, shapes))
    state = {name: tensor.float() for name, tensor in state.items() if _belongs(name, spec)}
    network = _empty(spec, teacher=_has_teacher(state))
    expected, found = _shapes(network.state_dict()), _shapes(state)
    if expected != found:
        raise CheckpointError(_misfit(path, spec, expected, found))
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval()


def save_rife(network: FlowNetwork, path: str | os.PathLike[str]) -> None:
    """Writes `network` as safetensors, with its row in the metadata.

    The file appears under its name only when it is complete.

    Raises:
        ValueError: the name does not end in .safetensors.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path.name} should be written as .safetensors; give it that ending.")
    state = {name: tensor.detach().contiguous() for name, tensor in network.state_dict().items()}
    spec = network.spec
    metadata = {_ROW: spec.version, _CHANNELS: json.dumps(spec.channels)}
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        save_file(state, part, metadata)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def list_weights(folders: Iterable[str | os.PathLike[str]] = ()) -> dict[str, Path]:
    """Weights files by name: the bundled ones as "default", then those below `folders`.

    Where two folders hold the same name, the first one counts.
    """
    weights = {DEFAULT: BUNDLED} if BUNDLED.is_file() else {}
    for folder in map(Path, folders):
        for path in sorted(folder.rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                weights.setdefault(path.relative_to(folder).as_posix(), path)
    return weights


def find_weights(name: str, folders: Iterable[str | os.PathLike[str]] = ()) -> Path:
    """The file that `name` means: a name of `list_weights`, or else a path.

    Raises:
        FileNotFoundError: neither.
    """
    weights = list_weights(folders)
    path = weights.get(name, Path(name))
    if not path.is_file():
        raise FileNotFoundError(
            f"There are no weights {name!r}. Known: {', '.join(weights) or 'none'}; "
            "or give the path of a file."
        )
    return path


def detect_spec(shapes: Shapes) -> NetworkSpec | None:
    """The published row that has just these parameters (canonical names), or None.

    Releases that share one network are reported as the first of them.

    Example:
        >>> from ..inference.rife import build_network
        >>> state = build_network("4.26").state_dict()
        >>> detect_spec({name: tuple(t.shape) for name, t in state.items()}).version
        '4.25'
    """
    for spec in distinct_specs():
        own = {name: shape for name, shape in shapes.items() if _belongs(name, spec)}
        if _fingerprint(spec.version, _has_teacher(own)) == own:
            return spec
    return None


def canonical_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the published names, without known prefixes and leftovers."""
    named: dict[str, Tensor] = {}
    for name, tensor in state.items():
        while name.startswith(_PREFIXES):
            name = name.partition(".")[2]
        if not name.startswith(_NEVER_USED):
            named[_RENAMED_BLOCK.sub(r"block\1.", name)] = tensor
    return named


def _belongs(name: str, spec: NetworkSpec) -> bool:
    """False for what early 4.x files carry along from the paper's network."""
    return spec.teacher or not name.startswith(_PAPER_ONLY)


def _has_teacher(names: Mapping[str, object]) -> bool:
    return any(name.startswith(_TEACHER) for name in names)


def _empty(spec: NetworkSpec, teacher: bool) -> RIFE:
    """The network without memory for its weights."""
    with torch.device("meta"):
        return RIFE(spec, teacher=teacher)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


@cache
def _fingerprint(version: str, teacher: bool) -> dict[str, tuple[int, ...]]:
    return _shapes(_empty(SPECS[version], teacher).state_dict())


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if path.is_file() and path.suffix not in SUFFIXES:
        raise CheckpointError(
            f"{path.name} does not end in {', '.join(SUFFIXES)}; only such files are read."
        )
    content, metadata = read_tensors("RIFE", path)
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            content = cast(Mapping[str, Any], content[wrapper])
    strays = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if strays:
        raise CheckpointError(
            f"{path.name} holds other things than tensors (first: {strays[0]!r}). "
            "Put a RIFE flownet file here."
        )
    return {str(name): tensor for name, tensor in content.items()}, metadata


def _declared_spec(metadata: Mapping[str, str], path: Path) -> NetworkSpec:
    """The row that the metadata names, in the widths that it gives."""
    row = SPECS.get(metadata[_ROW])
    if row is None:
        raise CheckpointError(
            f"{path.name} says that it holds the network {metadata[_ROW]!r}, which this version "
            f"does not know. Known: {', '.join(SPECS)}."
        )
    text = metadata.get(_CHANNELS, "[]")
    try:
        channels: object = json.loads(text)
    except ValueError:
        channels = None
    if not isinstance(channels, list):
        raise CheckpointError(
            f"{path.name} gives its channels as {text!r}; it must be a list of numbers."
        )
    try:
        return with_channels(row, cast(list[int], channels))
    except ValueError as error:
        raise CheckpointError(f"{path.name} gives widths that cannot be: {error}") from None


def _foreign(path: Path, shapes: Shapes) -> str:
    probe = "block0.conv0.0.0.weight"
    if probe in shapes:
        found = f"it has {len(shapes)} parameters, but they are of no published release"
    else:
        names = sorted(shapes)
        first = f" (first: {names[0]!r})" if names else ""
        found = f"no key {probe!r} among {len(names)} keys{first}"
    return (
        f"{path.name} holds no RIFE network: {found}. Put a RIFE flownet file here, "
        "or choose the bundled 'default'."
    )


def _misfit(path: Path, spec: NetworkSpec, expected: Shapes, found: Shapes) -> str:
    wrong = sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
    name = wrong[0]
    return (
        f"{path.name} says that it holds the network {spec.version!r}, but {len(wrong)} parameters "
        f"do not fit (first: {name!r} is {found.get(name, 'absent')}, "
        f"expected {expected.get(name, 'absent')}). Fetch or convert the file again."
    )
