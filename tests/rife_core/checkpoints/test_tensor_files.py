"""Named tensors from files of any origin, and one clear error for everything else."""

import os
import re

import pytest
import torch
from rife_video.rife_core.checkpoints import tensor_files
from rife_video.rife_core.checkpoints.tensor_files import CheckpointError, read_tensors, unfilled
from safetensors.torch import save_file

WEIGHT = {"weight": torch.arange(6.0).reshape(2, 3)}


def test_safetensors_with_metadata(tmp_path):
    save_file(WEIGHT, tmp_path / "a.safetensors", {"row": "4.6"})
    tensors, metadata = read_tensors("RIFE", tmp_path / "a.safetensors")
    assert torch.equal(tensors["weight"], WEIGHT["weight"])
    assert metadata == {"row": "4.6"}


@pytest.mark.parametrize("legacy", [False, True])
def test_what_torch_saved(tmp_path, legacy):
    path = tmp_path / "a.pth"
    state = {"model": WEIGHT, "step": 3, "name": "x"}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    tensors, metadata = read_tensors("RIFE", path)
    assert torch.equal(tensors["model"]["weight"], WEIGHT["weight"])
    assert tensors["step"] == 3
    assert metadata == {}


def test_a_file_is_read_again_until_nobody_writes_it(tmp_path, monkeypatch):
    """Its time says little about the last milliseconds: a writer may be half way through."""
    path, waited = tmp_path / "a.safetensors", []
    save_file(WEIGHT, path)

    def written(seconds):
        waited.append(seconds)
        save_file({"weight": torch.full((2, 3), float(len(waited)))}, path)
        if len(waited) == stops_after:
            os.utime(path, (1, 1))

    monkeypatch.setattr(tensor_files, "_SETTLED_SECONDS", 60)
    monkeypatch.setattr(tensor_files.time, "sleep", written)
    stops_after = 3
    assert read_tensors("RIFE", path)[0]["weight"].unique() == 3
    assert waited == [60] * 3
    waited.clear()
    stops_after = None
    path.touch()
    with pytest.raises(CheckpointError, match="is being written"):
        read_tensors("RIFE", path)
    assert len(waited) == 40


class RunsCode:
    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pth", b"", "a.pth is empty"),
        ("a.safetensors", b"\0" * 40, "a.safetensors is damaged or no weights file"),
        ("a.pth", b"PK\3\4 broken", "a.pth "),
        ("a.pth", [1, 2], "a.pth holds a list, but RIFE weights are a dictionary"),
        ("a.pth", {"a": RunsCode()}, "a.pth was refused: it is damaged, or holds other things"),
    ],
)
def test_refused(tmp_path, monkeypatch, name, content, message):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}"):
        read_tensors("RIFE", path)
    assert not (tmp_path / "ran").exists()


def test_a_file_cut_short_is_damaged(tmp_path):
    for name, write in (("a.safetensors", save_file), ("a.pth", torch.save)):
        write(WEIGHT, tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(CheckpointError, match=f"^{name} "):
            read_tensors("RIFE", tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file '.*gone.pth' with RIFE weights"):
        read_tensors("RIFE", tmp_path / "gone.pth")


def test_unfilled_layers_draw_nothing(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "uniform_", None, raising=False)
    with unfilled():
        layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Linear(4, 5))
    assert all(parameter.is_meta for parameter in layers.parameters())
    with pytest.raises(TypeError):
        torch.nn.Linear(4, 5)
