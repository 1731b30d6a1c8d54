"""What is there and what is missing."""

from rife_video.rife_core.cli import doctor, main
from rife_video.rife_core.video import ENCODER_TABLE


def test_everything_is_named(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "FFmpeg in PyAV: libavcodec" in out
    assert "taken by default: " in out
    assert "x264 (libx264): works" in out
    assert "ffv1 (ffv1): works" in out
    assert all(f"  {name} ({row.codec}): " in out for name, row in ENCODER_TABLE.items())
    assert "  default\n" in out


def test_what_is_missing_is_said(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "_NEEDED", ("torch", "no-such-package"))
    monkeypatch.setattr(doctor, "_EXTRAS", {"no_such_extra": "something"})
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "no-such-package is missing, and needed" in out
    assert "no_such_extra is not there (something)" in out
