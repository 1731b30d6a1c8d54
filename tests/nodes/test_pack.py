"""The files that ComfyUI's manager and registry read."""

import re
from pathlib import Path

import rife_video
from support import pyproject

PACK = Path(rife_video.__file__).parent


def test_requirements_are_the_dependencies_without_torch():
    project = pyproject()["project"]
    lines = (PACK / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    others = [line for line in project["dependencies"] if not re.match(r"torch\b", line)]
    assert wanted == others


def test_the_registry_entry():
    entry = pyproject()["tool"]["comfy"]
    assert (PACK / entry["Icon"]).is_file()
    oldest = entry["requires-comfyui"].removeprefix(">=")
    jobs = PACK / ".github/workflows/test.yml"
    if jobs.is_file():
        assert f"release: [latest, v{oldest}]" in jobs.read_text()


def test_every_page_workflow_has_a_thumbnail():
    pages = {path.stem for path in (PACK / "workflows").glob("*.json")}
    pictures = {path.stem: path for path in (PACK / "workflows").glob("*.jpg")}
    assert pages == set(pictures)
    for path in pictures.values():
        assert path.read_bytes()[:2] == b"\xff\xd8", "a JPEG file"
        assert path.stat().st_size < 50_000


def test_the_pack_imports_itself_relatively():
    """ComfyUI loads it under a name of its own. (A linter takes its folder's name into account.)"""
    pattern = re.compile(r"^\s*(from|import)\s+rife_video\b", re.MULTILINE)
    for folder in ("nodes", "rife_core", "workflows"):
        for path in (PACK / folder).rglob("*.py"):
            assert not pattern.search(path.read_text()), path


def test_only_host_imports_comfyui():
    pattern = re.compile(r"^\s*(from|import)\s+(comfy|folder_paths|server|nodes)\b", re.MULTILINE)
    for folder in ("nodes", "rife_core", "workflows"):
        for path in (PACK / folder).rglob("*.py"):
            assert path.name == "host.py" or not pattern.search(path.read_text()), path
