"""rife-video train."""

from rife_video.rife_core.cli import main


def test_train_mixes_real_clips_in_and_goes_on(clip, tmp_path):
    config = tmp_path / "real.toml"
    config.write_text(
        f"""
        row = "4.6"
        channels = [8, 8, 8, 8]
        clips = ["{clip.parent.as_posix()}"]
        log_every = 1
        [scenes]
        size = 64
        layers = 1
        textures = 2
        texture_size = 64
        [[stages]]
        steps = 4
        batch = 2
        lr = 1e-3
        real = 0.5
        weights = {{ flow = 0.1, frame = 1.0 }}
        """
    )
    arguments = ["train", str(config), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*arguments, "--until", "2"]) == 0
    assert main(arguments) == 0
    rows = [line.split(",") for line in (tmp_path / "out/log.csv").read_text().splitlines()]
    flow = rows[0].index("flow")
    assert [bool(row[flow]) for row in rows[1:]] == [True, False, True, False]


def test_train_names_a_mistake(tmp_path, capsys):
    (tmp_path / "bad.toml").write_text('row = "4.6"')
    assert main(["train", str(tmp_path / "bad.toml")]) == 1
    assert "needs at least one" in capsys.readouterr().err
