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
