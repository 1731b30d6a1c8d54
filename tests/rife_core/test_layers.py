"""Arrows between the folders go one way, old module paths still work, and nothing is lost."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import rife_video

PACK = Path(rife_video.__file__).resolve().parent
CORE = PACK / "rife_core"
LAYERS = [
    {"rife_core/basics"},
    {"rife_core/timeline", "rife_core/ops", "rife_core/charts"},
    {"rife_core/networks"},
    {"rife_core/inference", "rife_core/video"},
    {"rife_core/checkpoints"},
    {"rife_core/engine", "rife_core/losses"},
    {"rife_core/rife", "rife_core/files"},
    {"rife_core/training", "rife_core/benchmark"},
    {"rife_core/__init__"},
    {"rife_core/cli"},
    {"nodes"},
    {"workflows"},
    {"__init__", "__main__", "setup", "vapoursynth", "wan2gp"},
]
"""From the lowest to the highest: a module may import what is below it, and its own folder."""


def imports(path):
    """Files that a file imports, wherever in it, relative to the pack's folder."""
    here = path.parent.relative_to(PACK).parts
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        folder = here[: len(here) - node.level + 1]
        target = PACK.joinpath(*folder, *(node.module or "").split(".")).resolve()
        for name in node.names:
            for file in (target / f"{name.name}.py", target / name.name / "__init__.py"):
                if file.is_file():
                    yield file.relative_to(PACK)
                    break
            else:
                module = target.with_suffix(".py")
                file = module if module.is_file() else target / "__init__.py"
                yield file.relative_to(PACK)


def room(file):
    """The folder of the table that a file belongs to."""
    parts = file.with_suffix("").parts
    return "/".join(parts[:2]) if parts[0] == "rife_core" else parts[0]


def sources():
    files = [path for path in PACK.rglob("*.py") if room(path.relative_to(PACK)) in FLOOR]
    assert len(files) > 100
    return files


COMFYUI = {"comfy", "comfy_api", "comfy_execution", "folder_paths", "nodes", "server"}
"""ComfyUI's own modules; `nodes` is one of them wherever it is not imported relatively."""

FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}


def test_no_arrow_goes_upward():
    upward = set()
    for path in sources():
        here = room(path.relative_to(PACK))
        for file in imports(path):
            there = room(file)
            if there != here and FLOOR[there] >= FLOOR[here]:
                upward.add(f"{path.relative_to(PACK)} imports {file}")
    assert not upward, "\n".join(sorted(upward))


def absolute_imports(path):
    """Names of the modules that a file imports absolutely, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def test_the_pack_imports_itself_relatively_and_comfyui_never():
    """In ComfyUI the pack's folder has any name."""
    forbidden = COMFYUI | {"rife_video", "rife_core", "workflows"}
    found = {
        f"{path.relative_to(PACK)} imports {name}"
        for path in sources()
        for name in absolute_imports(path)
        if name.partition(".")[0] in forbidden
    }
    assert not found, "\n".join(sorted(found))


OTHERS = "rife_core/benchmark/peers.py"
"""Runs other packs, which import ComfyUI."""


def test_only_the_host_asks_for_comfyui():
    """Where it is not there, none of its modules is missed."""
    asked = re.compile(rf'"({"|".join(COMFYUI - {"nodes"})})(\.[\w.]+)?"')
    for path in sources():
        name = path.relative_to(PACK).as_posix()
        if not name.startswith(("nodes/host/", OTHERS)):
            assert not asked.search(path.read_text()), name


def test_every_file_of_the_core_has_a_floor():
    for path in CORE.rglob("*.py"):
        assert room(path.relative_to(PACK)) in FLOOR


def test_the_core_can_be_taken_in_at_a_glance():
    assert len([path for path in CORE.iterdir() if path.name != "__pycache__"]) <= 16


def test_the_core_does_not_know_what_is_above_it_even_by_name():
    for path in CORE.rglob("*.py"):
        text = path.read_text()
        assert not any(f"{above}." in text for above in ("rife_video.nodes", ".workflows"))


def test_the_wheel_holds_every_folder(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    copy = tmp_path / "pack"
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=PACK, capture_output=True, text=True
    ).stdout.split()
    if not files:
        pytest.skip("not a checkout")
    for name in files:
        if (PACK / name).is_file() and not name.startswith("tests/"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((PACK / name).read_bytes())
    subprocess.run(
        [*command, "--no-build-isolation", "--wheel-dir", str(tmp_path), str(copy)], check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = [path.relative_to(PACK) for path in sources() if path.name != "setup.py"]
    assert {f"rife_video/{path}" for path in wanted} <= held
    assert "rife_video/weights/default.safetensors" in held
