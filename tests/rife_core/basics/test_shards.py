"""A file in shards is whole, or is not there."""

import pytest
from rife_video.rife_core.basics.shards import files_of, write_shards


def joined(path):
    return b"".join(file.read_bytes() for file in files_of(path))


def test_what_was_there_before_is_replaced(tmp_path):
    path = tmp_path / "weights[1].safetensors"
    path.write_bytes(b"an older one, whole")
    write_shards(path, b"0123456789", 3)
    assert joined(path) == b"0123456789"
    files = write_shards(path, b"abcd", 2)
    assert files == files_of(path) == sorted(tmp_path.iterdir())
    assert joined(path) == b"abcd"


def test_where_one_cannot_be_written_none_is_new(tmp_path, monkeypatch):
    path = tmp_path / "state"
    write_shards(path, b"abcd", 2)
    full = type(path).write_bytes

    def write_bytes(self, data):
        if bytes(data) == b"EF":
            raise OSError("no space left")
        return full(self, data)

    monkeypatch.setattr(type(path), "write_bytes", write_bytes)
    with pytest.raises(OSError, match="no space"):
        write_shards(path, b"ABCDEF", 2)
    assert joined(path) == b"abcd"
    assert len([*tmp_path.iterdir()]) == 2


def test_the_first_one_comes_last(tmp_path, monkeypatch):
    """Who waits for the first one finds the others."""
    path, seen = tmp_path / "state", []
    replace = type(path).replace

    def renamed(self, target):
        seen.append(target.name)
        return replace(self, target)

    monkeypatch.setattr(type(path), "replace", renamed)
    write_shards(path, b"abcde", 2)
    assert seen == ["state.002", "state.001", "state.000"]
