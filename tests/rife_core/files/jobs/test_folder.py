"""Files of a job's folder appear whole, and one of several writers wins."""

from concurrent.futures import ThreadPoolExecutor

from rife_video.rife_core.files.jobs.folder import Folder


def test_files_appear_whole_or_not_at_all(tmp_path):
    folder = Folder(tmp_path / "job")
    assert folder.read("a/b.json") is None
    assert folder.names("a") == set()
    folder.write("a/b.json", b"1")
    folder.write("a/b.json", b"22")
    assert folder.read("a/b.json") == b"22"
    assert folder.size("a/b.json") == 2
    (tmp_path / "job/a/.b.json.1234.part").write_bytes(b"half")
    assert folder.names("a") == {"b.json"}
    folder.remove("a/b.json", "a/none")
    assert folder.size("a/b.json") is None


def test_of_many_who_create_a_file_one_wins(tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: folder.create("x.json", b"%d" % n), range(24)))
    assert sum(won) == 1
    assert folder.read("x.json") == b"%d" % won.index(True)

    def no_links(*_):
        raise OSError("not on this file system")

    monkeypatch.setattr("os.link", no_links)
    assert not folder.create("x.json", b"late")
    assert folder.create("y.json", b"first")
    assert folder.read("y.json") == b"first"
    assert folder.names("") == {"x.json", "y.json"}
