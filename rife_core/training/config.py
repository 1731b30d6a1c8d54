"""Training configurations: a TOML file as checked, frozen dataclasses."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from ..basics.whole_file import text_of, unread
from ..checkpoints.stored import stored
from ..losses.checks import check_numbers, check_sizes
from ..networks.padding import forward_multiple
from ..networks.specs import MAX_CHANNELS, NetworkSpec, get_spec, with_channels
from .clips import GAPS
from .objective import OF_CROPS, OF_FRAMES, OF_SCENES, LossWeights
from .scene import SceneSettings

if sys.version_info >= (3, 11):
    import tomllib
else:  # the same library under its older name
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

_MAX_BYTES = 2**20
_SEEDS = 2**31
_LARGEST_SCALE = 1024
_TABLE = Mapping[str, Any]
_KINDS = {"scenes": SceneSettings, "weights": LossWeights}


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

    def __post_init__(self) -> None:
        _check_pyramid("coarse", self.scales, self.batch)
        check_numbers("coarse", most=1, share=self.share)
        if not self.scales:
            raise ValueError("coarse: scales is empty; it must list those of the first blocks.")


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
        frozen: so many blocks, from the coarsest on, stay as they are.
        scales: of the blocks; empty means the row's own. Fewer than the row's train the first
            blocks alone. With `tied`, any number.
        weights: of the losses.
        scenes: of the synthetic scenes.
        stock: so many batches of scenes are painted, which then come again, mirrored; 0 paints
            each anew. Coarse steps have as many of their own.
        stock_turns: after so many turns of the stock new scenes are painted; 0 keeps it.
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
    frozen: int = 0
    scales: tuple[float, ...] = ()
    weights: LossWeights = field(default_factory=LossWeights)
    scenes: SceneSettings = field(default_factory=SceneSettings)
    stock: int = 0
    stock_turns: int = 0
    real: float = 0.0
    coarser: float = 0.0
    coarse: CoarseSteps | None = None

    def __post_init__(self) -> None:
        owner = f"stage {self.name!r}"
        _check_pyramid(owner, self.scales, self.batch)
        check_sizes(owner, steps=self.steps)
        check_numbers(owner, frozen=self.frozen, stock=self.stock, stock_turns=self.stock_turns)
        check_numbers(owner, above=True, lr=self.lr)
        check_numbers(owner, lr_end=self.lr_end, warmup=self.warmup)
        check_numbers(owner, most=1, real=self.real, coarser=self.coarser)


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
        bf16: run convolutions in bfloat16, on a device that has instructions for it.
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

    def __post_init__(self) -> None:
        owner = "a training"
        check_sizes(owner, shards=self.shards, log_every=self.log_every)
        check_sizes(owner, **{f"gaps[{i}]": gap for i, gap in enumerate(self.gaps)})
        check_numbers(owner, least=-_SEEDS, most=_SEEDS, seed=self.seed)
        check_numbers(owner, weight_decay=self.weight_decay, preview_every=self.preview_every)
        check_numbers(owner, most=math.inf, save_minutes=self.save_minutes)
        check_numbers(owner, above=True, most=math.inf, clip=self.clip)
        check_numbers(owner, most=1, ema=self.ema)
        check_numbers(owner, most=MAX_CHANNELS, tied_width=self.tied_width)
        if not self.gaps:
            raise ValueError(f"{owner}: gaps is empty; it must list numbers of 1 or more.")
        spec = self.spec  # raises where the network does not exist
        for stage in self.stages:
            self._check_stage(f"stage {stage.name!r}", stage, spec)

    def _check_stage(self, owner: str, stage: Stage, spec: NetworkSpec) -> None:
        """Raises ValueError where a stage does not fit the network, or the processes."""
        scales = stage.scales or spec.scales
        if stage.tied:
            spec = dataclasses.replace(spec, scales=scales)
        blocks = len(spec.scales)
        if stage.frozen >= len(scales):
            raise ValueError(
                f"{owner}: frozen is {stage.frozen}, and {len(scales)} blocks run; one at least "
                "must be left to learn."
            )
        _check_fit(owner, stage, scales, spec, blocks, self.shards)
        losses = (*OF_FRAMES, *(("distill",) if spec.teacher else ()))
        if stage.real < 1:
            _check_learns(owner, stage.weights, (*losses, *OF_SCENES), "scenes")
        if stage.real:
            losses += OF_CROPS if self.taught else ()
            _check_learns(owner, stage.weights, losses, "real clips")
        if stage.coarse:
            owner, coarse = f"{owner}, coarse", stage.coarse
            _check_fit(owner, coarse, coarse.scales, spec, blocks, self.shards)
            _check_learns(owner, coarse.weights, (*losses, *OF_SCENES), "scenes")

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


def _check_pyramid(owner: str, scales: Sequence[float], batch: int) -> None:
    check_sizes(owner, batch=batch)
    for scale in scales:
        check_numbers(owner, above=True, most=_LARGEST_SCALE, scales=scale)


def _check_learns(owner: str, weights: LossWeights, names: Sequence[str], material: str) -> None:
    """Raises ValueError where no loss counts: a step would have no gradient."""
    if not any(getattr(weights, name) for name in names):
        raise ValueError(
            f"{owner}: there is nothing to learn from {material}; give at least one of these a "
            f"weight above 0: {', '.join(names)}."
        )


def _check_fit(
    owner: str,
    steps: Stage | CoarseSteps,
    scales: Sequence[float],
    spec: NetworkSpec,
    blocks: int,
    shards: int,
) -> None:
    if len(scales) > blocks:
        raise ValueError(
            f"{owner}: scales lists {len(scales)}, but the network {spec.version!r} has "
            f"{blocks} blocks."
        )
    size, multiple = steps.scenes.size, forward_multiple(spec, scales)
    if isinstance(steps, Stage) and steps.coarser:
        multiple *= 2
    if size % multiple:
        raise ValueError(
            f"{owner}: scenes have size {size}; at scales {list(scales)} it must be a multiple of "
            f"{multiple}."
        )
    if steps.batch % shards:
        raise ValueError(
            f"{owner}: batch is {steps.batch}, which {shards} shards cannot share evenly."
        )


def load_config(path: str | Path) -> TrainConfig:
    """Reads a TOML file.

    Raises:
        ValueError: the file is no TOML, or has unknown, missing or unfit entries.
    """
    path = Path(path)
    text = text_of(path, _MAX_BYTES)
    try:
        content = tomllib.loads(text)
    except ValueError as error:
        raise ValueError(f"{path.name} is not valid TOML: {unread(error)}") from None
    except RecursionError:
        raise ValueError(f"{path.name} is no training: it is nested too deeply.") from None
    return parse_config(content, path.name)


def parse_config(content: Mapping[str, Any], name: str = "config") -> TrainConfig:
    """A configuration from nested dictionaries; see `load_config`."""
    content = dict(content)
    shared = stored(content.pop("scenes", {}), _TABLE, f"{name}: scenes")
    stages: list[Stage] = []
    entries = stored(content.pop("stages", []), list[_TABLE], f"{name}: stages")
    for number, entry in enumerate(entries, 1):
        stages.append(_stage({"name": str(number), **entry}, shared, f"{name}, stage {number}"))
    if not stages:
        raise ValueError(f"{name} has no [[stages]]; it needs at least one.")
    return _filled(TrainConfig, content, name, stages=tuple(stages))


def _stage(entry: dict[str, Any], shared: Mapping[str, Any], where: str) -> Stage:
    coarse = entry.pop("coarse", None)
    made = _material(entry, shared, where)
    if coarse is not None:
        inside = f"{where}, coarse"
        coarse = dict(stored(coarse, _TABLE, inside))
        material = _material(coarse, shared, inside)
        made["coarse"] = _filled(CoarseSteps, coarse, inside, **material)
    return _filled(Stage, entry, where, **made)


def _material(entry: dict[str, Any], shared: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The scenes and the loss weights, made of what the entry says of them and taken out of it."""
    own = {name: stored(entry.pop(name, {}), _TABLE, f"{where}: {name}") for name in _KINDS}
    own["scenes"] = {**shared, **own["scenes"]}
    return {name: _filled(kind, own[name], f"{where}, {name}") for name, kind in _KINDS.items()}


def _filled(kind: Any, entries: Mapping[str, Any], where: str, **made: object) -> Any:
    """A dataclass of the entries of a table, each of its type, and of what is made already."""
    known = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(entries) - (known.keys() - made))
    if unknown:
        raise ValueError(f"{where}: unknown entry {unknown[0]!r}. Known: {', '.join(known)}.")
    needed = (dataclasses.MISSING, dataclasses.MISSING)
    missing = [
        n
        for n, f in known.items()
        if (f.default, f.default_factory) == needed and n not in (*entries, *made)
    ]
    if missing:
        raise ValueError(f"{where}: {missing[0]!r} is missing.")
    hints = get_type_hints(kind)
    values = {n: stored(value, hints[n], f"{where}: {n}") for n, value in entries.items()}
    return kind(**made, **values)
