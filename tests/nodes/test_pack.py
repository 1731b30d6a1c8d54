"""The files that ComfyUI's manager and registry read."""

import re
from pathlib import Path

import pytest
import rife_video

PACK = Path(rife_video.__file__).parent


def test_requirements_are_the_dependencies_without_torch():
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((PACK / "pyproject.toml").read_text())["project"]
    lines = (PACK / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    others = [line for line in project["dependencies"] if not re.match(r"torch\b", line)]
    assert wanted == others


def test_only_host_imports_comfyui():
    pattern = re.compile(r"^\s*(from|import)\s+(comfy|folder_paths|server|nodes)\b", re.MULTILINE)
    for folder in ("nodes", "rife_core", "workflows"):
        for path in (PACK / folder).rglob("*.py"):
            assert path.name == "host.py" or not pattern.search(path.read_text()), path
