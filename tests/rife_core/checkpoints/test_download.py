"""What downloading survives: servers that stall, break off or never end."""

import pytest
from rife_video.rife_core.checkpoints.download import FetchError, download, is_address

BODY = b"x" * 100_000


@pytest.fixture
def fetched(server, tmp_path):
    """`fetched(answer, ...)` downloads what the server answers: the bytes, and what was told."""

    def fetched(*answers, **options):
        server.answers["/file"], told = list(answers), []
        path = download(
            f"{server.base}/file", tmp_path / "file", lambda *done: told.append(done), **options
        )
        return path.read_bytes(), told

    return fetched


@pytest.mark.parametrize("total", [len(BODY), None])
def test_a_file_comes_whole_and_all_of_it_is_told(fetched, server, total):
    content, told = fetched({"body": BODY, "length": total})
    assert content == BODY
    assert told[-1] == (len(BODY), total)
    assert server.asked == ["/file"]


BROKEN = {"body": BODY[:9000], "length": len(BODY)}


def test_what_breaks_off_is_asked_for_twice(fetched, server):
    assert fetched(BROKEN, {"body": BODY})[0] == BODY
    server.asked.clear()
    with pytest.raises(FetchError, match=r"broke off after 9000 of 100000 bytes|more expected"):
        fetched(BROKEN)
    assert server.asked == ["/file"] * 2


def test_a_server_that_says_no_is_asked_once(fetched, server):
    with pytest.raises(FetchError, match=r"^the server answered 404 Not Found$"):
        fetched({"status": 404})
    assert server.asked == ["/file"]


def test_without_a_server_the_reason_is_said_without_numbers(tmp_path):
    with pytest.raises(FetchError, match=r"^[^\[\d]*refused[^\]\d]*$"):
        download("http://127.0.0.1:1/file", tmp_path / "file", lambda *_: None)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FetchError, match="No such file"):
        download((tmp_path / "gone").as_uri(), tmp_path / "file", lambda *_: None)


def test_only_files_so_large_are_fetched(fetched):
    for length in (len(BODY), None):
        answer = {"body": BODY, "length": length}
        assert fetched(answer, largest=len(BODY))[0] == BODY
        with pytest.raises(FetchError, match=r"announced 100000 bytes|sent more than 99999 bytes"):
            fetched(answer, largest=len(BODY) - 1)


def test_an_announced_size_is_refused_before_anything_is_sent(fetched):
    with pytest.raises(FetchError, match="announced 1073741825 bytes, far too many"):
        fetched({"body": b"", "length": 2**30 + 1})


def test_endless_answers_end(fetched):
    with pytest.raises(FetchError, match="sent more than 100000 bytes"):
        fetched({"body": 3 * BODY, "length": None}, largest=100_000)


@pytest.mark.parametrize(
    "url", ["http://a", "https://a.org:8080/b", "file:///a", "file://server/a", "http://[::1]/a"]
)
def test_addresses(url):
    assert is_address(url)


@pytest.mark.parametrize(
    "url", ["", "/a", "a", "ftp://a/b", "http://", "http:///a", "http://a:0/", "https://a:99999"]
)
def test_what_is_no_address(url):
    assert not is_address(url)
