"""The clip that templates open with, and the folders that it is put into."""

import pytest
from rife_video.nodes.host import SAMPLE, offer_sample


@pytest.fixture
def folder(loaded, tmp_path):
    loaded()["folder_paths"].get_input_directory = lambda: str(tmp_path)
    return tmp_path


def test_it_is_put_into_the_input_folder(folder):
    offer_sample()
    (found,) = folder.iterdir()
    assert found.name == SAMPLE.name
    assert found.read_bytes() == SAMPLE.read_bytes()


def test_what_is_there_stays(folder):
    (folder / SAMPLE.name).write_bytes(b"mine")
    offer_sample()
    assert (folder / SAMPLE.name).read_bytes() == b"mine"


def test_a_folder_that_cannot_be_written_to_does_no_harm(folder, monkeypatch):
    def full(*_):
        raise OSError("no space")

    monkeypatch.setattr("shutil.copyfile", full)
    offer_sample()
    assert not list(folder.iterdir())


def test_without_comfyui_there_is_no_page(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input").mkdir()
    offer_sample()
    assert not list((tmp_path / "input").iterdir())
