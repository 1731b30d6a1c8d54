"""ComfyUI's devices, folders, memory and progress where it is; plain torch and tqdm where not.

This is the only file of the project that imports ComfyUI. Every function asks anew
whether the process is ComfyUI's, so nothing happens at import and the same nodes
run in a script, in a test and on a server.
"""

from __future__ import annotations

import copy
import importlib
import os
import re
import shutil
import sys
import tempfile
import time
import uuid
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, wraps
from itertools import pairwise
from math import ceil, inf
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from ..rife_core.basics.arguments import checked, shown
from ..rife_core.basics.whole_file import whole_file, write_whole
from ..rife_core.checkpoints.fetch import fetch_release
from ..rife_core.checkpoints.published import RELEASES, find_release, load_release
from ..rife_core.checkpoints.rife import SUFFIXES, list_weights, load_rife
from ..rife_core.engine.loop import check_clip
from ..rife_core.engine.memory_plan import Plan, first_plan
from ..rife_core.engine.memory_plan import free_memory as _free_memory
from ..rife_core.engine.options import Options
from ..rife_core.engine.pixel_formats import check_dense
from ..rife_core.inference.backends import AUTO, EAGER, resolve_backend, set_backend
from ..rife_core.inference.precision import default_device, resolve_precision, set_precision
from ..rife_core.inference.rife import RIFE
from ..rife_core.inference.sampling import set_sampling
from ..rife_core.networks.specs import get_spec
from ..rife_core.ops.dispatch import is_out_of_memory
from ..rife_core.timeline import as_fraction
from ..rife_core.video import Audio, ColorTags, MemoryReader, VideoReader
from ..rife_core.video.excerpt import VideoExcerpt
from .advice import advice

_C = TypeVar("_C", bound=Callable[..., Any])

MODEL_FOLDERS = ("rife", "frame_interpolation")
"""ComfyUI's model folders in which weights are looked for, the first one first."""

SAMPLE = Path(__file__).parents[1] / "workflows/rife_sample.mp4"
"""A clip to try the nodes on, painted by `rife-video sample`."""

_OTHERS_WEIGHTS = "*[Ff]rame-[Ii]nterpolation*/ckpts/rife"
"""Where ComfyUI-Frame-Interpolation keeps its weights, below the folders of packs."""

_BATCH_MANAGER = "VHS_BatchManager"
_PREVIEW_SECONDS = 0.5
_PREVIEW_SIDE = 512
_PIECE_BYTES = 2**27
_MOST_AT_ONCE = 2**29
"""Bytes of frames that a video is decoded to at once; longer ones come in pieces."""

COLOR_SPACES = {"HDR": ColorTags(9, 9, 18), "HDR PQ": ColorTags(9, 9, 16)}
"""What ComfyUI calls BT.2020 with hybrid log-gamma and with PQ, by the codes of ITU-T H.273."""


@dataclass(frozen=True)
class Folders:
    """The folders of a graph's files when ComfyUI is not there to say.

    Attributes:
        input: clips and images that a graph may read.
        output: where a graph may write.
        models: folders of weights files.
        temp: for files that only the graph itself needs.
    """

    input: Path = Path("input")
    output: Path = Path("output")
    models: tuple[Path, ...] = tuple(Path("models", name) for name in MODEL_FOLDERS)
    temp: Path = Path(tempfile.gettempdir())


_used_folders: ContextVar[Folders | None] = ContextVar("folders", default=None)


def _folders() -> Folders:
    return _used_folders.get() or Folders()


def _comfyui(module: str) -> Any:
    """A module of ComfyUI, or None where this process is not ComfyUI.

    Only what ComfyUI has loaded itself tells: `comfy` alone may be somebody else's.
    """
    here = "comfy.model_management" in sys.modules and "folder_paths" in sys.modules
    return importlib.import_module(module) if here else None


