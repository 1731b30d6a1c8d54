"""Named tensors from files of any origin, and one clear error for everything else."""

import os
import re

import pytest
import torch
from rife_video.rife_core.checkpoints import tensor_files
from rife_video.rife_core.checkpoints.tensor_files import (
    CheckpointError,
    float_weights,
    read_tensors,
    save_tensors,
    shown,
    unfilled,
)
from safetensors.torch import save_file

WEIGHT = {"weight": torch.arange(6.0).reshape(2, 3)}


@pytest.mark.parametrize("save", [save_file, save_tensors])
@pytest.mark.parametrize("given", [{"row": "4.6"}, None])
def test_safetensors_with_metadata(tmp_path, save, given):
    save(WEIGHT, tmp_path / "a.safetensors", given)
    tensors, metadata = read_tensors("RIFE", tmp_path / "a.safetensors")
    assert torch.equal(tensors["weight"], WEIGHT["weight"])
    assert metadata == (given or {})


def test_a_place_that_cannot_be_written_to_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        save_tensors(WEIGHT, tmp_path / "gone" / "a.safetensors")


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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("\nodd bytes\nand more"), "damaged or no weights file (odd bytes)."),
        (EOFError(), "damaged or no weights file (EOFError)."),
        (RuntimeError("x" * 200), f"damaged or no weights file ({'x' * 160})."),
        (MemoryError(), "There is not enough memory to read a.safetensors, or it is damaged"),
    ],
)
def test_the_reason_is_said_in_one_line(tmp_path, monkeypatch, error, said):
    def fails(content):
        raise error

    monkeypatch.setattr(tensor_files, "load_safetensors", fails)
    save_file(WEIGHT, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=re.escape(said)):
        read_tensors("RIFE", tmp_path / "a.safetensors")


def test_errors_of_the_program_are_no_damage(tmp_path, monkeypatch):
    def fails(content):
        raise KeyboardInterrupt

    monkeypatch.setattr(tensor_files, "load_safetensors", fails)
    save_file(WEIGHT, tmp_path / "a.safetensors")
    with pytest.raises(KeyboardInterrupt):
        read_tensors("RIFE", tmp_path / "a.safetensors")


@pytest.mark.parametrize(("suffix", "save"), [(".safetensors", save_file), (".pth", torch.save)])
def test_only_so_many_tensors_are_read(tmp_path, monkeypatch, suffix, save):
    path = tmp_path / f"a{suffix}"
    save({str(index): torch.zeros(1) for index in range(3)}, path)
    monkeypatch.setattr(tensor_files, "MAX_TENSORS", 3)
    assert len(read_tensors("RIFE", path)[0]) == 3
    monkeypatch.setattr(tensor_files, "MAX_TENSORS", 2)
    if suffix == ".safetensors":  # its header tells
        monkeypatch.setattr(tensor_files, "load_safetensors", None)
    with pytest.raises(CheckpointError, match=r"holds 3 tensors.*at most 2 are read"):
        read_tensors("RIFE", path)


def test_only_files_so_large_are_read(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    save_file(WEIGHT, path)
    monkeypatch.setattr(tensor_files, "MAX_BYTES", path.stat().st_size)
    read_tensors("RIFE", path)
    monkeypatch.setattr(tensor_files, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(CheckpointError, match=r"^a\.safetensors has 0 GB"):
        read_tensors("RIFE", path)
    monkeypatch.setattr(tensor_files, "MAX_BYTES", 4 * 2**30)
    os.truncate(path, 5 * 2**30)  # none of which is on the disk
    with pytest.raises(CheckpointError, match=r"^a\.safetensors has 5 GB; .* less than 4 GB\.$"):
        read_tensors("RIFE", path)


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_weights_are_float32_of_their_own(dtype):
    given = torch.arange(6.0).to(dtype).reshape(2, 3).t()
    weight = float_weights("a.pth", {"w": given})["w"]
    assert weight.dtype == torch.float32
    assert weight.is_contiguous()
    assert weight.data_ptr() != given.data_ptr()
    assert torch.equal(weight, given.float())


@pytest.mark.filterwarnings("ignore")  # torch's, of kinds of tensors that are young or old
@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: "text", "is a str"),
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "is quantised"),
        (lambda: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]), "is nested"),
        (lambda: torch.eye(2).to_sparse(), "is sparse_coo"),
        (lambda: torch.ones(2, device="meta"), "has no content (device meta)"),
        (lambda: torch.ones(2, dtype=torch.int64), "is of type int64"),
        (lambda: torch.ones(1).expand(4), "repeats its values"),
        (lambda: torch.tensor([1.0, torch.nan]), "has values that are NaN or infinite"),
        (lambda: torch.tensor([1.0, -torch.inf]), "has values that are NaN or infinite"),
    ],
)
def test_what_cannot_be_a_weight_is_named(made, reason):
    state = {"good": torch.ones(2), "bad": made()}
    with pytest.raises(CheckpointError, match=re.escape(f"a.pth cannot be used: 'bad' {reason}")):
        float_weights("a.pth", state)


def test_names_are_shown_in_quotes_and_not_too_long():
    assert shown("block0") == "'block0'"
    assert shown("x" * 80) == f"'{'x' * 80}'"
    assert shown("x" * 81) == f"'{'x' * 80}'..."
    assert shown(3) == "a int"


def test_unfilled_layers_draw_nothing(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "uniform_", None, raising=False)
    with unfilled():
        layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Linear(4, 5))
    assert all(parameter.is_meta for parameter in layers.parameters())
    with pytest.raises(TypeError):
        torch.nn.Linear(4, 5)
