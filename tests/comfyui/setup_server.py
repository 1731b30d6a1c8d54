"""Sets up a Python in which a ComfyUI checkout runs, for the tests in this folder.

    python tests/comfyui/setup_server.py CHECKOUT FOLDER [--page VERSION]

It makes a virtual environment in FOLDER/env, puts every page asked for under FOLDER/pages and
prints the variables that the tests read. A PyTorch that this Python has already is used as it
is. torchvision and torchaudio are then installed without their dependencies, and freed of
binaries that were built against another PyTorch: nothing that the tests run calls them.
"""

import argparse
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

OWN_TORCH = ("torch", "torchvision", "torchaudio")
PAGE = "comfyui-frontend-package"
# Declared, though without an implementation, so that torchvision imports beside any PyTorch.
DECLARED = """import torch as _torch
_ops = _torch.library.Library("torchvision", "FRAGMENT")
for _schema in (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
):
    try:
        _ops.define(_schema)
    except RuntimeError:
        pass  # the binary declared it
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, help="a checkout of ComfyUI")
    parser.add_argument("folder", type=Path, help="where the environment and the pages go")
    parser.add_argument(
        "--page",
        action="append",
        default=[],
        metavar="VERSION",
        help="a page to try beside the one that the checkout asks for, or 'latest'",
    )
    options = parser.parse_args()
    folder = options.folder.resolve()
    python = folder / "env/bin/python"
    if not python.exists():
        subprocess.run(
            [sys.executable, "-m", "venv", "--system-site-packages", str(folder / "env")],
            check=True,
        )

    def pip(*arguments):
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *arguments], check=True)

    lines = (options.checkout / "requirements.txt").read_text().splitlines()
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    pinned = [line for line in wanted if re.split(r"[<>=~! ]", line)[0] not in OWN_TORCH]
    if find_spec("torch"):
        pip("--no-deps", "torchvision", "torchaudio", "spandrel", "torchsde", "trampoline")
        needs_torch = ("spandrel", "torchsde")
        pinned = [line for line in pinned if line not in needs_torch]
        detach_from_torch(python)
    else:
        pinned = wanted
    # Newer releases of transformers have left behind what ComfyUI imports.
    pip("transformers<5", "setuptools>=77", *(p for p in pinned if "transformers" not in p))
    print(f"export COMFYUI_PATH={options.checkout.resolve()}")
    print(f"export COMFYUI_PYTHON={python}")
    for version in options.page:
        place = folder / "pages" / version
        name = PAGE if version == "latest" else f"{PAGE}=={version}"
        if not place.is_dir():
            pip("--no-deps", "--target", str(place), name)
        print(f'export COMFYUI_ARGS="--front-end-root {place / "comfyui_frontend_package/static"}"')


def detach_from_torch(python):
    """Keeps torchvision and torchaudio from loading binaries of another PyTorch."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    site = Path(found.stdout.strip())
    for binary in site.glob("torchaudio/lib/*.so"):
        binary.unlink()
    init = site / "torchvision/__init__.py"
    text = init.read_text()
    if DECLARED not in text:
        init.write_text(DECLARED + text)


if __name__ == "__main__":
    main()
