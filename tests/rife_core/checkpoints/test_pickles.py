"""Bounds for pickles: what torch saves passes, what would grow without end is refused unread."""

import io
import pickle
import pickletools
import zipfile

import pytest
import torch
from rife_video.rife_core.checkpoints import pickles
from rife_video.rife_core.checkpoints.pickles import check_archive


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.pkl", content)
    return file.getvalue()


@pytest.mark.parametrize("modern", [True, False])
def test_what_torch_saves_passes(modern):
    file = io.BytesIO()
    state = {f"block{n}.weight": torch.zeros(3, 2) for n in range(40)}
    torch.save(state, file, _use_new_zipfile_serialization=modern)
    check_archive(file.getvalue())


def test_tuples_in_tuples_are_refused():
    nested = ()
    for _ in range(12):  # its hash would visit 2 ** 12 tuples
        nested = (nested, nested)
    with pytest.raises(pickle.UnpicklingError, match="tuples in tuples"):
        check_archive(zipped(data=pickle.dumps(nested)))


def test_a_long_tuple_is_refused():
    check_archive(pickle.dumps(tuple(range(900))))
    for long in (tuple(range(1100)), (*range(1100), {1: 2, 3: 4})):
        with pytest.raises(pickle.UnpicklingError, match="tuples"):
            check_archive(pickle.dumps(long))


def test_a_long_way_is_not_gone(monkeypatch):
    content = pickle.dumps(list(range(1000)))
    steps = len(list(pickletools.genops(content)))
    for archive in (content, zipped(data=content)):
        monkeypatch.setattr(pickles, "_MAX_STEPS", steps)
        check_archive(archive)
        monkeypatch.setattr(pickles, "_MAX_STEPS", steps - 1)
        with pytest.raises(pickle.UnpicklingError, match="too many steps"):
            check_archive(archive)


def test_an_archive_that_unpacks_to_a_thousand_times_its_size():
    with pytest.raises(pickle.UnpicklingError, match="unpacks to more"):
        check_archive(zipped(data=bytes(4 * 2**20)))


def test_a_large_pickle_is_refused_unread(monkeypatch):
    content = pickle.dumps(["x" * 1000])
    monkeypatch.setattr(pickles, "_MAX_PICKLE", len(content))
    check_archive(zipped(data=content))
    with pytest.raises(pickle.UnpicklingError, match="pickle is too large"):
        check_archive(zipped(data=content + b"."))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"PK garbage", "zip"), (b"\x80\x02R.", "takes more than there is")],
)
def test_what_is_no_pickle(content, message):
    with pytest.raises((pickle.UnpicklingError, ValueError), match=message):
        check_archive(content)