@contextmanager
def use_folders(folders: Folders) -> Generator[None]:
    """Without ComfyUI: lets graphs read and write in `folders` while the block runs."""
    token = _used_folders.set(folders)
    try:
        yield
    finally:
        _used_folders.reset(token)


def input_folder() -> Path:
    """The folder of the files that a graph reads."""
    if paths := _comfyui("folder_paths"):
        return Path(paths.get_input_directory())
    return _folders().input


def output_folder() -> Path:
    """Where the files that a graph writes go."""
    if paths := _comfyui("folder_paths"):
        return Path(paths.get_output_directory())
    return _folders().output


def temporary_path(suffix: str) -> Path:
    """A path for a new file that the rest of the graph may read; ComfyUI empties the folder."""
    paths = _comfyui("folder_paths")
    folder = Path(paths.get_temp_directory()) if paths else _folders().temp
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"rife_{uuid.uuid4().hex}{suffix}"


def inside(folder: Path, name: str) -> Path:
    """The path of `name` in `folder`, for names that come from a prompt.

    A link that somebody laid in the folder is followed, as ComfyUI does.

    Raises:
        ValueError: the name leads out of the folder.
    """
    root = os.path.abspath(folder)
    path = os.path.abspath(os.path.join(root, name))
    if "\0" in name or os.path.commonpath((root, path)) != root:
        raise ValueError(f"{name!r} leads out of its folder; give a name inside it.")
    return Path(path)


def model_folders() -> list[Path]:
    """The folders in which weights are looked for."""
    paths = _comfyui("folder_paths")
    if not paths:
        return list(_folders().models)
    folders: list[Path] = []
    for key in MODEL_FOLDERS:
        paths.add_model_folder_path(key, os.path.join(paths.models_dir, key))
        places, endings = paths.folder_names_and_paths[key]
        paths.folder_names_and_paths[key] = (places, {*endings, *SUFFIXES})
        folders += map(Path, places)
    for place in paths.folder_names_and_paths.get("custom_nodes", ([],))[0]:
        folders += sorted(Path(place).glob(_OTHERS_WEIGHTS))
    return folders


def offer_sample() -> None:
    """Puts the clip that the templates open with into ComfyUI's input folder, if it is not there.

    A page can load videos from that folder only, and marks a template red whose clip is missing.
    """
    paths = _comfyui("folder_paths")
    if not paths:
        return
    place = Path(paths.get_input_directory()) / SAMPLE.name
    with suppress(OSError):  # a folder that cannot be written to is no reason not to start
        if not place.exists():
            with whole_file(place) as part:
                shutil.copyfile(SAMPLE, part)


def list_models() -> dict[str, Path]:
    """Every weights file that can be loaded, by the name that LoadRIFE shows."""
    return list_weights(model_folders())


def model_names() -> list[str]:
    """The choices of LoadRIFE: weights files, then every published release by its number."""
    kept = {release.filename for release in RELEASES.values()}
    return [*(name for name in list_models() if name not in kept), *RELEASES]


def chosen_path(name: str) -> Path | None:
    """The file that `model_names` shows as `name`; None for a release that is not here yet.

    Raises:
        ValueError: no such name is shown (any more).
    """
    if name in RELEASES:
        return find_release(name, model_folders())
    return model_path(name)


def model_path(name: str) -> Path:
    """The file that `list_models` shows as `name`; no other name is taken.

    Raises:
        ValueError: there is no such file (any more).
    """
    models = list_models()
    if name not in models:
        raise ValueError(
            f"There is no weights file {name!r}. Found: {', '.join(models) or 'none'}. Put RIFE "
            f"weights ({', '.join(SUFFIXES)}) into {' or '.join(map(str, model_folders()))}, "
            "and reload the list."
        )
    return models[name]


def compute_device() -> torch.device:
    """The device that networks run on."""
    if management := _comfyui("comfy.model_management"):
        return management.get_torch_device()
    return default_device()


