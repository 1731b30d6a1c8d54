"""Weights files: read without running code, recognised, loaded strictly, saved.

The parameters are the configuration: their names and shapes tell which row of
the table a file holds. Files written here also say it in their metadata, and so
may hold a row in other widths than the published ones.
"""

from __future__ import annotations

import json
import os
import re
import reprlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from ..basics.arguments import checked, fitted
from ..basics.whole_file import whole_file
from ..inference.rife import RIFE
from ..networks.ifnet import FlowNetwork
from ..networks.specs import SPECS, NetworkSpec, distinct_specs, with_channels
from .tensor_files import (
    CheckpointError,
    float_weights,
    read_tensors,
    save_tensors,
    shown,
    unfilled,
)

SUFFIXES = (".safetensors", ".pkl", ".pth")

_PREFIXES = re.compile(r"^(?:module\.|flownet\.|model\.|_orig_mod\.)+")
_WRAPPERS = ("state_dict", "model", "params")
_NEVER_USED = ("teacher.", "caltime.")
_TEACHER = "block_tea."
_PARTS = ("contextnet", "unet")
_REFINEMENT = tuple(f"{part}." for part in _PARTS)
_FLOWNET = "flownet"
_RENAMED_BLOCK = re.compile(r"^blocks\.(\d+)\.")
_ROW, _CHANNELS = "rife_row", "rife_channels"


DEFAULT = "default"
"""The name of the weights that come with the package."""

BUNDLED = Path(__file__).parents[2] / "weights" / "default.safetensors"

Shapes = Mapping[str, tuple[int, ...]]


@checked
def load_rife(path: str | os.PathLike[str]) -> RIFE:
    """Reads the network in a file: .safetensors, or a .pkl or .pth of tensors.

    Early releases are three files, flownet, contextnet and unet: beside a flownet the other
    two are read as well, where they belong to it.

    Returns:
        The network, in float32, on the CPU, in evaluation mode. Its weights are its own:
        what happens to the file afterwards does not matter.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file holds no RIFE network, is damaged or unsafe, or has weights
            that are no finite floating point numbers.
    """
    path = Path(path)
    state, metadata = _read(path)
    state = canonical_names(state)
    shapes = _shapes(state)
    spec = _declared_spec(metadata, path) if _ROW in metadata else None
    spec = spec or detect_spec(shapes)
    if spec is None and path.stem == _FLOWNET:
        state |= _parts_beside(path)
        spec = detect_spec(_shapes(state))
    if spec is None:
        raise CheckpointError(_foreign(path, shapes))
    return _filled(spec, state, path)


def rife_from(state: Mapping[str, Tensor], source: str) -> RIFE:
    """The network whose tensors another program holds, as a copy: in float32, on the CPU.

    Args:
        state: its state dict, under the published names or those of ComfyUI.
        source: what to call it in errors.

    Raises:
        CheckpointError: these are no tensors of a RIFE network.
    """
    state = {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}
    state = canonical_names(state)
    spec = detect_spec(_shapes(state))
    if spec is None:
        raise CheckpointError(_foreign(Path(source), _shapes(state)))
    return _filled(spec, state, Path(source))


def _filled(spec: NetworkSpec, state: Mapping[str, Tensor], path: Path) -> RIFE:
    state = {name: tensor for name, tensor in state.items() if _belongs(name, spec)}
    network = _empty(spec, teacher=_has_teacher(state))
    expected, found = _shapes(network.state_dict()), _shapes(state)
    if expected != found:
        raise CheckpointError(_misfit(path, spec, expected, found))
    network.load_state_dict(float_weights(path.name, state), strict=True, assign=True)
    return network.eval()


@checked
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
    with whole_file(path) as part:
        save_tensors(state, part, metadata)


@checked
def list_weights(folders: Iterable[str | os.PathLike[str]] = ()) -> dict[str, Path]:
    """Weights files by name: the bundled ones as "default", then those below `folders`.

    Where two folders hold the same name, the first one counts.
    """
    weights = {DEFAULT: BUNDLED} if BUNDLED.is_file() else {}
    for given in folders:
        folder = Path(fitted("a folder", given, str | os.PathLike[str]))
        # os.walk and os.path pass over what vanishes meanwhile, or may not be looked into.
        below = (Path(where, name) for where, _, names in os.walk(folder) for name in names)
        for path in sorted(path for path in below if path.suffix in SUFFIXES):
            if os.path.isfile(path) and not _is_part(path):
                weights.setdefault(path.relative_to(folder).as_posix(), path)
    return weights


@checked
def find_weights(name: str, folders: Iterable[str | os.PathLike[str]] = ()) -> Path:
    """The file that `name` means: a name of `list_weights`, or else a path.

    Raises:
        FileNotFoundError: neither.
    """
    weights = list_weights(folders)
    path = weights.get(name, Path(name))
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"There are no weights {name!r}. Known: {', '.join(weights) or 'none'}; "
            "or give the path of a file."
        )
    return path


