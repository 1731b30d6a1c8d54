"""Addresses and headers; what goes over the wire is tried in tests/hostile."""

import os

import pytest

pytest.importorskip("aiohttp")

from rife_video.workflows.client import connection
from rife_video.workflows.client.connection import _server_url, _WatchedFile, check_headers
from rife_video.workflows.client.patience import Deadline
from rife_video.workflows.graph import WorkflowError


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1:8188", "http://127.0.0.1:8188"),
        ("https://gpu.example/comfy?x=1#y", "https://gpu.example/comfy"),
        ("http://[::1]:8188", "http://[::1]:8188"),
    ],
)
def test_addresses(address, url):
    found, headers = _server_url(address)
    assert str(found).rstrip("/") == url
    assert headers == {}


def test_a_login_is_sent_and_not_shown():
    url, headers = _server_url("http://me:secret@host")
    assert "secret" not in str(url)
    assert headers == {"Authorization": "Basic bWU6c2VjcmV0"}


@pytest.mark.parametrize("address", ["ftp://host", "http://", "http://a b", "http://host:port"])
def test_what_is_no_address(address):
    with pytest.raises(WorkflowError, match="is no address of a server"):
        _server_url(address)


def test_headers():
    check_headers({"Authorization": "Bearer k\u00e9y"})
    for bad in ({"": "x"}, {"A B": "x"}, {"A": "x\r\nB: y"}):
        with pytest.raises(WorkflowError, match="cannot be sent"):
            check_headers(bad)


@pytest.mark.parametrize("closed", [True, False])
def test_a_file_that_was_closed_meanwhile_has_not_changed(tmp_path, monkeypatch, closed):
    """An answer that comes early ends an upload, and the handle's number may be another file's."""
    clip, other = tmp_path / "clip.mp4", tmp_path / "other"
    clip.write_bytes(b"clip")
    other.write_bytes(b"another")
    with _WatchedFile(clip, Deadline(10)) as content:

        def fstat(_):
            if closed:
                content.close()
            return os.stat(other)

        monkeypatch.setattr(connection.os, "fstat", fstat)
        with pytest.raises(OSError, match="has changed while it was sent"):
            content.read()
        monkeypatch.undo()
        assert bool(content.fault) != closed