class Part(NamedTuple):
    """Which part of a clip the running node gets, where ComfyUI sends one through in parts.

    Attributes:
        key: the same for all parts of one clip at one node.
        number: counted from 0.
    """

    key: tuple[str, str]
    number: int


def running_part() -> Part | None:
    """The part that the running node gets of a clip that VideoHelperSuite's Meta Batch divides.

    The prompt tells: some node above takes frames from a batch manager, which counts the runs.
    """
    prompt, node_id = _running_prompt()
    for node in _above(prompt, node_id):
        for source in _sources(prompt[node]):
            if prompt.get(source, {}).get("class_type") == _BATCH_MANAGER:
                number = prompt[source]["inputs"].get("requeue", 0)
                return Part((source, node_id), int(number))
    return None


def running_after(pattern: re.Pattern[str]) -> str | None:
    """The class of a node above the running one that matches `pattern`, if there is one."""
    prompt, node_id = _running_prompt()
    classes = (str(prompt[node].get("class_type", "")) for node in _above(prompt, node_id))
    return next((name for name in classes if pattern.search(name)), None)


def running_item() -> int:
    """Which item of a list the running node gets, from 0; ComfyUI calls it for each in turn."""
    context = _running_context()
    return 0 if context is None else context.list_index or 0


def _running_context() -> Any:
    """ComfyUI's context of the running node; None if there is none."""
    execution = _comfyui("comfy_execution.utils")
    return execution.get_executing_context() if execution else None


def _running_prompt() -> tuple[dict[str, Any], str]:
    """The prompt that runs, and the id of its node; an empty one where ComfyUI does not tell."""
    context, server = _running_context(), sys.modules.get("server")
    instance = getattr(getattr(server, "PromptServer", None), "instance", None)
    if context is None or instance is None:
        return {}, ""
    for _, prompt_id, prompt, *_ in list(instance.prompt_queue.currently_running.values()):
        if prompt_id == context.prompt_id and context.node_id in prompt:
            return prompt, context.node_id
    return {}, ""


def _sources(node: dict[str, Any]) -> list[str]:
    """The nodes that a node of a prompt reads from."""
    values = node.get("inputs", {}).values()
    return [str(value[0]) for value in values if isinstance(value, list) and len(value) == 2]


def _above(prompt: dict[str, Any], node_id: str) -> Iterator[str]:
    """The nodes that `node_id` reads from, directly or not."""
    waiting, seen = [node_id] if node_id in prompt else [], {node_id}
    while waiting:
        for source in _sources(prompt[waiting.pop()]):
            if source in prompt and source not in seen:
                seen.add(source)
                waiting.append(source)
                yield source


def free_memory() -> int | None:
    """Bytes of memory that are free for frames; None where that is not known."""
    if management := _comfyui("comfy.model_management"):
        return int(management.get_free_memory(torch.device("cpu")))
    return _free_memory()


def as_advice(text: str) -> str:
    """What the engine says, in the words of the nodes."""
    return advice(text, installs=_comfyui("folder_paths") is not None)


