"""Fetching a published network, and all that a server may do instead of sending it."""

import hashlib
import pickle
import re
import time
from pathlib import Path

import pytest
import torch
from rife_video.rife_core.checkpoints import fetch
from rife_video.rife_core.checkpoints.download import FetchError, download
from rife_video.rife_core.checkpoints.fetch import fetch_release
from rife_video.rife_core.checkpoints.published import (
    find_release,
    load_release,
    verify_release,
)
from support import ASSET, LITE, OTHER, nothing_left, released


def test_no_index_host_stands_in_the_code():
    source = Path(fetch.__file__).read_text()
    assert set(re.findall(r"https?://([\w.-]+)", source)) == {"github.com"}


@pytest.mark.long
def test_an_asset_becomes_safetensors_with_its_digest(server, files, tmp_path):
    server.answers[f"/{ASSET}"] = {"body": files[LITE]}
    told = []
    path = fetch_release(LITE, tmp_path / "new", lambda done, total: told.append((done, total)))
    assert path == tmp_path / "new" / f"rife_v{LITE}.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (path.parent / f"{path.name}.sha256").read_text() == f"{digest}  {path.name}\n"
    assert told[-1] == (len(files[LITE]), len(files[LITE]))
    expected = released(LITE).state_dict()
    found = load_release(LITE, path).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.sha256"]
    assert find_release(LITE, [tmp_path / "new"]) == path
    assert "digest as fetched" in verify_release(LITE, path)


def test_a_redirect_is_followed(server, files, tmp_path):
    server.answers[f"/{ASSET}"] = {"status": 302, "headers": {"Location": "/elsewhere"}}
    server.answers["/elsewhere"] = {"body": files[LITE]}
    assert fetch_release(LITE, tmp_path).is_file()


def test_what_breaks_off_once_is_asked_for_again(server, files, tmp_path):
    body = files[LITE]
    server.answers[f"/{ASSET}"] = [
        {"body": body[:9000], "length": len(body)},
        {"body": body},
    ]
    assert fetch_release(LITE, tmp_path).is_file()
    assert server.asked == [f"/{ASSET}"] * 2


def test_the_next_address_is_asked_where_one_fails(server, files, tmp_path):
    server.answers[f"/public/model/{ASSET}"] = {"body": files[LITE]}
    assert fetch_release(LITE, tmp_path).is_file()
    assert server.asked == [f"/{ASSET}", f"/public/model/{ASSET}"]


def test_a_mirror_may_be_a_folder(server, files, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / ASSET).write_bytes(files[LITE])
    monkeypatch.setenv(fetch.MIRRORS, mirror.as_uri())
    assert fetch_release(LITE, tmp_path / "here").is_file()
    assert server.asked == []


class _Evil:
    def __reduce__(self):
        return print, ("run",)


