"""The nodes that are brought over: what they are called, and what their values mean here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ...nodes.interpolate_frames import InterpolateFrames
from ...rife_core.basics.arguments import natural
from ...rife_core.networks.specs import SPECS
from ..graph import inputs_of

_PRECISIONS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
CFI, CORE, CORE_LOADER = "RIFE VFI", "FrameInterpolate", "FrameInterpolationModelLoader"
STATES = "Make Interpolation State List"
_DISPLAY_NAMES = (
    *(CFI, CORE, CORE_LOADER, "Run Frame Interpolation Model"),
    "Load Frame Interpolation Model",
)
_CFI_WIDGETS = (
    *("ckpt_name", "clear_cache_after_n_frames", "multiplier", "fast_mode", "ensemble"),
    *("scale_factor", "dtype", "torch_compile", "batch_size"),
)
WIDGETS = {
    CFI: _CFI_WIDGETS,
    CORE: ("multiplier",),
    CORE_LOADER: ("model_name",),
    STATES: ("frame_indices", "is_skip_list"),
}
CHOICES = ("scale_factor", "dtype", "torch_compile", "frame_indices", "is_skip_list")
"""Inputs that are choices here, or text, and take no wire of the old kind."""
KEPT = ("multiplier", "ensemble", "batch_size")
"""Inputs that have the same name and kind here."""
_FILM = re.compile(r"film", re.IGNORECASE)
_RELEASE = re.compile(r"rife_?v?4\.?(\d+)", re.IGNORECASE)


def interpolation(given: dict[str, Any], schedule: str) -> dict[str, Any]:
    """Values of Interpolate Frames that do what the old node did."""
    values = {
        name: declared.options.get("default")
        for name, declared in inputs_of(InterpolateFrames).items()
        if "default" in declared.options
    }
    values |= {name: given[name] for name in ("multiplier", "batch_size") if name in given}
    if isinstance(values["batch_size"], int):
        values["batch_size"] = min(values["batch_size"], _LIMITS["batch_size"][1])
    # The old node passes the value on in the place of another one: nothing is averaged there.
    ensemble = given.get("ensemble", False)
    values["ensemble"] = isinstance(ensemble, list) and _has_ensemble(given) and ensemble
    values["scale"] = given.get("scale_factor", 1.0)
    values["at_cut"] = "interpolate"  # the old nodes know no cuts
    values["schedule"] = schedule
    return values


def _has_ensemble(given: dict[str, Any]) -> bool:
    """Whether the release has an ensemble mode, as far as its file's name tells."""
    release = _RELEASE.search(str(given.get("ckpt_name", "")))
    spec = SPECS.get(f"4.{release[1]}") if release else None
    return spec is None or spec.ensemble != "none"


_LIMITS = {
    name: (declared.options["min"], declared.options["max"])
    for name, declared in inputs_of(InterpolateFrames).items()
    if name in ("multiplier", "batch_size")
}


def loader_values(given: dict[str, Any]) -> dict[str, Any]:
    """Values of Load RIFE that do what the old node did."""
    return {
        "model_name": given.get("ckpt_name", given.get("model_name", "default")),
        "precision": _PRECISIONS.get(given.get("dtype", ""), "auto"),
        "backend": "compile" if given.get("torch_compile") is True else "auto",
    }


def schedule_of(states: dict[str, Any] | None, multiplier: Any, wired: list[str]) -> str:
    """A list of frames that are left out, or alone taken, as a schedule of pairs.

    A schedule takes no wire: `wired` gets the name of a multiplier that comes by one (a list).
    """
    if not states:
        return ""
    words = str(states.get("frame_indices", "")).replace("\n", ",").split(",")
    pairs = [str(pair + 1) for word in words if (pair := natural(word.strip())) is not None]
    if states.get("is_skip_list", True):
        return ", ".join(f"{pair}:1" for pair in pairs)
    if isinstance(multiplier, list):
        wired.append("schedule's multiplier")
        multiplier = inputs_of(InterpolateFrames)["multiplier"].options["default"]
    return ", ".join([*(f"{pair}:{multiplier}" for pair in pairs), "rest 1"])


def told(kind: str, name: str, given: dict[str, Any], wired: list[str]) -> str:
    """Notes on one converted node."""
    parts = [f"{kind} (node {name}) became Interpolate Frames."]
    parts.append("Set source_fps where you use its fps; the old node had none.")
    if given.get("ensemble") is True:
        parts.append("ensemble was on; it is off now, as the old node averages nothing with it.")
    least, most = _LIMITS["multiplier"]
    multiplier = given.get("multiplier", least)
    if isinstance(multiplier, int) and not least <= multiplier <= most:
        parts.append(
            f"multiplier is {multiplier}, and goes from {least} to {most}: change it, or put two "
            "such nodes in a row."
        )
    if wired:
        parts.append(f"{', '.join(wired)} came by a wire; set what it gave by hand.")
    return " ".join(parts)


def told_of_loader(name: str, given: dict[str, Any]) -> Iterator[str]:
    """Notes on a converted loader, if there is anything to note."""
    model = str(given.get("model_name", ""))
    if _FILM.search(model):
        yield f"Node {name} loaded {model}, which is no RIFE network; choose one in its Load RIFE."


def title_of(old: Any, ours: str) -> str:
    """What a node is called: as a person called it, else as nodes of its new kind are."""
    is_given = isinstance(old, str) and old and not old.startswith(_DISPLAY_NAMES)
    return str(old) if is_given else ours


def wired_choices(inputs: dict[str, Any]) -> list[str]:
    """Those of `CHOICES` that come by a wire."""
    return [name for name in CHOICES if isinstance(inputs.get(name), list)]


def free_ids(used: Iterable[int]) -> Iterator[int]:
    """Numbers that are not used, one after the other."""
    number = max(used, default=0)
    while True:
        number += 1
        yield number