@contextmanager
def advising() -> Generator[None]:
    """Lets errors of the engine speak in the words of the nodes."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        text = as_advice(str(error))
        if text == str(error):
            raise
        raise type(error)(text) from error


class RIFEModel:
    """What travels along a RIFE_MODEL wire: a network, its name, and how to run it.

    Args:
        network: float32, in evaluation mode. Read it; to change weights, take a
            `trainable_copy`.
        name: what to call it in reports.
        precision: "auto", "fp32", "bf16" or "fp16".
        backend: see `BACKENDS`.
        sampling: see `set_sampling`.

    Raises:
        ValueError: the compute device is not for that precision or backend, something that the
            backend needs is not installed, or the network does not take that sampling.
    """

    def __init__(
        self,
        network: RIFE,
        name: str,
        precision: str = "auto",
        backend: str = AUTO,
        sampling: str = AUTO,
    ) -> None:
        set_sampling(network, sampling)
        self.network = network
        self.name = name
        self.precision = precision
        self.dtype = resolve_precision(precision, compute_device())
        self.backend = resolve_backend(backend, compute_device())

    @classmethod
    def load(
        cls, name: str, precision: str = "auto", backend: str = AUTO, sampling: str = AUTO
    ) -> RIFEModel:
        """The model shown as `name`; a release that is not here is fetched.

        Raises ValueError or OSError where it cannot be read or had.
        """
        path = chosen_path(name)
        if path is None:
            with progress(f"Fetch RIFE {name}", unit="B") as report:
                path = fetch_release(name, model_folders()[0], report)
        network = load_release(name, path) if name in RELEASES else load_rife(path)
        return cls(network, name, precision, backend, sampling)

    def __str__(self) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        spec = self.network.spec
        ways = [f", {self.backend}"] if self.backend != EAGER else []
        if spec.sampling != get_spec(spec.version).sampling:
            ways.append(f", {spec.sampling}")
        return f"{self.name!r} (RIFE {spec.version}, {kind}, {compute_device()}{''.join(ways)})"

    @cached_property
    def working(self) -> RIFE:
        """The network in its precision, wherever it lies now: for asking, not for running."""
        network = self.network if self.dtype == torch.float32 else copy.deepcopy(self.network)
        set_precision(network, self.dtype)
        return network

    def ready(self, memory_required: int = 0) -> RIFE:
        """The network in its precision on the compute device, ready to run.

        Call it right before running: ComfyUI moves other models out of the way, and
        may later move this one.

        Args:
            memory_required: bytes that the run needs besides the weights.
        """
        if management := _comfyui("comfy.model_management"):
            management.load_models_gpu([self._patcher], memory_required=memory_required)
        # Where memory is short, ComfyUI leaves a plain module on the CPU without a word.
        network = self.working.to(compute_device())
        if network.backend is None:
            set_backend(network, self.backend)
        return network

    def planned(self, height: int, width: int, options: Options) -> tuple[RIFE, Plan]:
        """`ready` for the engine, with room for frames of that size; and the plan for them."""
        plan = first_plan(self.network, height, width, options, compute_device())
        return self.ready(plan.memory(self.network)), plan

    def trainable_copy(self) -> RIFE:
        """A float32 copy on the compute device whose weights can be trained.

        This model stays as it is. Nodes run in inference mode; train inside
        `with torch.inference_mode(False), torch.enable_grad():`.
        """
        with torch.inference_mode(False):
            return copy.deepcopy(self.network).to(compute_device()).requires_grad_()

    @cached_property
    def _patcher(self) -> Any:
        patcher = _comfyui("comfy.model_patcher").ModelPatcher(
            self.working,
            load_device=compute_device(),
            offload_device=_comfyui("comfy.model_management").unet_offload_device(),
        )

        def release(*_: Any) -> None:
            self.working.backend = None

        # When the weights make room for another model, so does what was compiled for them.
        patcher.add_callback("on_detach_after", release)
        return patcher


@dataclass(frozen=True)
class Video:
    """A VIDEO: frames in memory or decoded piece by piece, or a file that is read when needed.

    A file may be shown in part: from one moment of its own clock to another.

    Attributes:
        frames: B H W C in [0, 1]; the same a piece at a time; or the path of a video file.
        fps: frame rate of frames; a file knows its own, and the rest of this list too.
        audio: sound of frames.
        depth: bits that each of their colour values is worth.
        color: what their numbers mean.
        of_file: whether frames were decoded from a file, and not made in all their colours.
        window: of a file, when the part that is shown begins, and how long it is; 0: to the end.
    """

    frames: Tensor | Pieces | Path
    fps: Fraction | None = None
    audio: Audio | None = None
    depth: int = 8
    color: ColorTags = ColorTags()  # noqa: RUF009 - a named tuple, so never changed
    of_file: bool = False
    window: tuple[float, float] = (0.0, 0.0)

    def reader(self, *, skip_damaged: bool = False) -> VideoReader | MemoryReader:
        """Its frames and its sound; `skip_damaged` leaves out those that cannot be decoded."""
        if isinstance(self.frames, Path):
            return _shown(VideoReader(self.frames, skip_damaged=skip_damaged), *self.window)
        if isinstance(self.frames, Tensor):
            check_clip(self.frames)
        return MemoryReader(
            self.frames,
            self.fps or 1,
            audio=self.audio,
            depth=self.depth,
            color=self.color,
            chroma=None if self.of_file else "444",
        )


def _shown(reader: VideoReader, start: float, duration: float) -> VideoReader:
    """The part of a file that ComfyUI's video shows of it; a duration of 0 goes to the end.

    Raises:
        ValueError: no frame lies in it.
    """
    clock = reader.clock
    origin = round(reader.start / clock.tick)

    def frames_before(moment: float) -> int:  # the tick in which a moment lies belongs to it
        return bisect_left(clock.ticks, int(moment / clock.tick) - origin)

    first = frames_before(start)
    stop = frames_before(start + duration) if duration else clock.count
    if first >= stop:
        length = f" for {duration:g} s" if duration else ""
        raise ValueError(
            f"The video shows no frame: it is cut from {start:g} s on{length} out of a file that "
            f"lasts from {float(reader.start):g} s to {float(reader.start + clock.end):g} s."
        )
    if (first, stop) == (0, clock.count):
        return reader
    return VideoExcerpt(reader, first, stop - first)


class Pieces:
    """The frames of one of ComfyUI's videos, decoded a few seconds at a time.

    Each piece is the video trimmed by itself, so that whatever else was done to it (a crop, a
    trim, joining several) is done to the piece.

    Args:
        video: ComfyUI's video.
        fps: its frame rate.
        count: how many frames it has.
    """

    def __init__(self, video: Any, fps: Fraction, count: int) -> None:
        self._video, self._fps, self._count = video, fps, count
        self._length = max(2, _PIECE_BYTES // _frame_bytes(video))
        self.shape = torch.Size((count, *next(iter(self)).shape))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Tensor]:
        for piece in self._pieces():
            yield from _images(piece)

    def audio(self) -> Audio | None:
        """The sound of all pieces; None if no piece has sound."""
        sounds = [piece.audio for piece in self._pieces() if piece.audio]
        if not sounds:
            return None
        return {**sounds[0], "waveform": torch.cat([sound["waveform"] for sound in sounds], -1)}

    def _pieces(self) -> Iterator[Any]:
        # Half a frame early, so that rounding cannot move a frame into the piece beside.
        bounds = [
            max(0.0, float((index - Fraction(1, 2)) / self._fps))
            for index in range(0, self._count, self._length)
        ]
        bounds.append(float(self._count / self._fps))
        for begin, stop in pairwise(bounds):
            piece = self._video.as_trimmed(begin, stop - begin, strict_duration=False)
            if piece is not None:
                yield piece.get_components()


def _images(components: Any) -> Tensor:
    """The frames of a video's components, B H W C; transparency is the fourth channel."""
    images, alpha = components.images, getattr(components, "alpha", None)
    if alpha is None or images.shape[-1] != 3:
        return images
    return torch.cat((images, alpha.reshape(*images.shape[:3], 1).to(images)), -1)


