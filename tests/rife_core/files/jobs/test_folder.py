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


def test_all_files_of_a_folder_are_read_without_those_that_are_being_created(tmp_path):
    folder = Folder(tmp_path)
    assert folder.read_all("a") == []
    folder.write("a/1", b"one")
    folder.write("a/2", b"two")
    (tmp_path / "a/3").touch()
    assert sorted(folder.read_all("a")) == [b"one", b"two"]


def test_what_is_written_outlasts_a_loss_of_power(tmp_path, monkeypatch):
    """The file first, then the folder that holds its name."""
    synced = []
    monkeypatch.setattr("rife_video.rife_core.basics.whole_file.sync", synced.append)
    monkeypatch.setattr("rife_video.rife_core.files.jobs.folder.sync", synced.append)
    folder = Folder(tmp_path)
    for step in (folder.write, folder.create):
        synced.clear()
        step(f"a/{step.__name__}", b"1")
        part, parent = synced
        assert (part.suffix, part.parent, parent) == (".part", tmp_path / "a", tmp_path / "a")
    synced.clear()
    folder.keep("a/write")
    assert synced == [tmp_path / "a/write"]