LIES = {
    "absent": (None, "answered 404"),
    "broken off": ({"body": b"x" * 5000, "length": 90000}, "5000 of 90000 bytes|more expected"),
    "shorter than it is": ({"body": b"x" * 5000, "length": 100}, "damaged"),
    "web page": (
        {"body": b"<html>sign in</html>", "headers": {"Content-Type": "text/html; charset=utf-8"}},
        "a web page instead",
    ),
    "empty": ({"body": b""}, "is empty"),
    "garbage": ({"body": b"garbage" * 999}, "damaged or no weights file|refused"),
    "code": ({"body": pickle.dumps(_Evil())}, "refused"),
    "too long": ({"body": b"", "length": 1 << 40}, "far too many"),
    "an error": ({"status": 500}, "answered 500"),
    "a circle": (
        {"body": b"", "headers": {"Location": f"/{ASSET}"}, "status": 302},
        "answered 302 .*infinite loop",
    ),
    "nonsense": ({"body": b"", "headers": {"Location": "nowhere"}, "status": 302}, "answered|no"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies(server, tmp_path, capfd, lie):
    answer, message = LIES[lie]
    if answer is not None:
        server.answers = {f"/{ASSET}": answer, f"/public/model/{ASSET}": answer}
    with nothing_left(tmp_path), pytest.raises(FetchError) as error:
        fetch_release(LITE, tmp_path)
    assert re.search(message, str(error.value)), error.value
    assert str(error.value).endswith(f"Put {ASSET} of HolyWu/vs-rife into {tmp_path}.")
    assert "\n" not in str(error.value)
    assert capfd.readouterr().out == ""


def test_another_release_is_not_taken(server, files, tmp_path):
    server.answers[f"/{ASSET}"] = {"body": files[OTHER]}
    with nothing_left(tmp_path), pytest.raises(FetchError, match=r"should hold RIFE 4\.22\.lite"):
        fetch_release(LITE, tmp_path)


def test_a_server_that_stalls_is_left(server, tmp_path):
    server.answers[f"/{ASSET}"] = {"body": b"x" * 9, "length": 99, "stall": True}
    begun = time.monotonic()
    with nothing_left(tmp_path), pytest.raises(FetchError, match="timed out"):
        fetch_release(LITE, tmp_path, patience=0.3)
    assert time.monotonic() - begun < 5


def test_cancelling_does_not_wait_for_a_server_that_stalls(server, tmp_path):
    server.answers[f"/{ASSET}"] = {"body": b"x" * 9, "length": 99, "stall": True}

    class Cancelled(Exception):  # noqa: N818
        pass

    def cancel(done, total):
        raise Cancelled

    begun = time.monotonic()
    with nothing_left(tmp_path), pytest.raises(Cancelled):
        fetch_release(LITE, tmp_path, cancel)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("value", ["1", "true"])
def test_offline_nothing_is_asked(server, tmp_path, monkeypatch, value):
    monkeypatch.setenv(fetch.OFFLINE, value)
    with nothing_left(tmp_path), pytest.raises(FetchError, match="RIFE_VIDEO_OFFLINE is set") as e:
        fetch_release(LITE, tmp_path, from_index=True)
    assert str(tmp_path) in str(e.value)
    assert server.asked == []


@pytest.mark.parametrize(
    "base",
    ["ftp://example.org", "/etc", "javascript:x", "http://[", "http://a:99999", "http://", "http:"],
)
def test_only_some_addresses_are_asked(server, tmp_path, monkeypatch, base):
    """A mirror that is none is said before anything is asked."""
    monkeypatch.setenv(fetch.MIRRORS, f"file:///none {base}")
    with nothing_left(tmp_path), pytest.raises(FetchError, match="variable RIFE_VIDEO_MIRRORS"):
        fetch_release(LITE, tmp_path)
    assert server.asked == []
    with pytest.raises(FetchError, match="is no address"):
        download(f"{base}/x", tmp_path / "x", lambda *_: None)


def test_where_an_index_has_it_the_sentence_says_so(server, tmp_path):
    with pytest.raises(FetchError, match=r"weights get 3\.8 --models"):
        fetch_release("3.8", tmp_path)
    assert server.asked == ["/model38/flownet.pkl", "/public/model38/flownet.pkl"]


@pytest.mark.long
def test_a_release_of_three_files_is_fetched_whole(server, early_files, tmp_path):
    for name, content in early_files.items():
        server.answers[f"/{name}"] = {"body": content}
    told = []
    path = fetch_release("3.1", tmp_path / "a", lambda done, total: told.append((done, total)))
    assert load_release("3.1", path).spec.version == "3.1"
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (sum(map(len, early_files.values())), None)
    del server.answers["/model31/unet.pkl"]
    with nothing_left(tmp_path / "b"), pytest.raises(FetchError, match="answered 404") as error:
        fetch_release("3.1", tmp_path / "b")
    assert "Put model31/flownet.pkl, model31/contextnet.pkl, model31/unet.pkl of" in str(
        error.value
    )