def _frame_bytes(video: Any) -> int:
    width, height = video.get_dimensions()
    return 4 * 3 * width * height


def _as_frames(video: Any, of_file: bool) -> Video:
    """The frames of a video as it is shown; in pieces where they are too many for memory."""
    depth = video.get_bit_depth() if hasattr(video, "get_bit_depth") else 8
    space = video.get_color_space() if hasattr(video, "get_color_space") else None
    color = COLOR_SPACES.get(str(space), ColorTags())
    if of_file and hasattr(video, "as_trimmed"):
        fps = as_fraction(float(video.get_frame_rate()))
        count = ceil(round(video.get_duration() * fps, 3))
        if count * _frame_bytes(video) > _MOST_AT_ONCE and _counts_from_its_start(video):
            pieces = Pieces(video, fps, count)
            return Video(pieces, fps, pieces.audio(), depth, color, of_file)
    parts = video.get_components()
    fps = as_fraction(float(parts.frame_rate))
    return Video(_images(parts), fps, parts.audio, depth, color, of_file)


def _counts_from_its_start(video: Any) -> bool:
    """Whether a second trim means what it says: not after one that counts from the end."""
    return not any(
        name.endswith("start_time") and isinstance(value, int | float) and value < 0
        for name, value in vars(video).items()
    )


