"""Training configurations: a TOML file as checked, frozen dataclasses."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..networks.specs import NetworkSpec, get_spec, with_channels
from ..whole_file import content_of
from .clips import GAPS
from .objective import LossWeights
from .scene import SceneSettings

if sys.version_info >= (3, 11):
    import tomllib
else:  # the same library under its older name
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

_MAX_BYTES = 2**20


@dataclass(frozen=True)
class CoarseSteps:
    """Steps that train the first blocks alone, on small scenes that stand for large frames.

    A scene of 128 pixels for blocks at scales 2 and 1 is to them what one of 512 is at scales
    8 and 4, for a sixteenth of the work: so they see many large motions.

    Attributes:
        share: of all steps of the stage.
        scales: of as many blocks as are trained.
        batch: samples of one step.
        weights: of the losses.
        scenes: of the scenes.
    """

    share: float
    scales: tuple[float, ...]
    batch: int
    weights: LossWeights = field(default_factory=LossWeights)
    scenes: SceneSettings = field(default_factory=SceneSettings)


@dataclass(frozen=True)
class Stage:
    """One part of the training, with its own scenes, losses and learning rate.

    Attributes:
        name: shown in the log.
        steps: how many optimiser steps.
        batch: samples of one step, over all processes.
        lr: learning rate after the warm-up.
        lr_end: share of it that is left at the end of the stage (cosine).
        warmup: steps of linear warm-up.
        tied: all blocks are one and the same (see `growth`).
        detach: each block learns from its own estimate alone.
        scales: of the blocks; empty means the row's own. Fewer than the row's train the first
            blocks alone. With `tied`, any number.
        weights: of the losses.
        scenes: of the synthetic scenes.
        real: share of the steps that take real clips, or taught crops where there are some.
        coarser: share of the steps in which all scales are doubled, as a user's scale of 0.5
            does.
        coarse: steps in between for the first blocks alone.
    """

    name: str
    steps: int
    batch: int
    lr: float
    lr_end: float = 0.1
    warmup: int = 100
    tied: bool = False
    detach: bool = False
    scales: tuple[float, ...] = ()
    weights: LossWeights = field(default_factory=LossWeights)
    scenes: SceneSettings = field(default_factory=SceneSettings)
    real: float = 0.0
    coarser: float = 0.0
    coarse: CoarseSteps | None = None


@dataclass(frozen=True)
class TrainConfig:
    """A whole training.

    Attributes:
        row: name of the network's row in the table.
        channels: widths of its blocks; empty means the published ones.
        seed: decides initialisation, scenes and augmentation.
        stages: run one after the other.
        clips: folders of videos or frames, for stages with `real` above 0.
        gaps: steps between the frames of a clip's triplet, of which one is drawn for each.
        taught: folder of crops beside a teacher's flow (`rife-video crops`), in place of clips.
        vgg: file of trained VGG-19 weights, for stages with a `vgg` weight; empty looks
            where torch.hub keeps its files.
        lpips: file of trained LPIPS weights on AlexNet, for stages with an `lpips` weight;
            empty looks where `LPIPSAlex` does.
        weight_decay, ema, clip: AdamW's decay, the decay of the averaged weights, and
            the largest gradient norm.
        shards: parts that each batch is made and computed in; several processes share
            them.
        bf16: run convolutions in bfloat16.
        tied_width: width of the blocks in tied stages; 0 means the last block's.
        save_minutes: time between checkpoints.
        log_every: steps between lines of the log.
        preview_every: steps between preview pictures; 0 for none.
    """

    row: str
    stages: tuple[Stage, ...]
    channels: tuple[int, ...] = ()
    seed: int = 0
    clips: tuple[str, ...] = ()
    gaps: tuple[int, ...] = GAPS
    taught: str = ""
    vgg: str = ""
    lpips: str = ""
    weight_decay: float = 1e-4
    ema: float = 0.999
    clip: float = 1.0
    shards: int = 1
    bf16: bool = True
    tied_width: int = 0
    save_minutes: float = 3.0
    log_every: int = 20
    preview_every: int = 0

    @property
    def spec(self) -> NetworkSpec:
        """The row, in the widths asked for."""
        return with_channels(get_spec(self.row), self.channels)

    @property
    def total_steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def place(self, step: int) -> tuple[int, int]:
        """The stage that holds `step` of the whole training, and the step inside it."""
        for index, stage in enumerate(self.stages):
            if step < stage.steps:
                return index, step
            step -= stage.steps
        return len(self.stages), 0


def load_config(path: str | Path) -> TrainConfig:
    """Reads a TOML file.

    Raises:
        ValueError: the file is no TOML, or has unknown, missing or unfit entries.
    """
    path = Path(path)
    try:
        content = tomllib.loads(content_of(path, _MAX_BYTES).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is not valid TOML: {error}") from None
    return parse_config(content, path.name)


def parse_config(content: Mapping[str, Any], name: str = "config") -> TrainConfig:
    """A configuration from nested dictionaries; see `load_config`."""
    content = dict(content)
    shared = content.pop("scenes", {})
    stages: list[Stage] = []
    for number, entry in enumerate(content.pop("stages", [])):
        where = f"{name}, stage {number + 1}"
        entry = dict(entry)
        entry.setdefault("name", str(number + 1))
        if "coarse" in entry:
            coarse = _with_material(dict(entry["coarse"]), shared, f"{where}, coarse")
            entry["coarse"] = _filled(CoarseSteps, coarse, f"{where}, coarse")
        stages.append(_filled(Stage, _with_material(entry, shared, where), where))
    config = _filled(TrainConfig, {**content, "stages": tuple(stages)}, name)
    if not stages:
        raise ValueError(f"{name} has no [[stages]]; it needs at least one.")
    _ = config.spec  # raises where the network does not exist
    return config


def _with_material(entry: dict[str, Any], shared: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The entry with its scenes and loss weights made of what it says of them."""
    scenes = {**shared, **entry.pop("scenes", {})}
    entry["scenes"] = _filled(SceneSettings, scenes, f"{where}, scenes")
    entry["weights"] = _filled(LossWeights, entry.pop("weights", {}), f"{where}, weights")
    return entry


def _filled(kind: Any, entries: Mapping[str, Any], where: str) -> Any:
    known = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(entries) - set(known))
    if unknown:
        raise ValueError(f"{where}: unknown entry {unknown[0]!r}. Known: {', '.join(known)}.")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in entries.items()}
    needed = (dataclasses.MISSING, dataclasses.MISSING)
    missing = [
        n for n, f in known.items() if (f.default, f.default_factory) == needed and n not in values
    ]
    if missing:
        raise ValueError(f"{where}: {missing[0]!r} is missing.")
    return kind(**values)
