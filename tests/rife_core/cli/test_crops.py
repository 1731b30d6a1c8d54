"""rife-video crops, and training on what it writes."""

from rife_video.__main__ import main
from rife_video.rife_core.training import taught
from support import ASSET, LITE


def test_the_command_writes_crops_and_training_takes_them(clip, files, tmp_path, monkeypatch):
    monkeypatch.setattr(taught, "PER_FILE", 2)
    (tmp_path / ASSET).write_bytes(files[LITE])
    arguments = ["crops", str(clip), "--out", str(tmp_path / "crops"), "--files", "1"]
    arguments += ["--teacher", "default@0.5", "--teacher", LITE, "--models", str(tmp_path)]
    assert main([*arguments, "--device", "cpu"]) == 0
    config = tmp_path / "taught.toml"
    config.write_text(
        """
        row = "4.6"
        channels = [8, 8, 8, 8]
        taught = "crops"
        log_every = 1
        [scenes]
        size = 64
        layers = 1
        textures = 2
        texture_size = 64
        pictures = 1.0
        [[stages]]
        steps = 4
        batch = 2
        lr = 1e-3
        real = 0.5
        coarser = 0.5
        weights = { flow = 0.1, frame = 1.0, taught = 1.0 }
        [stages.coarse]
        share = 0.25
        scales = [2, 1]
        batch = 4
        scenes = { size = 32 }
        """
    )
    arguments = ["train", str(config), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main(arguments) == 0
    rows = [line.split(",") for line in (tmp_path / "out/log.csv").read_text().splitlines()]
    columns = {name: [bool(row[rows[0].index(name)]) for row in rows[1:]] for name in rows[0]}
    assert columns["taught"] == [False, True, False, False]  # scenes, crops, scenes, coarse
    assert columns["flow"] == [True, False, True, True]