@contextmanager
def opened(video: Any) -> Generator[Video]:
    """What came along a VIDEO wire, as a `Video` that can be read while the block runs.

    ComfyUI's own videos are taken as a file where they are one, or a part of one, so that they
    need not be decoded into memory, and keep what only the file tells: when each frame is shown,
    depth and colours. Not so where frames would first have to be encoded.
    """
    api = None if isinstance(video, Video) else _comfyui("comfy_api.latest")
    if not isinstance(video, Video) and not (api and hasattr(video, "get_components")):
        raise ValueError(
            f"video is {shown(video)}; wire it from Load Video, or from a node that makes one."
        )
    if isinstance(video, Video):
        yield video
    elif type(video) is not api.InputImpl.VideoFromFile or (window := _window(video)) is None:
        in_memory = getattr(api.InputImpl, "VideoFromComponents", ())
        yield _as_frames(video, not isinstance(video, in_memory))
    elif isinstance(source := video.get_stream_source(), str | os.PathLike):
        yield Video(Path(source), window=window)
    else:
        path = temporary_path("")
        try:
            source.seek(0)
            write_whole(path, source.read())
            yield Video(path, window=window)
        finally:
            path.unlink(missing_ok=True)


def _window(video: Any) -> tuple[float, float] | None:
    """The part of its file that a video shows as it is; None where it is cropped or changed.

    Releases of ComfyUI differ in what they can do to a video, and not all of it can be asked
    for. So it is compared, attribute by attribute, with a fresh one of the same file. Of a class
    derived from it nothing is known; that is asked for its frames.
    """
    try:
        fresh = type(video)(video.get_stream_source())
    except TypeError:  # a kind of its own, which takes more than a file
        return None
    own, given = vars(fresh), vars(video)
    if own.keys() != given.keys():
        return None
    changed = {name.rpartition("__")[2]: given[name] for name in own if own[name] != given[name]}
    window = changed.pop("start_time", 0.0), changed.pop("duration", 0.0)
    is_meant = all(isinstance(time, int | float) and 0 <= time < inf for time in window)
    return None if changed or not is_meant else window


def video_of_file(path: Path) -> Any:
    """What to send along a VIDEO wire for a file; savers copy it as it is."""
    if api := _comfyui("comfy_api.latest"):
        return api.InputImpl.VideoFromFile(str(path))
    return Video(path)


def colours(frames: Tensor, name: str = "frames") -> Tensor:
    """Frames as what judges them reads: three colours in float32, without transparency.

    Shape:
        frames: B H W 1, 3 or 4, in [0, 1] or uint8; returns: B H W 3

    Raises:
        ValueError: they are no frames; `name` is what the input is called.
    """
    check_dense(frames)
    is_read = frames.dtype == torch.uint8 or frames.is_floating_point()
    if frames.ndim != 4 or frames.shape[-1] not in (1, 3, 4) or not is_read:
        raise ValueError(
            f"{name} has shape {tuple(frames.shape)}; expected frames (frames, height, width, "
            f"channels) of 1, 3 or 4 channels, floating point or uint8, and not {frames.dtype}."
        )
    frames = frames.float() if frames.is_floating_point() else frames / 255
    return frames[..., :3].expand(-1, -1, -1, 3)


