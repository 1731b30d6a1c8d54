"""Whole programs, from file to file."""

import sys

import pytest
from rife_video.rife_core.benchmark import end_to_end as programs
from rife_video.rife_core.benchmark.workers import ContenderError

pytestmark = pytest.mark.usefixtures("seeded")


def test_a_program_that_fails_says_why(tmp_path):
    code = "import sys; sys.exit('no luck with /some/x/file.mp4')"
    program = programs.Program("it", [sys.executable, "-c", code], tmp_path / "out.mp4")
    with pytest.raises(ContenderError, match=r"exit code 1, .*no luck with file\.mp4"):
        programs._timed(program, 1, {})