@checked
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
        name = _PREFIXES.sub("", name)
        if not name.startswith(_NEVER_USED):
            named[_RENAMED_BLOCK.sub(r"block\1.", name)] = tensor
    return named


def _belongs(name: str, spec: NetworkSpec) -> bool:
    """False for leftovers of the paper's network that later files still contain."""
    if name.startswith(_REFINEMENT):
        return bool(spec.refine)
    return spec.teacher or not name.startswith(_TEACHER)


def _parts_beside(path: Path) -> dict[str, Tensor]:
    """The refinement, if it is stored in separate files."""
    named: dict[str, Tensor] = {}
    for part in _PARTS:
        beside = path.with_stem(part)
        if os.path.isfile(beside):
            state = canonical_names(_read(beside)[0])
            named |= {f"{part}.{name}": tensor for name, tensor in state.items()}
    return named


def _flow_of(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in shapes.items() if not name.startswith(_REFINEMENT)}


def _is_part(path: Path) -> bool:
    return path.stem in _PARTS and os.path.isfile(path.with_stem(_FLOWNET))


def _has_teacher(names: Mapping[str, object]) -> bool:
    return any(name.startswith(_TEACHER) for name in names)


def _empty(spec: NetworkSpec, teacher: bool) -> RIFE:
    """The network without memory for its weights."""
    with unfilled():
        return RIFE(spec, teacher=teacher)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


@cache
def _fingerprint(version: str, teacher: bool) -> dict[str, tuple[int, ...]]:
    return _shapes(_empty(SPECS[version], teacher).state_dict())


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if os.path.isfile(path) and path.suffix not in SUFFIXES:
        raise CheckpointError(
            f"{path.name} does not end in {', '.join(SUFFIXES)}; only such files are read."
        )
    content, metadata = read_tensors("RIFE", path)
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            content = cast(Mapping[str, Any], content[wrapper])
    for key, value in cast(Mapping[Any, Any], content).items():
        if not (isinstance(key, str) and isinstance(value, Tensor)):
            raise CheckpointError(
                f"{path.name} holds other things than tensors (first: {shown(key)}). "
                "Put a RIFE flownet file here."
            )
    return dict(content), metadata


def _declared_spec(metadata: Mapping[str, str], path: Path) -> NetworkSpec:
    """The row that the metadata names, in the widths that it gives."""
    row = SPECS.get(metadata[_ROW])
    if row is None:
        raise CheckpointError(
            f"{path.name} says that it holds the network {shown(metadata[_ROW])}, which this "
            f"version does not know. Known: {', '.join(SPECS)}."
        )
    text = metadata.get(_CHANNELS, "[]")
    try:
        channels: object = json.loads(text)
    except (ValueError, RecursionError):
        channels = None
    if not isinstance(channels, list) or len(channels) > len(row.channels):
        raise CheckpointError(
            f"{path.name} gives its channels as {shown(text)}; it must be a list of numbers."
        )
    try:
        return with_channels(row, cast(list[int], channels))
    except ValueError as error:
        raise CheckpointError(f"{path.name} gives widths that cannot be: {error}") from None


def _foreign(path: Path, shapes: Shapes) -> str:
    probe = "block0.conv0.0.0.weight"
    for spec in distinct_specs():
        whole = _fingerprint(spec.version, _has_teacher(shapes))
        if spec.refine and _flow_of(whole) == _flow_of(shapes):
            parts = " and ".join(part + path.suffix for part in _PARTS)
            return (
                f"{path.name} holds the flow of RIFE {spec.version}, but not its refinement. Put "
                f"it beside {parts} as {_FLOWNET}{path.suffix}."
            )
    if probe in shapes:
        found = f"it has {len(shapes)} parameters, but they are of no published release"
    else:
        names = sorted(shapes)
        first = f" (first: {shown(names[0])})" if names else ""
        found = f"no key {probe!r} among {len(names)} keys{first}"
    return (
        f"{path.name} holds no RIFE network: {found}. Put a RIFE flownet file here, "
        "or choose the bundled 'default'."
    )


def _misfit(path: Path, spec: NetworkSpec, expected: Shapes, found: Shapes) -> str:
    wrong = sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
    name = wrong[0]
    is_, should = (
        reprlib.repr(shapes[name]) if name in shapes else "absent" for shapes in (found, expected)
    )
    return (
        f"{path.name} says that it holds the network {spec.version!r}, but {len(wrong)} parameters "
        f"do not fit (first: {shown(name)} is {is_}, expected {should}). "
        "Fetch or convert the file again."
    )