JOIN = (
    "If the frames of one clip arrive as a list, join them first: Rebatch Images, with a batch "
    "size of all of them."
)
"""What to do where a node is called for each frame of a clip by itself."""


def check_enough(frames: Tensor, needed: int, what: str) -> None:
    """Raises a ValueError where a clip has fewer frames than `what` needs."""
    count = len(frames)
    if count < needed:
        join = f" {JOIN}" if count == 1 else ""
        raise ValueError(f"{what} needs {needed} frames or more; found {count}.{join}")


def work(function: _C) -> _C:
    """A node's function, whose arguments are checked, and whose errors speak of its inputs.

    Too little memory, whoever tells of it, becomes the error for which ComfyUI frees its own.
    """
    function = checked(function)

    @wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        try:
            with advising():
                return function(*args, **options)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, torch.OutOfMemoryError) or not is_out_of_memory(error):
                raise
            asked = re.search(r"allocate (\d+) bytes", str(error))
            size = f": {int(asked[1]) / 2**30:,.1f} GiB more are needed" if asked else ""
            raise torch.OutOfMemoryError(
                f"There is not enough memory{size}. Give fewer or smaller frames."
            ) from error

    return run  # pyright: ignore[reportReturnType]


class Outputs(dict[str, Any]):
    """What a node returns when it reports something: its outputs, and the text shown on it.

    Unpacks as the plain tuple of outputs does, for scripts that call nodes themselves.

    Example:
        >>> number, report = Outputs((3, "three were made"))
    """

    def __init__(self, result: tuple[Any, ...], text: str | None = None) -> None:
        super().__init__(ui={"text": (result[-1] if text is None else text,)}, result=result)

    def __iter__(self) -> Iterator[Any]:
        return iter(self["result"])


class Progress:
    """Moves the progress bar: call it with what is done and the total (None: not known).

    In ComfyUI a call raises once the user cancelled; let that exception pass.
    """

    def __init__(self, report: Callable[[int, int | None, Tensor | None], None]) -> None:
        self._report = report
        self._picture: Tensor | None = None
        self._shown = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        """Reports; a picture goes along where one is due."""
        due = time.monotonic() - self._shown >= _PREVIEW_SECONDS
        picture = self._picture if due else None
        if picture is not None:
            self._shown = time.monotonic()
        self._report(done, total, picture)

    def show(self, frame: Tensor) -> None:
        """Takes H W C in [0, 1] or 8 bit to show with a report, unless one was shown just now."""
        self._picture = frame


def _preview(frame: Tensor) -> Any:
    """A picture as ComfyUI's progress bar takes it."""
    image = importlib.import_module("PIL.Image")  # ComfyUI brings it along; nobody else needs it
    step = max(1, max(frame.shape[:2]) // _PREVIEW_SIDE)
    small = frame[::step, ::step, :3].cpu()
    if small.is_floating_point():
        small = small.float().clamp(0, 1).mul(255).byte()
    array = small.expand(-1, -1, 3).contiguous().numpy()  # grey ones have one channel
    return "JPEG", image.fromarray(array), _PREVIEW_SIDE


@contextmanager
def progress(title: str, unit: str = "frame") -> Generator[Progress]:
    """A progress bar while the block runs.

    Example:
        with progress("InterpolateFrames") as report:
            report(1, 48)
    """
    if management := _comfyui("comfy.model_management"):
        bar = _comfyui("comfy.utils").ProgressBar(1)

        def report(done: int, total: int | None, picture: Tensor | None) -> None:
            management.throw_exception_if_processing_interrupted()
            preview = None if picture is None else _preview(picture)
            bar.update_absolute(done, total or done + 1, preview)

        yield Progress(report)
        return
    with tqdm(desc=title, unit=unit, leave=False) as line:

        def count(done: int, total: int | None, _: Any) -> None:
            line.total = total
            line.update(done - line.n)

        yield Progress(count)
