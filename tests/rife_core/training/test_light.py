"""Training runs where only torch, numpy, safetensors and einops are installed."""

import subprocess
import sys

SCRIPT = """
import sys
for name in ("av", "kornia", "tqdm", "cv2", "matplotlib", "PIL", "scipy", "aiohttp"):
    sys.modules[name] = None
from rife_video.rife_core.cli import main
raise SystemExit(main(sys.argv[1:]))
"""

CONFIG = """
row = "4.6"
channels = [8, 8, 8, 8]
log_every = 1
preview_every = 2
[scenes]
size = 32
layers = 1
textures = 2
texture_size = 64
[[stages]]
steps = 2
batch = 2
lr = 1e-3
"""


def test_the_command_needs_little(tmp_path):
    (tmp_path / "tiny.toml").write_text(CONFIG)
    out = tmp_path / "out"
    arguments = ["train", str(tmp_path / "tiny.toml"), "--out", str(out), "--shard-mib", "1"]
    subprocess.run([sys.executable, "-c", SCRIPT, *arguments], check=True, timeout=120)
    made = {path.name for path in out.iterdir()}
    assert {"weights.safetensors", "log.csv", "curve.svg", "preview.png", "state.pt.000"} <= made
    assert max(path.stat().st_size for path in out.iterdir()) <= 1 << 20
