"""What downloading survives: servers that stall, break off or never end."""

import pytest
from rife_video.rife_core.checkpoints.download import FetchError, download


def test_endless_answers_end(server, tmp_path):
    server.answers["/endless"] = {"body": b"x" * 300_000, "length": None}
    with pytest.raises(FetchError, match="sent more than 100000 bytes"):
        download(f"{server.base}/endless", tmp_path / "file", lambda *_: None, largest=100_000)
