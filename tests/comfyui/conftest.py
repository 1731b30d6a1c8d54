"""A real ComfyUI server with this pack in it, for the tests in this folder."""

import json
import os
import shutil
from pathlib import Path

import pytest
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.tests.comfyui.real_server import started

ROOT = Path(__file__).parents[2]
HOW = (
    "set COMFYUI_PATH to a checkout of ComfyUI and COMFYUI_PYTHON to a Python that has its "
    "requirements; setup_server.py beside this file makes one"
)
CHECKOUT, PYTHON = (os.environ.get(name) for name in ("COMFYUI_PATH", "COMFYUI_PYTHON"))


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.comfyui)
            if not (CHECKOUT and PYTHON):
                item.add_marker(pytest.mark.skip(reason=HOW))


# A node of the tests' own: a video that lies in memory as the bytes of a file.
BYTES_NODE = """
from io import BytesIO
from comfy_api.latest import InputImpl

class VideoInBytes:
    RETURN_TYPES = ("VIDEO",)
    FUNCTION = "load"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"video": ("VIDEO",)}}

    def load(self, video):
        with open(video.get_stream_source(), "rb") as file:
            return (InputImpl.VideoFromFile(BytesIO(file.read())),)

NODE_CLASS_MAPPINGS = {"VideoInBytes": VideoInBytes}
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory, clip_file, network):
    pytest.importorskip("aiohttp")
    base = tmp_path_factory.mktemp("comfyui")
    for folder in ("custom_nodes", "input", "models/rife"):
        (base / folder).mkdir(parents=True)
    (base / "custom_nodes/rife_video").symlink_to(ROOT)
    for pack in map(Path, filter(None, os.environ.get("COMFYUI_PACKS", "").split(os.pathsep))):
        shutil.copytree(pack, base / "custom_nodes" / pack.name)  # some write into their folder
    (base / "custom_nodes/video_in_bytes.py").write_text(BYTES_NODE)
    (base / "input/clip.mp4").symlink_to(clip_file)
    save_rife(network, base / "models/rife/small.safetensors")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "weights").mkdir()
    save_rife(network, elsewhere / "weights/elsewhere.safetensors")
    extra_paths = base / "extra_model_paths.yaml"
    extra_paths.write_text(f"more:\n  base_path: {elsewhere}\n  rife: weights\n")
    arguments = ["--extra-model-paths-config", str(extra_paths)]
    arguments += os.environ.get("COMFYUI_ARGS", "").split()
    with started(CHECKOUT, PYTHON, base, *arguments) as server:
        yield server


def with_small_weights(name):
    """A workflow of the repository with the small weights."""
    content = json.loads((ROOT / f"workflows/api/{name}.api.json").read_text())
    for node in content.values():
        if node["class_type"] == "LoadRIFE":
            node["inputs"]["model_name"] = "small.safetensors"
    return content


@pytest.fixture
def graph():
    """interpolate_clip with the small weights."""
    return with_small_weights("interpolate_clip")
